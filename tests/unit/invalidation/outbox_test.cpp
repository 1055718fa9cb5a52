#include "outbox.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::invalidation;
using namespace std::chrono_literals;
using Fault = Outbox::Fault;
using Then = Outbox::Then;

namespace {

Notice notice(std::uint64_t id) {
  Notice made;
  made.value = std::to_string(id);
  made.id = id;
  made.at = static_cast<std::int64_t>(1000 + id);
  return made;
}

std::vector<std::uint64_t> ids(const std::vector<Notice>* notices) {
  std::vector<std::uint64_t> ids;
  for (const Notice& one : *notices) {
    ids.push_back(one.id);
  }
  return ids;
}

constexpr Time kStart{};

}  // namespace

TEST_CASE("what waits while one delivery is under way goes together, in order") {
  Outbox outbox({10, 3, 1});
  CHECK(outbox.next(kStart) == nullptr);
  CHECK(outbox.settled(kStart));
  CHECK(outbox.due() == kNever);
  outbox.add(notice(1));
  CHECK_FALSE(outbox.settled(kStart));
  CHECK(ids(outbox.next(kStart)) == std::vector<std::uint64_t>{1});
  for (std::uint64_t id = 2; id <= 5; id++) {
    outbox.add(notice(id));
  }
  CHECK(outbox.next(kStart) == nullptr);
  CHECK(outbox.due() == kNever);
  CHECK(outbox.totals().waiting == 5);
  outbox.taken();
  CHECK(outbox.totals().told == 1);
  CHECK(ids(outbox.next(kStart)) == std::vector<std::uint64_t>{2, 3, 4});
  outbox.taken();
  CHECK(ids(outbox.next(kStart)) == std::vector<std::uint64_t>{5});
  outbox.taken();
  CHECK(outbox.next(kStart) == nullptr);
  CHECK(outbox.settled(kStart));
  CHECK(outbox.totals().told == 5);
  CHECK(outbox.totals().waiting == 0);
}

TEST_CASE("what was not taken comes again as it was, later and later, and is then given up") {
  Outbox outbox({10, 2, 3});
  outbox.add(notice(1));
  CHECK(ids(outbox.next(kStart)) == std::vector<std::uint64_t>{1});
  outbox.add(notice(2));
  CHECK(outbox.failed(Fault::refused, kStart, 0) == Then::again);
  CHECK(outbox.settled(kStart));
  CHECK(outbox.next(kStart) == nullptr);
  CHECK(outbox.due() == kStart + 100ms);
  CHECK(outbox.next(kStart + 99ms) == nullptr);
  CHECK_FALSE(outbox.settled(kStart + 100ms));
  CHECK(ids(outbox.next(kStart + 100ms)) == std::vector<std::uint64_t>{1});
  CHECK(outbox.failed(Fault::refused, kStart + 100ms, 0) == Then::again);
  CHECK(outbox.due() == kStart + 300ms);
  CHECK(ids(outbox.next(kStart + 300ms)) == std::vector<std::uint64_t>{1});
  CHECK(outbox.failed(Fault::refused, kStart + 300ms, 0) == Then::given_up);
  CHECK(outbox.totals().failed == 3);
  CHECK(outbox.totals().lost == 1);
  CHECK(outbox.totals().waiting == 1);
  // The pauses go on growing until something is taken; the gap comes first.
  CHECK(outbox.due() == kStart + 700ms);
  const std::vector<Notice>* next = outbox.next(kStart + 700ms);
  REQUIRE(next != nullptr);
  CHECK(ids(next) == std::vector<std::uint64_t>{1, 2});
  CHECK(next->front().kind == Notice::Kind::lost);
  CHECK(next->front().scope == Notice::Scope::all);
  CHECK(next->front().lost == 1);
  CHECK(next->front().at == 1001);
  outbox.taken();
  CHECK(outbox.totals().told == 1);
  outbox.add(notice(3));
  CHECK(ids(outbox.next(kStart + 700ms)) == std::vector<std::uint64_t>{3});
  CHECK(outbox.failed(Fault::refused, kStart + 700ms, 0) == Then::again);
  CHECK(outbox.due() == kStart + 800ms);
}

TEST_CASE("where the way itself is away nothing is given up") {
  Outbox outbox({2, 10, 1});
  outbox.add(notice(1));
  Time now = kStart;
  for (int i = 0; i < 20; i++) {
    CHECK(ids(outbox.next(now)) == std::vector<std::uint64_t>{1});
    CHECK(outbox.failed(Fault::away, now, 0) == Then::again);
    CHECK(outbox.due() <= now + Outbox::kBackoffMax);
    now = outbox.due();
  }
  CHECK(outbox.totals().lost == 0);
  // But only so many wait.
  for (std::uint64_t id = 2; id <= 5; id++) {
    outbox.add(notice(id));
  }
  CHECK(outbox.totals().lost == 2);
  CHECK(outbox.totals().waiting == 3);
  CHECK(ids(outbox.next(now)) == std::vector<std::uint64_t>{1});
  outbox.taken();
  const std::vector<Notice>* next = outbox.next(now);
  CHECK(ids(next) == std::vector<std::uint64_t>{3, 4, 5});
  CHECK(next->front().lost == 2);
}

