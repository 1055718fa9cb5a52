// What the sessions share: floors, expiries, WATCH accounts, floors that fall due.
#include "verify/book.hpp"
#include "verify/due_floors.hpp"
#include "verify/expiry.hpp"
#include "verify/plan.hpp"
#include "verify/random.hpp"
#include "verify/watch_ledger.hpp"

#include <algorithm>
#include <set>

#include <doctest/doctest.h>

namespace tiercache::verify {
namespace {

constexpr Nanos kMs = 1'000'000;

}  // namespace

TEST_CASE("floors only rise, each lane for itself") {
  Book book(std::vector<KeyInfo>(2));
  book.raise_floor(0, 1, 5);
  book.raise_floor(0, 1, 3);
  CHECK(book.floor(0, 1) == 5);
  CHECK(book.floor(1, 1) == 0);
  CHECK(book.floor(0, 0) == 0);
  CHECK(book.direct_floor(1) == 0);
  book.raise_direct_floor(1, 4);
  CHECK(book.direct_floor(1) == 4);
}

TEST_CASE("states are issued in order, and start again under the next incarnation") {
  Book book(std::vector<KeyInfo>(1));
  CHECK(book.issue(0) == 1);
  CHECK(book.issue(0, 2) == 2);
  CHECK(book.issued(0) == 3);
  book.issue_up_to(0, 10);
  CHECK(book.issue(0) == 11);
  book.renew(0);
  CHECK(book.incarnation(0) == 1);
  CHECK(number_of(book.issued(0)) == 0);
  CHECK(book.issue(0) == make_version(1, 1));
}

TEST_CASE("an acknowledged write binds other proxies only when its time has come") {
  Book book(std::vector<KeyInfo>(1));
  DueFloors due(100);
  due.add(0, 7, 1000);
  due.drain(1100, book);
  CHECK(book.direct_floor(0) == 0);
  due.drain(1101, book);
  CHECK(book.direct_floor(0) == 7);
}

TEST_CASE(
    "an expiring state is over after its acknowledgement and time, and not before its sending and "
    "time") {
  ExpiryBook expiry(10, 4, 5 * kMs);
  expiry.on_sent(12, 1, 1000 * kMs, 100 * kMs);
  CHECK_FALSE(expiry.is_expired(12, 1, 5000 * kMs));  // not acknowledged: no latest time is known
  expiry.on_acked(12, 1, 1010 * kMs, 100 * kMs);
  CHECK_FALSE(expiry.is_expired(12, 1, 1115 * kMs));
  CHECK(expiry.is_expired(12, 1, 1116 * kMs));
  CHECK(expiry.is_early(12, 1, 1094 * kMs));
  CHECK_FALSE(expiry.is_early(12, 1, 1095 * kMs));
  CHECK_FALSE(expiry.is_expired(13, 1, 5000 * kMs));
}

TEST_CASE("a state that the expiry book has forgotten is neither early nor expired") {
  ExpiryBook expiry(0, 1, 0);
  const auto later = static_cast<Version>(1 + 2 * ExpiryBook::kDepth);
  expiry.on_sent(0, later, 1000, 100);
  expiry.on_acked(0, later, 1000, 100);
  CHECK_FALSE(expiry.is_expired(0, 1, 99999));
  CHECK_FALSE(expiry.is_early(0, 1, 0));
}

TEST_CASE("a WATCH counter is as high as its successes, and as many unknown outcomes allow") {
  WatchLedger ledger(5, 2);
  for (int i = 0; i < 10; ++i) {
    ledger.on_success(6, 0);
  }
  CHECK(ledger.adds_up(6, 0, 10));
  CHECK_FALSE(ledger.adds_up(6, 0, 9));
  CHECK_FALSE(ledger.adds_up(6, 0, 11));
  ledger.on_unknown(6, 0);
  CHECK(ledger.adds_up(6, 0, 11));
  CHECK_FALSE(ledger.adds_up(6, 0, 12));
  CHECK(ledger.adds_up(6, 1, 0));
  CHECK_FALSE(ledger.adds_up(5, 0, 10));
}

TEST_CASE("the plan gives every key a shape and a writer, and groups one writer") {
  Settings settings;
  settings.proxies.resize(2);
  settings.keys = 3000;
  const Plan plan(settings);
  CHECK(plan.strings.count == 3000);
  CHECK(plan.probes.end() == plan.keys.size());
  std::set<unsigned> owners;
  for (const KeyInfo& info : plan.keys) {
    owners.insert(info.owner);
  }
  CHECK(owners.size() == plan.writers());
  for (const Range& range : {plan.pairs, plan.octets}) {
    for (KeyId key = range.first; key < range.end(); ++key) {
      const Range group = plan.group_of(key);
      CHECK(group.has(key));
      CHECK(plan.keys[key].owner == plan.keys[group.first].owner);
    }
  }
  std::uint32_t longest = 0;
  for (const KeyInfo& info : plan.keys) {
    longest = std::max(longest, info.size);
  }
  CHECK(longest >= 70000);
}

TEST_CASE("the zipf table holds every rank, the first most often") {
  const auto table = zipf_table(1000);
  const std::set<KeyId> all(table.begin(), table.end());
  CHECK(all.size() == 1000);
  CHECK(std::count(table.begin(), table.end(), 0U) >
        10 * std::count(table.begin(), table.end(), 20U));
}

}  // namespace tiercache::verify
