// The small parts: back-off, the ring of pending requests, notification flags.
#include "notifications.hpp"
#include "pending_ring.hpp"

#include "tiercache/base/backoff.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using namespace tiercache::l2;

TEST_CASE("waits double up to the limit, lose at most half to chance, and start anew") {
  Backoff backoff(100ms, 1s);
  for (const auto step : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
    Backoff twin = backoff;
    CHECK(twin.next(0) == step);
    for (std::uint64_t random = 1; random < 1000; random++) {
      Backoff other = backoff;
      const Duration wait = other.next(random * 0x9e3779b97f4a7c15U);
      REQUIRE(wait <= step);
      REQUIRE(wait >= step / 2);
    }
    backoff.next(0);
  }
  backoff.reset();
  CHECK(backoff.next(0) == 100ms);
  CHECK(Backoff(0ms, 0ms).next(7) == 0ms);
}

namespace {

struct Counted : Consumer {
  explicit Counted(int& alive_) : alive(alive_) {
    alive++;
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() override {
    alive--;
  }
  void on_reply(std::uint64_t, std::string_view, bool) override {
  }
  void on_lost(std::uint64_t, std::string_view) override {
  }
  int& alive;
};

}  // namespace

TEST_CASE("the ring keeps the order while it grows, and its consumers alive") {
  int alive = 0;
  PendingRing ring;
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  for (int round = 0; round < 50; round++) {
    for (int i = 0; i < 7 + round; i++) {
      ring.push(*new Counted(alive), in++);
    }
    for (int i = 0; i < 5 + round; i++) {
      CHECK(ring.front().tag == out);
      REQUIRE(ring.pop().tag == out++);
    }
    REQUIRE(ring.size() == in - out);
    REQUIRE(alive == static_cast<int>(ring.size()));
  }
  while (!ring.empty()) {
    REQUIRE(ring.pop().tag == out++);
  }
  CHECK(out == in);
  CHECK(alive == 0);
}

TEST_CASE("notification flags must have K and every class that changes a value") {
  for (const char* enough : {"KA", "AKE", "Kg$lshztxed", "KExedtzhsl$gnm"}) {
    CAPTURE(enough);
    CHECK(notifications_suffice(enough));
  }
  for (const char* too_few : {"", "A", "AE", "K", "Kg$lshztxe", "K$lshztxed", "EA"}) {
    CAPTURE(too_few);
    CHECK_FALSE(notifications_suffice(too_few));
    const std::string flags = with_needed_notifications(too_few);
    CHECK(notifications_suffice(flags));
    CHECK(flags.starts_with(too_few));
  }
  CHECK(with_needed_notifications("EA") == "EAK");
}