TEST_CASE("a gap is of the batch, and one that is not taken counts on") {
  Outbox outbox({1, 1, 1});
  outbox.add(notice(1));
  outbox.add(notice(2));
  const std::vector<Notice>* next = outbox.next(kStart);
  REQUIRE(next->size() == 1);
  CHECK(next->front().lost == 1);
  outbox.add(notice(3));
  CHECK(outbox.failed(Fault::refused, kStart, 0) == Then::given_up);
  next = outbox.next(kStart + 1s);
  REQUIRE(next->size() == 1);
  CHECK(next->front().lost == 2);
  CHECK(next->front().id == 2);
  outbox.taken();
  CHECK(ids(outbox.next(kStart + 1s)) == std::vector<std::uint64_t>{3});
  outbox.taken();
  CHECK(outbox.totals().told == 1);
  CHECK(outbox.totals().lost == 2);
}

// Whatever happens, each notice is told, or is in a gap that was told or is still to come; in
// order.
TEST_CASE("random schedules") {
  std::mt19937_64 random(7);
  const auto up_to = [&](std::uint64_t n) {
    return random() % n;
  };
  for (int schedule = 0; schedule < 2000; schedule++) {
    const Outbox::Limits limits{1 + up_to(6), 1 + up_to(4), static_cast<unsigned>(1 + up_to(3))};
    Outbox outbox(limits);
    Time now = kStart;
    std::uint64_t last = 0;
    std::uint64_t told = 0;
    std::uint64_t lost = 0;
    std::uint64_t seen = 0;  // the last id that was told
    const std::vector<Notice>* under_way = nullptr;
    const auto take = [&] {
      for (const Notice& one : *under_way) {
        REQUIRE(one.id > seen);
        seen = one.id;
        one.kind == Notice::Kind::lost ? lost += one.lost : told++;
      }
      outbox.taken();
      under_way = nullptr;
    };
    for (int step = 0; step < 60; step++) {
      switch (up_to(4)) {
        case 0:
        case 1:
          outbox.add(notice(++last));
          break;
        case 2:
          now += std::chrono::milliseconds(up_to(300));
          if (under_way == nullptr) {
            under_way = outbox.next(now);
            REQUIRE((under_way == nullptr || under_way->size() <= limits.batch));
          }
          break;
        default:
          if (under_way != nullptr && up_to(2) == 0) {
            take();
          } else if (under_way != nullptr) {
            outbox.failed(up_to(4) == 0 ? Fault::away : Fault::refused, now, random());
            under_way = nullptr;
          }
      }
      REQUIRE(outbox.totals().waiting <= limits.queue + limits.batch);
      REQUIRE(outbox.totals().told == told);
      REQUIRE(outbox.totals().told + outbox.totals().lost + outbox.totals().waiting == last);
    }
    while (under_way != nullptr || outbox.due() != kNever) {
      if (under_way == nullptr) {
        now = std::max(now, outbox.due());
        under_way = outbox.next(now);
        REQUIRE(under_way != nullptr);
      }
      take();
    }
    CHECK(seen == last);
    CHECK(told + lost == last);
    CHECK(lost == outbox.totals().lost);
  }
}

TEST_CASE("keys are as long as they like: bytes are limited too, of the queue and of a delivery") {
  const std::size_t one = sizeof(Notice) + 1000;
  Outbox outbox({100, 10, 1, 5 * one, 2 * one});
  const auto large = [](std::uint64_t id, std::size_t size = 1000) {
    Notice made = notice(id);
    made.value.assign(size, 'k');
    return made;
  };
  for (std::uint64_t id = 1; id <= 7; id++) {
    outbox.add(large(id));
  }
  CHECK(outbox.totals().waiting == 5);
  CHECK(outbox.totals().lost == 2);
  const std::vector<Notice>* delivery = outbox.next(kStart);
  CHECK(ids(delivery) == std::vector<std::uint64_t>{2, 3, 4});
  CHECK(delivery->at(0).lost == 2);
  // What is under way has left the queue.
  outbox.add(large(8));
  outbox.add(large(9));
  CHECK(outbox.totals().lost == 2);
  outbox.taken();
  CHECK(ids(outbox.next(kStart)) == std::vector<std::uint64_t>{5, 6});
  outbox.taken();
  // None that is larger than a delivery: the receiver is to drop everything, so all that waits
  // goes.
  outbox.add(large(10, 2001 + sizeof(Notice)));
  outbox.add(large(11, 2000 + sizeof(Notice)));
  CHECK(outbox.totals().lost == 6);
  delivery = outbox.next(kStart);
  CHECK(ids(delivery) == std::vector<std::uint64_t>{10, 11});
  CHECK(delivery->at(0).kind == Notice::Kind::lost);
  CHECK(delivery->at(0).lost == 4);
  outbox.taken();
  CHECK(outbox.next(kStart) == nullptr);
  CHECK(outbox.totals().waiting == 0);
}
