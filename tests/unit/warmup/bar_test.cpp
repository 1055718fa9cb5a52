#include "tiercache/warmup/bar.hpp"

#include "tiercache/warmup/progress.hpp"

#include <limits>
#include <string>

#include <doctest/doctest.h>

using namespace tiercache::warmup;
using std::chrono::milliseconds;

namespace {

constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();

std::string shown(std::uint64_t done, std::uint64_t total, std::int64_t took_ms) {
  return bar({done, total}, milliseconds(took_ms));
}

}  // namespace

TEST_CASE("a bar shows the share, how much of how much, the rate and the time left") {
  CHECK(shown(450'000, 1'000'000, 3750) == "[#########...........] 45% 450000/1000000 120000/s 5s");
  CHECK(shown(0, 10, 0) == "[....................] 0% 0/10 0/s");
  CHECK(shown(0, 10, 5000) == "[....................] 0% 0/10 0/s");
  CHECK(shown(5, 10, 0) == "[##########..........] 50% 5/10 0/s");
  CHECK(shown(1, 1, 1000) == "[####################] 100% 1/1 1/s");
}

TEST_CASE("where it is not known how much there is there is no bar") {
  CHECK(shown(0, 0, 0) == "0 0/s");
  CHECK(shown(0, 0, 1000) == "0 0/s");
  CHECK(shown(450'000, 0, 3750) == "450000 120000/s");
  CHECK(shown(kHuge, 0, 1000) == "18446744073709551615 18446744073709551616/s");
}

TEST_CASE("more than was thought is all there is") {
  CHECK(shown(12, 10, 1000) == "[####################] 100% 12/12 12/s");
  CHECK(shown(kHuge, 1, 0) ==
        "[####################] 100% 18446744073709551615/18446744073709551615 0/s");
}

TEST_CASE("it is not all until it is") {
  CHECK(shown(999'999, 1'000'000, 1000) == "[###################.] 99% 999999/1000000 999999/s 1s");
  CHECK(shown(kHuge - 1, kHuge, 0) ==
        "[###################.] 99% 18446744073709551614/18446744073709551615 0/s");
  CHECK(shown(kHuge / 2, kHuge, 0).starts_with("[##########..........] 50% "));
}

TEST_CASE("every share has its bar, all bars the same width, and none goes back") {
  for (const std::uint64_t total : {1UL, 3UL, 7UL, 100UL, 1000UL}) {
    std::uint64_t before = 0;
    for (std::uint64_t done = 0; done <= total; done++) {
      const std::string text = shown(done, total, 1000);
      const auto end = text.find(']');
      REQUIRE(end == 21);
      const std::uint64_t percent = std::stoull(text.substr(end + 2));
      CHECK(percent == done * 100 / total);
      const std::uint64_t full = text.find_first_of(".]") - 1;
      CHECK(full == percent / 5);
      CHECK(text.substr(1, 20) == std::string(full, '#') + std::string(20 - full, '.'));
      CHECK(full >= before);
      before = full;
    }
  }
}

TEST_CASE("the time left has its two largest units") {
  const auto left = [](std::uint64_t seconds) {
    const std::string text = shown(1, seconds + 1, 1000);  // one a second
    return text.substr(text.rfind(' ') + 1);
  };
  CHECK(left(1) == "1s");
  CHECK(left(59) == "59s");
  CHECK(left(60) == "1m00s");
  CHECK(left(3599) == "59m59s");
  CHECK(left(3600) == "1h00m");
  CHECK(left(86'399) == "23h59m");
  CHECK(left(86'400) == "1d00h");
  CHECK(left(99 * 86'400) == "99d00h");
  CHECK(left(99 * 86'400 + 1) == ">99d");
  CHECK(left(kHuge - 1) == ">99d");
  // Part of a second is one.
  CHECK(shown(9, 10, 1000).ends_with(" 9/s 1s"));
}

TEST_CASE("the limit or the size of what is scanned, whichever ends it first") {
  const auto of = [](std::uint64_t looked, std::uint64_t size, std::uint64_t fitted,
                     std::uint64_t limit) {
    const Extent extent = extent_of(looked, size, fitted, limit);
    return std::to_string(extent.done) + "/" + std::to_string(extent.total);
  };
  CHECK(of(64, 0, 5, 0) == "5/0");
  CHECK(of(500, 1000, 5, 0) == "500/1000");
  CHECK(of(64, 0, 5, 70) == "5/70");
  CHECK(of(100, 1000, 50, 70) == "50/70");
  CHECK(of(500, 1000, 5, 70) == "500/1000");
  CHECK(of(0, 1000, 0, 70) == "0/70");
  CHECK(of(kHuge, kHuge, 1, kHuge) == std::to_string(kHuge) + "/" + std::to_string(kHuge));
}

TEST_CASE("a run that is done has all of what was estimated") {
  const tiercache::Time start{};
  const auto shown_at_end = [&](State state, Extent extent) {
    Board board;
    CHECK(bar_of(board.read(start)).empty());
    board.begin({}, start);
    board.update([&](Progress& progress) { progress.extent = extent; });
    board.end(state, "", start + milliseconds(1000));
    return bar_of(board.read(start + milliseconds(9000)));
  };
  CHECK(shown_at_end(State::done, {320, 300}) == "[####################] 100% 320/320 320/s");
  CHECK(shown_at_end(State::done, {250, 300}) == "[####################] 100% 300/300 300/s");
  CHECK(shown_at_end(State::done, {250, 0}) == "250 250/s");
  CHECK(shown_at_end(State::stopped, {150, 300}) == "[##########..........] 50% 150/300 150/s");
}
