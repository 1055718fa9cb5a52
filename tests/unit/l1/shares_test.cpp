// Shares of classes of keys: random operations, after each of which every account is what a count
// over all entries comes to, and who had to go was of the class that had filled the most of its
// share; with LRU the least recently used of that class.

#include "tiercache/l1/store.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <malloc.h>

using namespace tiercache;
using namespace tiercache::l1;

namespace {

constexpr std::size_t kPlenty = std::size_t{1} << 26;
constexpr Variant kGet{1, 0, {}};
constexpr std::size_t kClasses = 4;

// A key's class is its first digit.
std::size_t class_of(std::string_view key) {
  return static_cast<std::size_t>(key.front() - '0');
}

std::shared_ptr<const Shares> shares(std::vector<std::uint32_t> percents) {
  auto made = std::make_shared<Shares>();
  made->percents = std::move(percents);
  made->class_of = class_of;
  return made;
}

Key key_of(const std::string& name, std::uint64_t hashes = 0) {
  const std::uint64_t full = std::hash<std::string>{}(name)*0x9e3779b97f4a7c15U;
  return {hashes == 0 ? full : full % hashes * 0x10000000000001U, 0, name};
}

Entry* put(Store& store, const std::string& name, std::size_t size = 10) {
  return store.put(key_of(name), kGet, std::string(size, 'v'), {}, Time{}, 0);
}

bool find(Store& store, const std::string& name) {
  return store.find(key_of(name), kGet, Time{}, 0) != nullptr;
}

struct Setup {
  std::string name;
  Limits limits;
  std::uint64_t hashes = 0;  // so many different ones; 0: any
  std::uint16_t commands = 1;
};

class Walk {
 public:
  Walk(const Setup& setup, Eviction eviction, unsigned seed)
      : setup_(setup),
        random_(seed),
        percents_{100, 10, 50, 100},
        store_(setup.limits, eviction, shares(percents_)) {
  }

  void step() {
    ++clock_;
    put_.reset();
    may_evict_ = false;
    const Accounts before = accounts();
    const std::uint64_t evictions = store_.evictions();
    switch (below(20)) {
      case 0:
        now_ += below(30) * kDeadlineUnit;
        break;
      case 1:
        generation_ += below(30) == 0 ? 1 : 0;
        break;
      case 2: {
        const Id id = random_id();
        const KeyHash hash = key_of(id.first, setup_.hashes).hash;
        store_.erase(hash);
        forget_if([&](const Id& other) { return key_of(other.first, setup_.hashes).hash == hash; });
        break;
      }
      case 3:
        erase_matching();
        break;
      case 4:
        store_.sweep(now_, generation_, below(10));
        break;
      case 5:
        if (below(10) == 0) {
          const Store copy = store_;
          store_.clear();
          CHECK(accounts() == Accounts{});
          store_ = copy;
          // A block that a smaller value was put into is not larger than that value needs.
          for (std::size_t i = 0; i < kClasses; ++i) {
            CHECK(accounts()[i].entries == before[i].entries);
            CHECK(accounts()[i].bytes <= before[i].bytes);
          }
          copied_ = true;
        }
        break;
      case 6:
      case 7:
      case 8:
        find();
        break;
      default:
        put();
    }
    check(before, evictions);
    REQUIRE((store_.bytes() <= setup_.limits.max_bytes || copied_));
  }

  std::uint64_t evictions() const {
    return store_.evictions();
  }

 private:
  using Id = std::pair<std::string, std::uint16_t>;
  struct Record {
    Time expire_at;
    std::uint64_t generation;
    std::uint64_t used;
    std::size_t bytes;
  };
  struct Sum {
    std::size_t entries = 0;
    std::size_t bytes = 0;
    bool operator==(const Sum&) const = default;
  };
  using Accounts = std::array<Sum, kClasses>;

  unsigned below(unsigned n) {
    return static_cast<unsigned>(random_() % n);
  }
  bool dead(const Record& record) const {
    return now_ >= record.expire_at || record.generation != generation_;
  }
  Id random_id() {
    // Now and then one class asks for much.
    const unsigned index = clock_ / 200 % 3 == 0 ? below(kClasses) : clock_ / 600 % kClasses;
    return {std::to_string(index) + ":" + std::to_string(below(40)),
            static_cast<std::uint16_t>(below(setup_.commands))};
  }
  void forget_if(auto pred) {
    std::erase_if(known_, [&](const auto& one) { return pred(one.first); });
  }
  Accounts accounts() const {
    Accounts all;
    for (std::size_t i = 0; i < kClasses; ++i) {
      all[i] = {store_.account(i).entries, store_.account(i).bytes};
    }
    return all;
  }

