#include "tiercache/l1/store.hpp"

#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#ifdef TIERCACHE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

using namespace tiercache;
using namespace tiercache::l1;

namespace {

constexpr Limits kRoomy{std::size_t{1} << 30, 0, 64};
constexpr Variant kGet{1, 0, {}};

Key key_of(const std::string& name, std::uint32_t db = 0) {
  return {std::hash<std::string>{}(name)*0x9e3779b97f4a7c15U + db, db, name};
}

Entry* put(Store& store, const std::string& name, std::string_view reply, Time expire_at = kNever,
           Time now = Time{}, std::uint64_t generation = 0) {
  Meta meta;
  meta.expire_at = expire_at;
  meta.generation = generation;
  return store.put(key_of(name), kGet, reply, meta, now, generation);
}

bool has(Store& store, const std::string& name, Time now = Time{}, std::uint64_t generation = 0) {
  return store.peek(key_of(name), kGet, now, generation) != nullptr;
}

Time at(int ms) {
  return Time{std::chrono::milliseconds(ms)};
}

}  // namespace

TEST_CASE("an entry gives back what was put") {
  Store store(kRoomy);
  const Meta meta{at(77), 5, kMaxSeq, true, Ttl::capped, true};
  const std::string reply("$5\r\nhel\0o\r\n", 11);
  const Entry* entry = store.put(key_of("name", 65535), {4095, 3, "arg\0s"}, reply, meta, at(1), 5);
  REQUIRE(entry != nullptr);
  CHECK(entry->key() == "name");
  CHECK(entry->db() == 65535);
  CHECK(entry->variant() == Variant{4095, 3, "arg\0s"});
  CHECK(entry->reply() == reply);
  CHECK(entry->expire_at() == at(77));
  CHECK(store.generation_of(*entry) == 5);
  CHECK(entry->seq() == kMaxSeq);
  CHECK(entry->fenced());
  CHECK(entry->ttl() == Ttl::capped);
  CHECK(entry->negative());
}

TEST_CASE("what fits the packed header and what does not is given back alike") {
  struct Case {
    std::size_t key = 10;
    std::size_t reply = 20;
    std::size_t args = 0;
    std::uint32_t db = 0;
    std::uint16_t command = 1;
    std::uint8_t resp = 0;
    Time expire_at = at(77);
  };
  const Time last_near{kDeadlineUnit * ((std::int64_t{1} << 46) - 2)};
  const Time last{kDeadlineUnit * (Duration::max() / kDeadlineUnit)};
  std::vector<Case> cases{{}};
  for (const std::size_t size : {0U, 1U, 125U, 126U, 127U, 128U, 65535U}) {
    cases.push_back({.key = size});
  }
  for (const std::size_t size : {0U, 1U, 1022U, 1023U, 1024U, 1025U, 100000U}) {
    cases.push_back({.reply = size});
  }
  for (const std::size_t size : {1U, 300U}) {
    cases.push_back({.args = size});
  }
  for (const std::uint32_t db : {1U, 255U, 65535U}) {
    cases.push_back({.db = db});
  }
  for (const std::uint16_t command : std::initializer_list<std::uint16_t>{0, 255, 256, 4095}) {
    cases.push_back({.command = command});
  }
  for (const std::uint8_t resp : std::initializer_list<std::uint8_t>{2, 3}) {
    cases.push_back({.resp = resp});
  }
  for (const Time time :
       {last_near, last_near + kDeadlineUnit, last_near + 2 * kDeadlineUnit, last, kNever}) {
    cases.push_back({.expire_at = time});
    cases.push_back({.args = 2, .expire_at = time});
  }

  const auto check = [](Store& store, const Case& as, char letter) {
    const std::string name(as.key, 'k');
    const std::string args(as.args, 'a');
    const std::string reply(as.reply, letter);
    const Key key{~KeyHash{0} << 7, as.db, name};
    const Variant variant{as.command, as.resp, args};
    const Meta meta{as.expire_at, 0, kMaxSeq - 1, true, Ttl::missing, true};
    CAPTURE(as.key);
    CAPTURE(as.reply);
    CAPTURE(as.args);
    CAPTURE(as.db);
    CAPTURE(as.command);
    CAPTURE(as.resp);
    CAPTURE(as.expire_at.time_since_epoch().count());
    REQUIRE(store.put(key, variant, reply, meta, at(1), 0) != nullptr);
    Entry* entry = store.find(key, variant, at(1), 0);
    REQUIRE(entry != nullptr);
    CHECK(entry->key() == name);
    CHECK(entry->db() == as.db);
    CHECK(entry->variant() == variant);
    CHECK(entry->reply() == reply);
    CHECK(entry->expire_at() == as.expire_at);
    CHECK(entry->home_hash() == static_cast<std::uint32_t>(key.hash));
    CHECK(entry->seq() == kMaxSeq - 1);
    CHECK(entry->fenced());
    CHECK(entry->ttl() == Ttl::missing);
    CHECK(entry->negative());
    entry->set_fence(5);
    entry->clear_fence();
    CHECK(entry->seq() == 5);
    CHECK_FALSE(entry->fenced());
    CHECK(entry->expire_at() == as.expire_at);
    const Pin pin = store.pin(entry);
    CHECK(pin.reply() == reply);
    CHECK(pin.holds(entry));
  };
  for (const Case& as : cases) {
    Store store(kRoomy);
    check(store, as, 'x');
    check(store, as, 'y');  // over the first
    CHECK(store.entries() == 1);
  }
  // Another reply and deadline in place of what one entry had.
  Store store(kRoomy);
  for (const Case& as : cases) {
    check(store, {.reply = as.reply, .expire_at = as.expire_at}, 'z');
    CHECK(store.entries() == 1);
  }
}

