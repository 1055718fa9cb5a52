#include "schedule.hpp"

#include <chrono>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::warmup {

namespace {

using std::chrono::seconds;

constexpr Time kStart{std::chrono::hours(1)};

Time at(int s) {
  return kStart + seconds(s);
}

std::vector<std::size_t> take_all(Schedule& schedule, Time now) {
  std::vector<std::size_t> taken;
  while (const auto index = schedule.take(now)) {
    taken.push_back(*index);
  }
  return taken;
}

Schedule::Plan plan(std::uint32_t priority, int refresh = 0) {
  return {priority, seconds(refresh), false, seconds(0)};
}

Schedule::Plan required(std::uint32_t priority, int deadline) {
  return {priority, seconds(0), true, seconds(deadline)};
}

using Order = std::vector<std::size_t>;

}  // namespace

TEST_CASE("the required go first, then by priority, then by their order, so many at a time") {
  Schedule schedule({plan(1), plan(5), plan(5), required(0, 9), plan(2), plan(0)}, kStart);
  CHECK(take_all(schedule, at(0)) == Order{3, 1, 2, 4});
  CHECK(schedule.next(at(0)) == at(9));
  schedule.on_end(1);
  CHECK(take_all(schedule, at(1)) == Order{0});
  schedule.on_end(3);
  CHECK(take_all(schedule, at(1)) == Order{5});
  CHECK(schedule.next(at(1)) == kNever);
}

TEST_CASE("one is refreshed so long after it began, but never while it runs") {
  Schedule schedule({plan(0, 10), plan(0)}, kStart);
  CHECK(take_all(schedule, at(0)) == Order{0, 1});
  schedule.on_end(0);
  schedule.on_end(1);
  CHECK(schedule.next(at(3)) == at(10));
  CHECK(take_all(schedule, at(9)).empty());
  CHECK(take_all(schedule, at(10)) == Order{0});
  CHECK(take_all(schedule, at(25)).empty());
  schedule.on_end(0);
  CHECK(take_all(schedule, at(25)) == Order{0});
}

TEST_CASE("first runs go before refreshes of whatever priority") {
  Schedule schedule({plan(9, 1), plan(9, 1), plan(9, 1), plan(9, 1), plan(0)}, kStart);
  CHECK(take_all(schedule, at(0)) == Order{0, 1, 2, 3});
  schedule.on_end(0);
  schedule.on_end(1);
  CHECK(take_all(schedule, at(5)) == Order{4, 0});
}

TEST_CASE("clients wait for the first runs of the required, each no longer than its deadline") {
  Schedule schedule({required(0, 10), required(0, 20), plan(0)}, kStart);
  CHECK_FALSE(schedule.ready(at(0)));
  take_all(schedule, at(0));
  CHECK(schedule.next(at(0)) == at(10));
  CHECK(schedule.next(at(10)) == at(20));
  SUBCASE("they end") {
    schedule.on_end(1);
    CHECK_FALSE(schedule.ready(at(1)));
    schedule.on_end(0);
    CHECK(schedule.ready(at(1)));
    CHECK(schedule.next(at(1)) == kNever);
  }
  SUBCASE("they do not") {
    CHECK_FALSE(schedule.ready(at(19)));
    CHECK(schedule.ready(at(20)));
    CHECK_FALSE(schedule.ended_once(0));
  }
}

TEST_CASE("where nothing is required clients do not wait") {
  CHECK(Schedule().ready(at(0)));
  CHECK(Schedule({plan(0)}, kStart).ready(at(0)));
}

}  // namespace tiercache::warmup
