// The store's hit ratio with each policy, against the policies as their papers have them.

#include "reference_policies.hpp"

#include "tiercache/base/hash.hpp"
#include "tiercache/l1/store.hpp"

#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::l1;
using reference::Trace;

namespace {

constexpr std::size_t kRequests = 400000;

class Zipf {
 public:
  Zipf(double theta, std::uint32_t keys) {
    sums_.reserve(keys);
    double sum = 0;
    for (std::uint32_t i = 1; i <= keys; ++i) {
      sum += std::pow(i, -theta);
      sums_.push_back(sum);
    }
  }
  std::uint32_t operator()(std::mt19937_64& random) const {
    const double at = static_cast<double>(random() >> 11) * 0x1p-53 * sums_.back();
    return static_cast<std::uint32_t>(std::upper_bound(sums_.begin(), sums_.end(), at) -
                                      sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

Trace zipf(double theta, std::uint32_t keys) {
  std::mt19937_64 random(1);
  const Zipf draw(theta, keys);
  Trace trace(kRequests);
  std::generate(trace.begin(), trace.end(), [&] { return draw(random); });
  return trace;
}

// Every so often somebody reads a long row of keys once.
Trace scans(std::uint32_t keys) {
  std::mt19937_64 random(2);
  const Zipf draw(0.9, keys);
  Trace trace;
  std::uint32_t scanned = keys;
  while (trace.size() < kRequests) {
    for (unsigned i = 0; i < 20000; ++i) {
      trace.push_back(draw(random));
    }
    for (unsigned i = 0; i < 10000; ++i) {
      trace.push_back(scanned++);
    }
  }
  return trace;
}

// Round and round, with a little that is hot.
Trace loop(std::uint32_t keys) {
  std::mt19937_64 random(3);
  const Zipf draw(1.0, 200);
  Trace trace;
  for (std::uint32_t i = 0; trace.size() < kRequests; ++i) {
    trace.push_back(1000 + i % keys);
    if (i % 4 == 0) {
      trace.push_back(draw(random));
    }
  }
  return trace;
}

// What is popular changes.
Trace shifting(std::uint32_t keys) {
  std::mt19937_64 random(4);
  const Zipf draw(1.0, keys);
  Trace trace;
  while (trace.size() < kRequests) {
    const auto shift = static_cast<std::uint32_t>(trace.size() / 20000 * (keys / 7));
    trace.push_back((draw(random) + shift) % (2 * keys));
  }
  return trace;
}

// What was used lately is used again.
Trace recent(std::uint32_t keys) {
  std::mt19937_64 random(5);
  const Zipf back(1.1, 5000);
  Trace trace;
  for (std::uint32_t i = 0; trace.size() < kRequests; ++i) {
    const std::uint32_t distance = back(random) + 1;
    trace.push_back(random() % 8 == 0 || distance > trace.size()
                        ? static_cast<std::uint32_t>(random() % keys)
                        : trace[trace.size() - distance]);
  }
  return trace;
}

// One store with that many entries, or several that share them.
class Stores {
 public:
  Stores(Eviction eviction, std::size_t entries, unsigned shards) {
    for (unsigned i = 0; i < shards; ++i) {
      stores_.emplace_back(Limits{std::size_t{1} << 40, entries / shards, 64}, eviction);
    }
  }
  bool ask(std::uint32_t number, Duration ttl) {
    now_ += std::chrono::milliseconds(1);
    const std::string_view bytes(reinterpret_cast<const char*>(&number), sizeof number);
    const Key key{hasher_(0, bytes), 0, bytes};
    Store& store = stores_[(key.hash >> 32) % stores_.size()];
    if (store.find(key, kVariant, now_, 0) != nullptr) {
      return true;
    }
    Meta meta;
    meta.expire_at = ttl == Duration::max() ? kNever : now_ + ttl;
    REQUIRE(store.put(key, kVariant, "", meta, now_, 0) != nullptr);
    return false;
  }

 private:
  static constexpr Variant kVariant{1, 0, {}};
  KeyHasher hasher_{7};
  Time now_{};
  std::vector<Store> stores_;
};

double ratio(const Trace& trace, const std::function<bool(std::uint32_t)>& ask) {
  std::size_t hits = 0;
  for (const std::uint32_t key : trace) {
    hits += ask(key) ? 1 : 0;
  }
  return 100.0 * static_cast<double>(hits) / static_cast<double>(trace.size());
}

template <class Policy>
double reference_ratio(const Trace& trace, std::size_t entries) {
  Policy policy(entries);
  return ratio(trace, [&](std::uint32_t key) { return policy.ask(key); });
}

double store_ratio(const Trace& trace, Eviction eviction, std::size_t entries, unsigned shards) {
  Stores stores(eviction, entries, shards);
  return ratio(trace, [&](std::uint32_t key) { return stores.ask(key, Duration::max()); });
}

struct Named {
  std::string name;
  Trace trace;
};

const std::vector<Named>& traces() {
  static const std::vector<Named> all = {
      {"zipf 0.7", zipf(0.7, 50000)},
      {"zipf 0.99", zipf(0.99, 100000)},
      {"zipf 1.2", zipf(1.2, 100000)},
      {"scans", scans(20000)},
      {"loop", loop(3000)},
      {"shifting", shifting(20000)},
      {"recent", recent(50000)},
  };
  return all;
}

template <class Reference>
void compare(Eviction eviction, double tolerance) {
  for (const Named& named : traces()) {
    for (const std::size_t entries : {200U, 2000U, 8000U}) {
      const double wanted = reference_ratio<Reference>(named.trace, entries);
      const double got = store_ratio(named.trace, eviction, entries, 1);
      CAPTURE(named.name);
      CAPTURE(entries);
      CAPTURE(wanted);
      CHECK(std::abs(got - wanted) <= tolerance);
    }
    // As the product divides its entries: a thousand at least for each.
    const double wanted = reference_ratio<Reference>(named.trace, 8000);
    const double got = store_ratio(named.trace, eviction, 8000, 8);
    CAPTURE(named.name);
    CAPTURE(wanted);
    CHECK(got >= wanted - tolerance);
  }
}

}  // namespace

TEST_CASE("lru is least recently used") {
  compare<reference::Lru>(Eviction::lru, 0.5);
}

TEST_CASE("s3fifo is S3-FIFO") {
  compare<reference::S3Fifo>(Eviction::s3fifo, 1.0);
}

TEST_CASE("tinylfu is W-TinyLFU") {
  compare<reference::TinyLfu>(Eviction::tinylfu, 1.0);
}

namespace {

// Half of the keys live for so many requests, the others thirty times as long, or all the same.
std::uint64_t short_ttl(std::uint32_t key) {
  return key % 2 == 0 ? 20000 : 600000;
}
std::uint64_t equal_ttl(std::uint32_t) {
  return 20000;
}

template <class Reference>
void compare_expiring(Eviction eviction, double tolerance) {
  const Trace trace = zipf(0.99, 60000);
  for (auto* ttl : {&short_ttl, &equal_ttl}) {
    for (const std::size_t entries : {600U, 6000U, 20000U}) {
      reference::Expiring<Reference> reference(entries, ttl);
      const double wanted = ratio(trace, [&](std::uint32_t key) { return reference.ask(key); });
      Stores stores(eviction, entries, 1);
      const double got = ratio(trace, [&](std::uint32_t key) {
        return stores.ask(key, std::chrono::milliseconds(ttl(key)));
      });
      const bool equal = ttl == &equal_ttl;
      CAPTURE(equal);
      CAPTURE(entries);
      CAPTURE(wanted);
      CHECK(got >= wanted - tolerance);
    }
  }
}

}  // namespace

TEST_CASE("short lives cost no hits: what is dead makes room before what lives") {
  compare_expiring<reference::Lru>(Eviction::lru, 0.5);
  compare_expiring<reference::S3Fifo>(Eviction::s3fifo, 0.5);
  compare_expiring<reference::TinyLfu>(Eviction::tinylfu, 1.0);
}