TEST_CASE("variants, dbs and keys with the same hash are different entries") {
  Store store(kRoomy);
  const Meta meta;
  const Key a{1, 0, "a"};
  store.put(a, {1, 0, ""}, "1", meta, at(0), 0);
  store.put(a, {1, 2, ""}, "2", meta, at(0), 0);
  store.put(a, {1, 3, ""}, "3", meta, at(0), 0);
  store.put(a, {2, 0, ""}, "4", meta, at(0), 0);
  store.put(a, {1, 0, "x"}, "5", meta, at(0), 0);
  store.put({1, 1, "a"}, {1, 0, ""}, "6", meta, at(0), 0);
  store.put({1, 0, "b"}, {1, 0, ""}, "7", meta, at(0), 0);
  CHECK(store.find(a, {1, 0, ""}, at(0), 0)->reply() == "1");
  CHECK(store.find(a, {1, 2, ""}, at(0), 0)->reply() == "2");
  CHECK(store.find(a, {1, 3, ""}, at(0), 0)->reply() == "3");
  CHECK(store.find(a, {2, 0, ""}, at(0), 0)->reply() == "4");
  CHECK(store.find(a, {1, 0, "x"}, at(0), 0)->reply() == "5");
  CHECK(store.find({1, 1, "a"}, {1, 0, ""}, at(0), 0)->reply() == "6");
  CHECK(store.find({1, 0, "b"}, {1, 0, ""}, at(0), 0)->reply() == "7");
  unsigned of_a = 0;
  store.for_each_variant(a, [&](Entry&) { ++of_a; });
  CHECK(of_a == 5);
  CHECK(store.erase(KeyHash{1}) == 7);
  CHECK(store.entries() == 0);
}

TEST_CASE("an entry dies at its deadline, not after it") {
  Store store(kRoomy);
  put(store, "k", "v", at(10));
  CHECK(has(store, "k", at(10) - Duration(1)));
  CHECK_FALSE(has(store, "k", at(10)));
  CHECK(store.entries() == 1);
  CHECK(store.find(key_of("k"), kGet, at(10), 0) == nullptr);
  CHECK(store.entries() == 0);
  CHECK(store.expired() == 1);
  CHECK(store.evictions() == 0);
}

