// The store against a naive reference over long random sequences of operations: keys that collide
// in all or in some bits of the hash, variants, deadlines, generations, tiny limits, copies.
//
// The reference is a list in the order of use. The store may free dead entries whenever it likes,
// so after each step its own order must be a subsequence of the reference's; what is missing must
// be dead, or have been asked for, or be the oldest that had to go. Other policies than LRU may let
// any other entry go, but one at a time, and for the same reasons only.

#include "tiercache/l1/store.hpp"

#include <algorithm>
#include <iterator>
#include <list>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::l1;

namespace {

struct Record {
  std::string key;
  std::uint32_t db = 0;
  std::uint16_t command = 0;
  std::uint8_t resp = 0;
  std::string args;
  std::string reply;
  Meta meta;

  auto id() const {
    return std::tie(key, db, command, resp, args);
  }
  Variant variant() const {
    return {command, resp, args};
  }
};

// Newest first.
using Order = std::list<Record>;

Record record_of(const Store& store, const Entry& entry) {
  return {std::string(entry.key()),
          entry.db(),
          entry.command(),
          entry.resp(),
          std::string(entry.args()),
          entry.reply().str(),
          {entry.expire_at(), store.generation_of(entry), entry.seq(), entry.fenced(), entry.ttl(),
           entry.negative()}};
}

bool same(const Record& a, const Record& b) {
  return a.id() == b.id() && a.reply == b.reply && a.meta.expire_at == b.meta.expire_at &&
         a.meta.generation == b.meta.generation && a.meta.seq == b.meta.seq &&
         a.meta.fenced == b.meta.fenced && a.meta.ttl == b.meta.ttl &&
         a.meta.negative == b.meta.negative;
}

Order order_of(const Store& store) {
  Order order;
  store.for_each_lru([&](const Entry& entry) { order.push_front(record_of(store, entry)); });
  auto hottest = order.begin();
  store.while_hot([&](const Entry& entry) {
    REQUIRE(hottest != order.end());
    REQUIRE(hottest->id() == record_of(store, entry).id());
    ++hottest;
    return true;
  });
  REQUIRE(hottest == order.end());
  return order;
}

constexpr std::size_t kPlenty = 1U << 26;
// Some deadlines are kept exactly, others are rounded down.
constexpr Duration kStep = kDeadlineUnit / 5;

enum class Hashing { spread, few, one, low_bits_equal, low_bits_highest };

KeyHash hash_key(Hashing hashing, const std::string& key, std::uint32_t db) {
  const KeyHash full = (std::hash<std::string>{}(key) + db) * 0x9e3779b97f4a7c15U;
  switch (hashing) {
    case Hashing::spread:
      return full;
    case Hashing::few:
      return full % 5 * 0x10000000000001U;
    case Hashing::one:
      return 42;
    case Hashing::low_bits_equal:
      return (full << 32) | 7;
    case Hashing::low_bits_highest:
      return (full << 32) | 0xffffffff;
  }
  return 0;
}

struct Setup {
  Hashing hashing;
  Limits limits;
  unsigned keys;
  unsigned variants;
  Eviction eviction = Eviction::lru;
};

class Walk {
 public:
  Walk(const Setup& setup, unsigned seed)
      : setup_(setup), random_(seed), store_(setup.limits, setup.eviction) {
  }

  void step() {
    switch (below(20)) {
      case 0:
        now_ += below(30) * kStep;
        break;
      case 1:
        if (below(20) == 0) {
          // Now and then the high half too.
          generation_ += below(4) == 0 ? std::uint64_t{1} << 32 : 1;
        }
        break;
      case 2:
        erase_hash();
        break;
      case 3:
        erase_matching();
        break;
      case 4:
        swept_ = store_.sweep(now_, generation_, below(10));
        break;
      case 5:
        if (below(10) == 0) {
          replace_by_copy();
        }
        break;
      case 6:
        fence();
        break;
      case 7:
      case 8:
      case 9:
      case 10:
        put();
        break;
      default:
        find();
    }
    check();
  }

  unsigned hits() const {
    return hits_;
  }
  std::uint64_t evictions() const {
    return store_.evictions();
  }

 private:
  unsigned below(unsigned n) {
    return static_cast<unsigned>(random_() % n);
  }
  bool dead(const Record& record) const {
    return now_ >= record.meta.expire_at || record.meta.generation != generation_;
  }
  KeyHash hash(const Record& record) const {
    // The store tells hashes apart by 48 bits.
    return hash_key(setup_.hashing, record.key, record.db) & 0xffff'ffff'ffff;
  }
  Key key(const Record& record) const {
    return {hash_key(setup_.hashing, record.key, record.db), record.db, record.key};
  }
  Record random_record() {
    Record record;
    record.key = std::string(below(setup_.keys) % 7, 'k') + std::to_string(below(setup_.keys));
    record.db = below(2) * 9;
    const unsigned variant = below(setup_.variants);
    record.command = static_cast<std::uint16_t>(variant % 3);
    record.resp = static_cast<std::uint8_t>(variant % 2 == 0 ? 0 : 3);
    record.args = variant == 0 ? "" : std::string(variant, 'a');
    record.reply = std::string(below(below(8) == 0 ? 400 : 40), static_cast<char>('a' + below(26)));
    record.meta = {below(2) == 0 ? kNever : now_ + below(100) * kStep,
                   below(30) == 0 ? generation_ + 1 : generation_,
                   below(2) == 0 ? kMaxSeq - below(5) : below(1000),
                   below(2) == 0,
                   static_cast<Ttl>(below(4)),
                   below(2) == 0};
    return record;
  }
  Order::iterator lookup(const Record& record) {
    return std::find_if(order_.begin(), order_.end(),
                        [&](const Record& other) { return other.id() == record.id(); });
  }
  void forget_if(auto pred) {
    order_.remove_if(pred);
  }

