#include "stamps.hpp"

#include <chrono>
#include <string>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy;
using namespace std::chrono_literals;

namespace {

constexpr Time kStart{1h};

}  // namespace

TEST_CASE("a stamp holds for its user, command, db and key alone, until it ends") {
  Stamps stamps(1);
  const auto one = stamps.subject(1, 2, 3, "key");
  CHECK_FALSE(stamps.live(one, kStart));
  stamps.add(one, kStart + 1s);
  CHECK(stamps.live(one, kStart));
  CHECK(stamps.live(one, kStart + 999ms));
  CHECK_FALSE(stamps.live(one, kStart + 1s));
  CHECK_FALSE(stamps.live(stamps.subject(2, 2, 3, "key"), kStart));
  CHECK_FALSE(stamps.live(stamps.subject(1, 1, 3, "key"), kStart));
  CHECK_FALSE(stamps.live(stamps.subject(1, 2, 0, "key"), kStart));
  CHECK_FALSE(stamps.live(stamps.subject(1, 2, 3, "kez"), kStart));
  CHECK(stamps.subject(1, 2, 3, "key") == one);
}

TEST_CASE("an older permission does not shorten a newer one") {
  Stamps stamps(1);
  const auto one = stamps.subject(1, 2, 3, "key");
  stamps.add(one, kStart + 2s);
  stamps.add(one, kStart + 1s);
  CHECK(stamps.live(one, kStart + 1500ms));
}

TEST_CASE("at the limit stamps go, and none appears that was not made") {
  Stamps stamps(1);
  constexpr std::size_t kMany = 3 * Stamps::kStamps;
  for (std::size_t i = 0; i < kMany; i++) {
    stamps.add(stamps.subject(1, 2, 0, std::to_string(i)), kStart + 1s);
  }
  std::size_t live = 0;
  for (std::size_t i = 0; i < kMany; i++) {
    live += stamps.live(stamps.subject(1, 2, 0, std::to_string(i)), kStart) ? 1 : 0;
    REQUIRE_FALSE(stamps.live(stamps.subject(2, 2, 0, std::to_string(i)), kStart));
  }
  CHECK(live <= Stamps::kStamps);
  CHECK(live > Stamps::kStamps / 2);
  const auto last = stamps.subject(1, 2, 0, std::to_string(kMany - 1));
  CHECK(stamps.live(last, kStart));
}

TEST_CASE("what has ended makes way first") {
  Stamps stamps(1);
  const auto kept = stamps.subject(1, 2, 0, "kept");
  stamps.add(kept, kStart + 1h);
  for (std::size_t i = 0; i < Stamps::kStamps; i++) {
    stamps.add(stamps.subject(1, 2, 0, std::to_string(i)), kStart + 1s);
  }
  CHECK(stamps.live(kept, kStart));
}