TEST_CASE("a deadline between two units is kept as the earlier") {
  Store store(kRoomy);
  const Time asked = at(10) + kDeadlineUnit - Duration(1);
  put(store, "k", "v", asked);
  CHECK(has(store, "k", at(10) - Duration(1)));
  CHECK_FALSE(has(store, "k", at(10)));
  CHECK(kept_deadline(asked) == at(10));
  CHECK(kept_deadline(asked + Duration(1)) == at(10) + kDeadlineUnit);
  CHECK(kept_deadline(kNever) == kNever);
  // What would be dead at once is not kept.
  CHECK(put(store, "k", "v", asked, at(10)) == nullptr);
}

TEST_CASE("a wrapped-around generation does not revive an entry") {
  for (const unsigned bits : {8U, 16U, 32U, 40U}) {
    CAPTURE(bits);
    Store store(kRoomy);
    const std::uint64_t first = 7;
    const std::uint64_t wrapped = first + (std::uint64_t{1} << bits);
    put(store, "k", "v", kNever, at(0), first);
    CHECK(has(store, "k", at(0), first));
    CHECK_FALSE(has(store, "k", at(0), wrapped));
    CHECK(store.find(key_of("k"), kGet, at(0), wrapped) == nullptr);
    CHECK(store.find(key_of("k"), kGet, at(0), first) == nullptr);
  }
}

TEST_CASE("what a caller brings of a generation that is over never lives") {
  Store store(kRoomy);
  const std::uint64_t late = 0x1ff;
  put(store, "now", "v", kNever, at(0), late + 1);
  CHECK(put(store, "late", "v", kNever, at(0), late) == nullptr);
  CHECK_FALSE(has(store, "late", at(0), late));
  CHECK(has(store, "now", at(0), late + 1));
  for (std::uint64_t generation = late + 1; generation < late + 600; ++generation) {
    REQUIRE(store.find(key_of("late"), kGet, at(0), generation) == nullptr);
  }
}

TEST_CASE("what cannot be kept is refused and takes the old reply along") {
  Store store({4096, 0, 64});
  const auto refused = [&](const Key& key, const Variant& variant, const std::string& reply,
                           const Meta& meta, Time now) {
    return store.put(key, variant, reply, meta, now, 3) == nullptr;
  };
  const auto fill = [&] {
    Meta meta;
    meta.generation = 3;
    REQUIRE(store.put(key_of("k"), kGet, "old", meta, at(0), 3) != nullptr);
  };
  Meta meta;
  meta.generation = 3;
  SUBCASE("larger than the whole store") {
    fill();
    CHECK(refused(key_of("k"), kGet, std::string(5000, 'x'), meta, at(0)));
  }
  SUBCASE("too large only together with the index") {
    fill();
    CHECK(refused(key_of("k"), kGet, std::string(4096 - 48 - 1, 'x'), meta, at(0)));
  }
  SUBCASE("expired already") {
    fill();
    meta.expire_at = at(5);
    CHECK(refused(key_of("k"), kGet, "new", meta, at(5)));
  }
  SUBCASE("of another generation") {
    fill();
    meta.generation = 2;
    CHECK(refused(key_of("k"), kGet, "new", meta, at(0)));
  }
  SUBCASE("a key beyond 64 KiB") {
    store.set_limits(kRoomy);
    const std::string longest(0xffff, 'k');
    CHECK_FALSE(refused(key_of(longest), kGet, "v", meta, at(0)));
    CHECK(store.find(key_of(longest), kGet, at(0), 3)->key() == longest);
    store.erase(key_of(longest).hash);
    CHECK(refused(key_of(longest + "k"), kGet, "v", meta, at(0)));
  }
  SUBCASE("a db beyond 65535") {
    CHECK(refused(key_of("k", 65536), kGet, "v", meta, at(0)));
  }
  CHECK(store.entries() == 0);
  CHECK(store.bytes() == 0);
}

TEST_CASE("the least recently used goes first, and a peek is no use") {
  Store store({std::size_t{1} << 30, 3, 64});
  put(store, "a", "1");
  put(store, "b", "2");
  put(store, "c", "3");
  store.find(key_of("a"), kGet, at(0), 0);
  has(store, "b");
  put(store, "d", "4");
  CHECK(has(store, "a"));
  CHECK_FALSE(has(store, "b"));
  CHECK(has(store, "c"));
  CHECK(store.evictions() == 1);
}

