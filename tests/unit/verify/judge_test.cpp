// Planted histories: each check is seen to pass what is right and to name what is wrong.
#include "verify/judge.hpp"

#include <array>

#include <doctest/doctest.h>

namespace tiercache::verify {
namespace {

constexpr KeyId kKey = 7;

Seen value(Version number) {
  return {Seen::Kind::value, number};
}
constexpr Seen kAbsent{Seen::Kind::absent, 0};
constexpr Seen kPresent{Seen::Kind::present, 0};
Seen length(std::uint32_t n) {
  return {Seen::Kind::length, n};
}

KeyInfo lasting() {
  return {};
}
KeyInfo toggling() {
  KeyInfo info;
  info.absent_every = 2;
  return info;
}

Bounds bounds(Version session, Version proxy, Version direct, Version issued) {
  Bounds b;
  b.session = session;
  b.proxy = proxy;
  b.direct = direct;
  b.issued = issued;
  return b;
}

std::optional<Check> broken(const KeyInfo& info, const Bounds& b, Seen seen) {
  return judge(info, kKey, b, seen).broken;
}

}  // namespace

TEST_CASE("a value at or above every bound is right and proves itself") {
  const Ruling ruling = judge(lasting(), kKey, bounds(3, 4, 5, 9), value(5));
  CHECK_FALSE(ruling.broken);
  CHECK(ruling.proven == 5);
  CHECK_FALSE(broken(lasting(), bounds(3, 4, 5, 9), value(9)));
}

TEST_CASE("a value below what the session has seen breaks monotonic reads") {
  CHECK(broken(lasting(), bounds(5, 0, 0, 9), value(4)) == Check::monotonic);
}

TEST_CASE("a value below what the session has written breaks reading one's own writes") {
  Bounds b = bounds(5, 0, 0, 9);
  b.session_wrote = true;
  CHECK(broken(lasting(), b, value(4)) == Check::own_write);
  CHECK_FALSE(broken(lasting(), b, value(5)));
}

TEST_CASE("a value below what this proxy had shown before the read was sent breaks real time") {
  CHECK(broken(lasting(), bounds(2, 5, 0, 9), value(4)) == Check::proxy_time);
}

TEST_CASE("a value older than max_staleness allows breaks staleness") {
  CHECK(broken(lasting(), bounds(2, 3, 5, 9), value(4)) == Check::staleness);
}

TEST_CASE("a value that nobody has sent yet, or that stands for absence, was never written") {
  CHECK(broken(lasting(), bounds(0, 0, 0, 9), value(10)) == Check::whole);
  CHECK(broken(toggling(), bounds(0, 0, 0, 9), value(4)) == Check::whole);
}

TEST_CASE("broken bytes and replies of the wrong type are named") {
  CHECK(broken(lasting(), bounds(0, 0, 0, 9), {Seen::Kind::corrupt, 0}) == Check::whole);
  CHECK(broken(lasting(), bounds(0, 0, 0, 9), {Seen::Kind::mistyped, 0}) == Check::protocol);
}

TEST_CASE("absence proves the first absent state that the bounds allow") {
  const Ruling ruling = judge(toggling(), kKey, bounds(3, 0, 0, 9), kAbsent);
  CHECK_FALSE(ruling.broken);
  CHECK(ruling.proven == 4);
  CHECK(judge(toggling(), kKey, bounds(4, 0, 0, 9), kAbsent).proven == 4);
}

TEST_CASE("absence after a creation that nothing has undone is stale, to whomever knew of it") {
  CHECK(broken(toggling(), bounds(3, 0, 0, 3), kAbsent) == Check::monotonic);
  CHECK(broken(toggling(), bounds(0, 3, 0, 3), kAbsent) == Check::proxy_time);
  CHECK(broken(toggling(), bounds(0, 0, 3, 3), kAbsent) == Check::staleness);
  Bounds b = bounds(3, 3, 0, 3);
  b.session_wrote = true;
  CHECK(broken(toggling(), b, kAbsent) == Check::own_write);
}

TEST_CASE("absence is never right for a key that is not deleted, once it is written") {
  CHECK_FALSE(broken(lasting(), bounds(0, 0, 0, 5), kAbsent));
  CHECK(broken(lasting(), bounds(0, 1, 0, 5), kAbsent) == Check::proxy_time);
}

TEST_CASE("presence after a deletion that nothing has undone is stale") {
  CHECK(broken(toggling(), bounds(0, 4, 0, 4), kPresent) == Check::proxy_time);
  CHECK(broken(toggling(), bounds(0, 0, 4, 4), kPresent) == Check::staleness);
  CHECK_FALSE(broken(toggling(), bounds(0, 4, 0, 5), kPresent));
}

TEST_CASE("a length must be that of some state from the bounds on") {
  KeyInfo growing;
  growing.shape = Shape::records;
  // States 1..16 have 1..16 records.
  CHECK_FALSE(broken(growing, bounds(3, 0, 0, 6), length(24)));
  CHECK(broken(growing, bounds(4, 0, 0, 6), length(24)) == Check::monotonic);
  CHECK(judge(growing, kKey, bounds(4, 0, 0, 6), length(40)).proven == 5);
  CHECK(broken(growing, bounds(4, 0, 0, 6), length(56)) == Check::whole);
  CHECK(broken(growing, bounds(4, 0, 0, 6), length(13)) == Check::whole);
}

TEST_CASE("a read that races far behind the writer is not blamed") {
  KeyInfo growing;
  growing.shape = Shape::counter;
  const Ruling ruling = judge(growing, kKey, bounds(100, 0, 0, 100000), length(5));
  CHECK_FALSE(ruling.broken);
  CHECK_FALSE(ruling.proven);
}

TEST_CASE("the state before a write is exact") {
  CHECK(is_previous(lasting(), kKey, 6, value(5)));
  CHECK_FALSE(is_previous(lasting(), kKey, 6, value(4)));
  CHECK_FALSE(is_previous(lasting(), kKey, 6, value(6)));
  CHECK(is_previous(lasting(), kKey, 1, kAbsent));
  CHECK_FALSE(is_previous(lasting(), kKey, 2, kAbsent));
  CHECK(is_previous(toggling(), kKey, 2, kPresent));
}

TEST_CASE("members that differ in state or presence are torn") {
  CHECK_FALSE(is_torn(std::array{value(3), value(3)}));
  CHECK_FALSE(is_torn(std::array{kAbsent, kAbsent}));
  CHECK(is_torn(std::array{value(3), value(4)}));
  CHECK(is_torn(std::array{value(3), value(3), kAbsent}));
}

TEST_CASE("a floor counts for reads of its own incarnation only") {
  CHECK(narrow(make_version(2, 9), 2) == 9);
  CHECK(narrow(make_version(1, 9), 2) == 0);
  CHECK(narrow(make_version(3, 9), 2) == std::nullopt);
}

TEST_CASE("a member of a set is there from its state to the next absence") {
  KeyInfo set;
  set.shape = Shape::set;
  set.absent_every = static_cast<std::uint8_t>(kCycle);
  const auto member = [](Version number) {
    return Seen{Seen::Kind::member, number};
  };
  const auto outsider = [](Version number) {
    return Seen{Seen::Kind::outsider, number};
  };
  CHECK_FALSE(broken(set, bounds(0, 0, 0, 5), member(5)));
  CHECK(judge(set, kKey, bounds(0, 0, 0, 9), member(5)).proven == Version{5});
  CHECK_FALSE(broken(set, bounds(9, 0, 0, 15), member(5)));
  CHECK(broken(set, bounds(5, 0, 0, 9), outsider(5)) == Check::monotonic);
  CHECK(broken(set, bounds(0, 9, 0, 15), outsider(5)) == Check::proxy_time);
  CHECK_FALSE(broken(set, bounds(5, 0, 0, 17), outsider(5)));
  CHECK(broken(set, bounds(17, 0, 0, 20), member(5)) == Check::monotonic);
  CHECK(broken(set, bounds(0, 0, 0, 4), member(5)) == Check::whole);
  // The record of an absence is never written.
  CHECK(broken(set, bounds(0, 0, 0, 40), member(16)) == Check::whole);
}

}  // namespace tiercache::verify