  void put() {
    Record record = random_record();
    const Meta given = record.meta;
    record.meta.expire_at = kept_deadline(given.expire_at);
    const auto old = lookup(record);
    if (old != order_.end()) {
      order_.erase(old);
    }
    const Entry* entry =
        store_.put(key(record), record.variant(), record.reply, given, now_, generation_);
    const bool refused = dead(record);
    if (refused) {
      REQUIRE(entry == nullptr);
    } else if (entry != nullptr) {
      order_.push_front(record);
      put_ = record;
      const auto limit = setup_.limits.max_variants;
      if (static_cast<unsigned>(std::count_if(
              order_.begin(), order_.end(),
              [&](const Record& other) { return hash(other) == hash(record); })) > limit) {
        const auto oldest = std::find_if(order_.rbegin(), order_.rend(), [&](const Record& other) {
          return hash(other) == hash(record);
        });
        // The store may have freed a dead one for it first; then this one is among the present.
        dispensable_ = *oldest;
      }
    } else {
      // Only a byte limit refuses a living entry: at once, or after all others had to go.
      const bool narrow = record.db == 0 && record.resp == 0 && record.args.empty();
      const bool hopeless =
          (narrow ? 32 : 48) + record.key.size() + record.args.size() + record.reply.size() >
          setup_.limits.max_bytes;
      REQUIRE((hopeless || store_.entries() == 0));
    }
    may_evict_ = true;
  }

  void find() {
    const Record wanted = random_record();
    const auto known = lookup(wanted);
    const Entry* peeked =
        std::as_const(store_).peek(key(wanted), wanted.variant(), now_, generation_);
    const Entry* entry = store_.find(key(wanted), wanted.variant(), now_, generation_);
    REQUIRE(peeked == entry);
    if (known == order_.end() || dead(*known)) {
      REQUIRE(entry == nullptr);
      if (known != order_.end()) {
        order_.erase(known);
      }
      return;
    }
    REQUIRE(entry != nullptr);
    REQUIRE(same(record_of(store_, *entry), *known));
    order_.splice(order_.begin(), order_, known);
    ++hits_;
  }

  void fence() {
    const Record wanted = random_record();
    if (Entry* entry = store_.peek(key(wanted), wanted.variant(), now_, generation_)) {
      const auto known = lookup(wanted);
      REQUIRE(known != order_.end());
      entry->set_fence(wanted.meta.seq);
      known->meta.seq = wanted.meta.seq;
      known->meta.fenced = true;
    }
  }

  void erase_hash() {
    const Record wanted = random_record();
    const auto present = order_of(store_);
    const auto expected = std::count_if(present.begin(), present.end(), [&](const Record& other) {
      return hash(other) == hash(wanted);
    });
    REQUIRE(store_.erase(hash(wanted)) == static_cast<std::size_t>(expected));
    forget_if([&](const Record& other) { return hash(other) == hash(wanted); });
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
    forget_if([&](const Record& other) { return matches(other.key); });
  }

  void replace_by_copy() {
    const Store copy = store_;
    const Order before = order_of(store_);
    const Order after = order_of(copy);
    REQUIRE(std::equal(before.begin(), before.end(), after.begin(), after.end(), same));
    store_.clear();
    REQUIRE(store_.bytes() == 0);
    REQUIRE(copy.entries() == after.size());
    store_ = copy;
  }

  // Takes over what the store did, after checking that each difference is allowed.
  void check() {
    const Order present = order_of(store_);
    REQUIRE(present.size() == store_.entries());
    const bool evicted =
        setup_.eviction == Eviction::lru ? check_order(present) : check_content(present);
    check_limits(present, evicted);
    dispensable_.reset();
    put_.reset();
    may_evict_ = false;
  }

  // The store's content is part of the reference's. Returns whether a living entry was evicted.
  bool check_content(const Order& present) {
    unsigned evicted = 0;
    unsigned dispensed = 0;
    std::size_t found = 0;
    for (auto want = order_.begin(); want != order_.end();) {
      const auto have = std::find_if(present.begin(), present.end(),
                                     [&](const Record& other) { return other.id() == want->id(); });
      if (have != present.end()) {
        REQUIRE(same(*have, *want));
        ++found;
        ++want;
        continue;
      }
      INFO("gone: " << want->key);
      if (dispensable_ && hash(*dispensable_) == hash(*want)) {
        ++dispensed;
      } else if (!dead(*want)) {
        REQUIRE(may_evict_);
        ++evicted;
      }
      REQUIRE((!put_ || put_->id() != want->id()));
      want = order_.erase(want);
    }
    REQUIRE(found == present.size());
    if (setup_.limits.max_bytes >= kPlenty) {
      REQUIRE(evicted <= 1);
    }
    return evicted + dispensed > 0;
  }