TEST_CASE("the hottest are shown first, and no more than are wanted") {
  for (const Eviction eviction : {Eviction::lru, Eviction::s3fifo, Eviction::tinylfu}) {
    Store store({std::size_t{1} << 30, 300, 64}, eviction);
    // Some are used again and again, others pass.
    for (int i = 0; i < 3000; i++) {
      const std::string hot = "hot" + std::to_string(i % 100);
      if (store.find(key_of(hot), kGet, at(0), 0) == nullptr) {
        put(store, hot, "1");
      }
      put(store, "passing" + std::to_string(i), "1");
    }
    int shown = 0;
    int hot = 0;
    store.while_hot([&](const Entry& entry) {
      hot += entry.key().starts_with("hot") ? 1 : 0;
      return ++shown < 60;
    });
    CHECK(shown == 60);
    CHECK(hot >= (eviction == Eviction::lru ? 30 : 60));
  }
}

TEST_CASE("dead entries go before living ones") {
  Store store({std::size_t{1} << 30, 1000, 64});
  // The dead are the most recently used, so the order alone would evict the living first.
  for (int i = 0; i < 500; ++i) {
    put(store, "living" + std::to_string(i), "v");
  }
  for (int i = 0; i < 500; ++i) {
    put(store, "dying" + std::to_string(i), "v", at(10));
  }
  SUBCASE("swept as puts come") {
    for (int i = 0; i < 200; ++i) {
      put(store, "fresh" + std::to_string(i), "v", kNever, at(20));
    }
    CHECK(store.expired() > 300);
    CHECK(store.evictions() < 20);
  }
  SUBCASE("swept beforehand") {
    std::size_t freed = 0;
    for (int i = 0; i < 100; ++i) {
      freed += store.sweep(at(20), 0, 40);
    }
    CHECK(freed == 500);
    CHECK(store.entries() == 500);
    CHECK(store.expired() == 500);
  }
}

TEST_CASE("a new generation is reclaimed by the puts that follow it") {
  Store store(kRoomy);
  for (int i = 0; i < 2000; ++i) {
    put(store, "old" + std::to_string(i), "v");
  }
  for (int i = 0; i < 1500; ++i) {
    put(store, "new" + std::to_string(i), "v", kNever, at(0), 1);
  }
  CHECK(store.entries() == 1500);
  CHECK(store.expired() == 2000);
}

TEST_CASE("a smaller limit holds from the next put on") {
  Store store(kRoomy);
  for (int i = 0; i < 5000; ++i) {
    put(store, std::to_string(i), std::string(100, 'v'));
  }
  const std::size_t before = store.bytes();
  store.set_limits({before / 10, 0, 64});
  put(store, "last", "v");
  CHECK(store.bytes() <= before / 10);
  CHECK(store.entries() > 300);
  CHECK(has(store, "last"));
  CHECK(has(store, "4999"));
  store.set_limits({400, 0, 64});
  put(store, "very last", "v");
  CHECK(store.bytes() <= 400);
  CHECK(has(store, "very last"));
}

TEST_CASE("an emptied store owns no memory") {
  Store store(kRoomy);
  CHECK(store.bytes() == 0);
  for (int i = 0; i < 3000; ++i) {
    put(store, std::to_string(i), "v");
  }
  for (int i = 0; i < 3000; ++i) {
    CHECK(store.erase(key_of(std::to_string(i)).hash) == 1);
  }
  CHECK(store.bytes() == 0);
}

TEST_CASE("a pinned reply outlives overwriting, eviction and the store") {
  Pin overwritten;
  Pin evicted;
  Pin kept;
  {
    Store store({std::size_t{1} << 30, 1, 64});
    overwritten = store.pin(put(store, "a", "first"));
    CHECK(put(store, "a", "other")->reply() == "other");
    evicted = store.pin(put(store, "a", "third"));
    kept = store.pin(put(store, "b", "last"));
    CHECK_FALSE(has(store, "a"));
  }
  CHECK(overwritten.reply() == "first");
  CHECK(evicted.reply() == "third");
  CHECK(kept.reply() == "last");
  Pin moved = std::move(kept);
  CHECK_FALSE(kept);
  CHECK(moved.reply() == "last");
  moved.reset();
  CHECK_FALSE(moved);
}