  void put() {
    const Id id = random_id();
    Meta meta;
    meta.expire_at = below(2) == 0 ? kNever : now_ + below(100) * kDeadlineUnit;
    meta.generation = generation_;
    known_.erase(id);
    const std::string reply(below(below(8) == 0 ? 400 : 40), 'v');
    const Entry* entry = store_.put(key_of(id.first, setup_.hashes), {id.second, 0, {}}, reply,
                                    meta, now_, generation_);
    copied_ = false;
    may_evict_ = true;
    if (entry != nullptr) {
      known_[id] = {meta.expire_at, generation_, clock_, 0};
      put_ = id;
    }
  }
  void find() {
    const Id id = random_id();
    const Entry* entry =
        store_.find(key_of(id.first, setup_.hashes), {id.second, 0, {}}, now_, generation_);
    const auto known = known_.find(id);
    const bool there = known != known_.end() && !dead(known->second);
    REQUIRE(there == (entry != nullptr));
    if (there) {
      known->second.used = clock_;
    }
  }
  void erase_matching() {
    if (below(10) != 0) {
      return;
    }
    const char letter = static_cast<char>('0' + below(10));
    const auto matches = [&](std::string_view name) {
      return name.find(letter) != name.npos;
    };
    for (Cursor cursor; !cursor.done();) {
      store_.erase_if(cursor, 1 + below(5), [&](const Entry& e) { return matches(e.key()); });
    }
    forget_if([&](const Id& id) { return matches(id.first); });
  }

  void check(const Accounts& before, std::uint64_t evictions_before) {
    // What is there: the accounts have just that.
    Accounts counted;
    std::map<Id, std::size_t> present;
    store_.for_each_lru([&](const Entry& entry) {
      Sum& sum = counted[class_of(entry.key())];
      sum.entries++;
      // An entry is a block of its own.
      const std::size_t bytes = malloc_usable_size(const_cast<Entry*>(&entry));
      sum.bytes += bytes;
      present[{std::string(entry.key()), entry.command()}] = bytes;
    });
    REQUIRE(accounts() == counted);
    REQUIRE(present.size() == store_.entries());
    std::size_t shown = 0;
    store_.while_hot([&](const Entry& entry) {
      shown += present.count({std::string(entry.key()), entry.command()});
      return true;
    });
    REQUIRE(shown == present.size());
    std::uint64_t evicted = 0;
    for (std::size_t i = 0; i < kClasses; ++i) {
      evicted += store_.account(i).evictions;
    }
    REQUIRE(evicted == store_.evictions());

    // What is not: it was dead, or had to go.
    std::vector<std::pair<Id, Record>> gone;
    bool swept = false;
    for (auto at = known_.begin(); at != known_.end();) {
      if (const auto found = present.find(at->first); found != present.end()) {
        at->second.bytes = found->second;
        ++at;
        continue;
      }
      if (dead(at->second)) {
        swept = true;
      } else {
        gone.push_back(*at);
      }
      at = known_.erase(at);
    }
    REQUIRE(known_.size() == present.size());
    REQUIRE(store_.evictions() - evictions_before == gone.size());
    if (setup_.limits.max_entries != 0) {
      REQUIRE(gone.size() <= 1);
    }
    // With a limit of bytes nobody can say afterwards who went before the dead and who behind.
    REQUIRE((gone.empty() || may_evict_));
    if (gone.size() == 1 && put_ && (!swept || setup_.limits.max_entries != 0)) {
      check_victim(gone[0].first, gone[0].second, before);
    }
  }

  void check_victim(const Id& id, const Record& gone, const Accounts& before) {
    const std::size_t victims = class_of(id.first);
    CAPTURE(id.first);
    // As the accounts stood then: with the one that went, without the one that came; or, if it is
    // what came that was too much, with both.
    Accounts with = accounts();
    with[victims].entries++;
    with[victims].bytes += gone.bytes;
    Accounts without = with;
    without[class_of(put_->first)].entries--;
    without[class_of(put_->first)].bytes -= known_.at(*put_).bytes;
    const bool fullest =
        setup_.limits.max_entries != 0
            ? is_fullest(victims, without, &Sum::entries)
            : is_fullest(victims, with, &Sum::bytes) || is_fullest(victims, without, &Sum::bytes);
    REQUIRE(before[victims].entries > 0);
    // Unless its only entry is the one that just came.
    REQUIRE((fullest || with[class_of(put_->first)].entries == 1));
    if (store_.eviction() == Eviction::lru) {
      for (const auto& [other, record] : known_) {
        REQUIRE((class_of(other.first) != victims || record.used > gone.used));
      }
    }
  }
  bool is_fullest(std::size_t index, const Accounts& all, std::size_t Sum::*amount) const {
    for (std::size_t i = 0; i < kClasses; ++i) {
      if (all[i].*amount * percents_[index] > all[index].*amount * percents_[i]) {
        return false;
      }
    }
    return true;
  }