  bool check_order(const Order& present) {
    bool evicted = false;
    auto have = present.rbegin();
    bool kept_one = false;
    for (auto want = order_.rbegin(); want != order_.rend(); ++want) {
      if (have != present.rend() && have->id() == want->id()) {
        REQUIRE(same(*have, *want));
        ++have;
        kept_one = true;
        continue;
      }
      if (dead(*want) || (dispensable_ && dispensable_->id() == want->id())) {
        continue;
      }
      // A living entry went: it must have been the oldest, and there must have been a reason.
      INFO("gone: " << want->key);
      REQUIRE(may_evict_);
      REQUIRE(!kept_one);
      evicted = true;
    }
    REQUIRE(have == present.rend());
    order_ = present;
    return evicted;
  }

  void check_limits(const Order& present, bool evicted) {
    if (dispensable_) {
      std::size_t variants = 0;
      for (const Record& record : present) {
        variants += hash(record) == hash(*dispensable_) ? 1 : 0;
      }
      REQUIRE(variants <= setup_.limits.max_variants);
      REQUIRE(variants + 1 >= std::min<std::size_t>(setup_.limits.max_variants, 2));
    }
    if (setup_.limits.max_entries != 0) {
      REQUIRE(present.size() <= setup_.limits.max_entries);
      if (evicted && !dispensable_ && setup_.limits.max_bytes >= kPlenty) {
        REQUIRE(present.size() == setup_.limits.max_entries);
      }
    }
    REQUIRE(store_.bytes() <= setup_.limits.max_bytes);
    REQUIRE((store_.bytes() == 0) == present.empty());
  }

  const Setup setup_;
  std::mt19937 random_;
  Store store_;
  Order order_;
  Time now_{Duration(1)};
  std::uint64_t generation_ = (std::uint64_t{1} << 32) - 3;
  std::optional<Record> dispensable_;
  std::optional<Record> put_;
  bool may_evict_ = false;
  std::size_t swept_ = 0;
  unsigned hits_ = 0;
};

void walk(const std::string& name, const Setup& setup, unsigned steps) {
  for (unsigned seed = 1; seed <= 3; ++seed) {
    CAPTURE(name);
    CAPTURE(seed);
    CAPTURE(setup.eviction);
    Walk walk(setup, seed);
    for (unsigned i = 0; i < steps; ++i) {
      walk.step();
    }
    CHECK(walk.hits() > 20);
    if (setup.limits.max_entries != 0 || setup.limits.max_bytes < kPlenty) {
      CHECK(walk.evictions() > 20);
    }
  }
}

std::vector<std::tuple<std::string, Setup, unsigned>> all_setups() {
  return {
      {"plain", {Hashing::spread, {kPlenty, 0, 64}, 60, 1}, 10000},
      {"entry limit", {Hashing::spread, {kPlenty, 20, 64}, 40, 1}, 10000},
      {"one entry", {Hashing::spread, {kPlenty, 1, 64}, 4, 2}, 10000},
      {"byte limit", {Hashing::spread, {3000, 0, 64}, 60, 2}, 10000},
      {"tiny byte limit", {Hashing::spread, {250, 0, 64}, 6, 2}, 10000},
      {"variants", {Hashing::spread, {kPlenty, 0, 5}, 5, 12}, 10000},
      {"variants, entry limit", {Hashing::spread, {kPlenty, 30, 64}, 6, 20}, 10000},
      {"one variant", {Hashing::spread, {kPlenty, 0, 1}, 6, 4}, 10000},
      {"few hashes", {Hashing::few, {kPlenty, 0, 64}, 30, 3}, 10000},
      {"one hash", {Hashing::one, {kPlenty, 0, 7}, 6, 3}, 10000},
      {"equal low bits", {Hashing::low_bits_equal, {kPlenty, 0, 64}, 100, 2}, 10000},
      {"highest low bits", {Hashing::low_bits_highest, {kPlenty, 60, 64}, 100, 2}, 10000},
      {"many", {Hashing::spread, {kPlenty, 0, 64}, 100, 2}, 10000},
  };
}

}  // namespace

TEST_CASE("the store behaves as a list in the order of use") {
  for (const auto& [name, setup, steps] : all_setups()) {
    walk(name, setup, steps);
  }
}

TEST_CASE("with every policy the store keeps what it may, and serves nothing else") {
  for (const Eviction eviction : {Eviction::s3fifo, Eviction::tinylfu}) {
    for (auto [name, setup, steps] : all_setups()) {
      setup.eviction = eviction;
      walk(name, setup, steps);
    }
  }
}