TEST_CASE("any number of pins on one entry is safe") {
  // Of either header: each has a count of its own.
  for (const std::size_t size : {5U, 1500U}) {
    Store store(kRoomy);
    const std::string reply(size, 'r');
    Entry* entry = put(store, "a", reply);
    std::vector<Pin> pins;
    std::size_t shared = 0;
    for (int i = 0; i < 70000; ++i) {
      pins.push_back(store.pin(entry));
      shared += pins.back().holds(entry) ? 1 : 0;
    }
    CHECK(shared == (size < 1000 ? 14 : 59999));
    CHECK(put(store, "a", std::string(size, 'x'))->reply() == std::string(size, 'x'));
    store.clear();
    for (const Pin& pin : pins) {
      REQUIRE(pin.reply() == reply);
    }
  }
}

TEST_CASE("pins may be read and released on another thread") {
  Store store({std::size_t{1} << 30, 8, 64});
  for (int round = 0; round < 50; ++round) {
    std::vector<Pin> pins;
    for (int i = 0; i < 20; ++i) {
      const std::string name = std::to_string(i % 10);
      pins.push_back(store.pin(put(store, name, std::string(200, static_cast<char>('a' + i)))));
    }
    std::thread reader([pins = std::move(pins)]() mutable {
      for (std::size_t i = 0; i < pins.size(); ++i) {
        CHECK(pins[i].reply() == std::string(200, static_cast<char>('a' + i)));
        pins[i].reset();
      }
    });
    for (int i = 0; i < 20; ++i) {
      Entry* entry = put(store, std::to_string(i % 10), std::string(200, 'z'));
      entry->set_fence(9);
    }
    reader.join();
  }
}

TEST_CASE("copies are independent") {
  Store store({std::size_t{1} << 30, 3, 64});
  put(store, "a", "1");
  put(store, "b", "2");
  put(store, "c", "3");
  store.find(key_of("a"), kGet, at(0), 0);
  Store copy = store;
  put(copy, "d", "4");
  CHECK_FALSE(has(copy, "b"));
  CHECK(has(store, "b"));
  CHECK_FALSE(has(store, "d"));
  Store moved = std::move(copy);
  CHECK(has(moved, "d"));
  CHECK(moved.entries() == 3);
}

#ifdef TIERCACHE_JEMALLOC
namespace {

std::int64_t allocated_by_this_thread() {
  const auto read = [](const char* name) {
    std::uint64_t value = 0;
    std::size_t size = sizeof value;
    REQUIRE(mallctl(name, &value, &size, nullptr, 0) == 0);
    return static_cast<std::int64_t>(value);
  };
  return read("thread.allocated") - read("thread.deallocated");
}

}  // namespace

TEST_CASE("the books equal what the allocator gave") {
  const std::int64_t before = allocated_by_this_thread();
  Store store({1U << 20, 0, 64});
  for (unsigned i = 0; i < 60000; ++i) {
    {
      const std::string name = std::to_string(i * 2654435761U % 7919);
      const std::string args(i % 5 == 0 ? i % 40 : 0, 'a');
      store.put(key_of(name), {1, 0, args}, std::string(i % 301, 'v'), Meta{}, at(0), 0);
      if (i % 7 == 0) {
        store.erase(key_of(std::to_string(i % 7919)).hash);
      }
      if (i > 50000) {
        store.set_limits({std::size_t{1} << (i > 55000 ? 14 : 18), 0, 64});
      }
    }
    if (i % 97 == 0) {
      REQUIRE(static_cast<std::int64_t>(store.bytes()) == allocated_by_this_thread() - before);
    }
  }
  store.clear();
  CHECK(allocated_by_this_thread() == before);
}
#endif