  const Setup setup_;
  std::mt19937 random_;
  const std::vector<std::uint32_t> percents_;
  Store store_;
  std::map<Id, Record> known_;
  std::optional<Id> put_;
  bool may_evict_ = false;
  bool copied_ = false;  // its index may be larger, until the next put
  Time now_{Duration(1)};
  std::uint64_t generation_ = 250;  // soon past its low bits
  unsigned clock_ = 0;
};

constexpr Eviction kAll[] = {Eviction::lru, Eviction::s3fifo, Eviction::tinylfu};

// Of class `index`, how many of `count` keys are there.
int present(Store& store, std::size_t index, int count) {
  int found = 0;
  for (int i = 0; i < count; i++) {
    const std::string name = std::to_string(index) + ":" + std::to_string(i);
    found += store.peek(key_of(name), kGet, Time{}, 0) != nullptr ? 1 : 0;
  }
  return found;
}

void flood(Store& store, std::size_t index, int count) {
  for (int i = 0; i < count; i++) {
    put(store, std::to_string(index) + ":" + std::to_string(i));
  }
}

}  // namespace

TEST_CASE("who is fullest by its share makes room, and every account is exact at any time") {
  for (const Setup& setup : {
           Setup{"entries", {kPlenty, 50, 64}},
           Setup{"entries, variants", {kPlenty, 50, 64}, 0, 3},
           Setup{"entries, few hashes", {kPlenty, 50, 64}, 41},
           Setup{"one entry", {kPlenty, 1, 64}},
           Setup{"bytes", {4000, 0, 64}},
           Setup{"bytes, variants", {4000, 0, 64}, 0, 3},
           Setup{"no room to speak of", {400, 0, 64}},
           Setup{"no limit", {kPlenty, 0, 64}},
       }) {
    for (const Eviction eviction : kAll) {
      for (unsigned seed = 1; seed <= 2; ++seed) {
        CAPTURE(setup.name);
        CAPTURE(eviction);
        CAPTURE(seed);
        Walk walk(setup, eviction, seed);
        for (int i = 0; i < 6000; ++i) {
          walk.step();
        }
        const bool limited = setup.limits.max_entries != 0 || setup.limits.max_bytes < kPlenty;
        CHECK((walk.evictions() > 100) == limited);
      }
    }
  }
}

TEST_CASE("a class may fill what nobody asks for, and beyond its share makes room first") {
  for (const Eviction eviction : kAll) {
    for (const Limits& limits : {Limits{kPlenty, 1200, 64}, Limits{120'000, 0, 64}}) {
      CAPTURE(eviction);
      CAPTURE(limits.max_entries);
      Store store(limits, eviction, shares({100, 20}));
      flood(store, 1, 5000);
      const std::size_t full = store.entries();
      CHECK(full == store.account(1).entries);
      CHECK((limits.max_entries == 0 || full == limits.max_entries));
      CHECK(store.evictions() == 5000 - full);
      // The others want all of it.
      flood(store, 0, 10'000);
      const double part =
          static_cast<double>(store.account(1).entries) / static_cast<double>(store.entries());
      CHECK(part == doctest::Approx(20. / 120).epsilon(0.05));
      CHECK(store.account(0).evictions > 5000);
    }
  }
}

TEST_CASE("a noisy class does not drive out what others have, and without shares it does") {
  for (const Eviction eviction : kAll) {
    CAPTURE(eviction);
    const auto after_noise = [&](std::shared_ptr<const Shares> having) {
      Store store({kPlenty, 1000, 64}, eviction, std::move(having));
      flood(store, 0, 600);
      // Each of the noisy keys is used often enough to please any policy.
      for (int i = 0; i < 20'000; i++) {
        const std::string name = "1:" + std::to_string(i);
        put(store, name);
        find(store, name);
        find(store, name);
        find(store, name);
      }
      return present(store, 0, 600);
    };
    CHECK(after_noise(shares({100, 20})) == 600);
    CHECK(after_noise(nullptr) < 60);
  }
}

TEST_CASE("shares of classes are in proportion, whatever they add up to") {
  Store store({kPlenty, 4000, 64}, Eviction::lru, shares({100, 100, 100, 50}));
  for (int i = 0; i < 20'000; i++) {
    for (std::size_t index = 0; index < kClasses; index++) {
      put(store, std::to_string(index) + ":" + std::to_string(i));
    }
  }
  for (std::size_t index = 0; index < kClasses; index++) {
    CHECK(static_cast<double>(store.account(index).entries) ==
          doctest::Approx(index == 3 ? 4000. / 7 : 8000. / 7).epsilon(0.02));
  }
}

TEST_CASE("of each class the hottest are shown, as many as is its part") {
  for (const Eviction eviction : kAll) {
    CAPTURE(eviction);
    Store store({kPlenty, 0, 64}, eviction, shares({100, 20, 20}));
    flood(store, 0, 600);
    flood(store, 1, 300);
    flood(store, 2, 100);
    std::array<int, 3> shown{};
    store.while_hot([&](const Entry& entry) {
      shown[class_of(entry.key())]++;
      return shown[0] + shown[1] + shown[2] < 100;
    });
    CHECK(std::abs(shown[0] - 60) <= 1);
    CHECK(std::abs(shown[1] - 30) <= 1);
    CHECK(std::abs(shown[2] - 10) <= 1);
  }
}
