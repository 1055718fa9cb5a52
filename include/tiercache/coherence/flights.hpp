// The reads that a shard has under way, found by the hash of their key.
//
// They lie in one array, in whose free places the next ones are put, the one that was freed last
// first; a table knows the newest of each hash, which knows the one before it. So a read through
// the proxy allocates nothing, unless its key is long, and what the table moves about when it grows
// is small.
//
// Owned by a BasicShard, same thread. Everything is O(1) plus O(flights of the key), except where
// it says otherwise. A Flight* or Flight& is valid until the next start() or end(). Memory: some
// 200 bytes for each of the most that were under way together since none was; copying is deep.
#pragma once

#include "tiercache/base/check.hpp"
#include "tiercache/base/hash.hpp"
#include "tiercache/base/time.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

namespace tiercache::coherence {

// A data connection. A reconnected link is another link.
using LinkId = std::uint64_t;
// 0 is no flight. Those of one shard grow.
using FlightId = std::uint64_t;
// Whoever asked; opaque here.
using Waiter = std::uint64_t;
using Waiters = boost::container::small_vector<Waiter, 1>;

// Where a read would be sent, and as the how-manieth request on that link.
struct Place {
  LinkId link = 0;
  std::uint64_t seq = 0;
  std::uint64_t source = 0;  // the server process behind it; 0: not known yet
  // Who acts on it. Redis may refuse one user what it shows another, so only the same joins.
  std::uint64_t user = 0;
};

struct Flight {
  FlightId id = 0;
  Place place;
  std::uint64_t epoch = 0;
  std::uint64_t generation = 0;
  Time sent_at{};
  std::uint32_t db = 0;
  std::uint16_t command = 0;
  std::uint8_t resp = 0;
  bool joinable = true;
  bool fenced = false;  // a reply of another link was delivered since it was sent
  Waiters waiters;

  std::string_view key() const noexcept {
    return {name_.data(), key_size_};
  }
  std::string_view args() const noexcept {
    return {name_.data() + key_size_, name_.size() - key_size_};
  }
  void set_name(std::string_view key, std::string_view args) {
    key_size_ = key.size();
    name_.resize(key.size() + args.size(), boost::container::default_init);
    std::copy(args.begin(), args.end(), std::copy(key.begin(), key.end(), name_.begin()));
  }

 private:
  friend class Flights;

  // As new; what is large is let go.
  void forget() noexcept {
    joinable = true;
    fenced = false;
    waiters.clear();
    if (waiters.capacity() > kKeptWaiters) {
      waiters.shrink_to_fit();
    }
    if (name_.capacity() > kKeptName) {
      name_.clear();
      name_.shrink_to_fit();
    }
  }

  static constexpr std::size_t kKeptWaiters = 16;
  static constexpr std::size_t kKeptName = 256;

  std::uint32_t older_ = 0;  // of the same hash, or of the free places; a place, or kNone
  std::size_t key_size_ = 0;
  boost::container::small_vector<char, 40> name_;
};

class Flights {
 public:
  Flights() = default;

  // A new one under that hash; all but its id is to be set.
  Flight& start(KeyHash hash) {
    std::uint32_t place = free_;
    if (place != kNone) {
      free_ = places_[place].older_;
    } else {
      TC_CHECK(places_.size() < kNone);
      place = static_cast<std::uint32_t>(places_.size());
      places_.emplace_back();
    }
    Flight& flight = places_[place];
    const auto [newest, is_first] = newest_.try_emplace(hash, place);
    flight.older_ = is_first ? kNone : newest->second;
    newest->second = place;
    flight.id = ++last_id_;
    size_++;
    return flight;
  }
  // Null: it is not under way.
  Flight* find(KeyHash hash, FlightId id) noexcept {
    Flight* found = nullptr;
    until(hash, [&](Flight& flight) {
      found = flight.id == id ? &flight : nullptr;
      return found != nullptr;
    });
    return found;
  }
  // It is over, and not to be looked at any more. REQUIRES: it is under way, under that hash.
  void end(KeyHash hash, Flight& flight) noexcept {
    const auto place = static_cast<std::uint32_t>(&flight - places_.data());
    const auto newest = newest_.find(hash);
    TC_CHECK(newest != newest_.end());
    if (newest->second != place) {
      std::uint32_t newer = newest->second;
      while (places_[newer].older_ != place) {
        newer = places_[newer].older_;
      }
      places_[newer].older_ = flight.older_;
    } else if (flight.older_ != kNone) {
      newest->second = flight.older_;
    } else {
      newest_.erase(newest);
    }
    size_--;
    if (size_ == 0 && places_.size() > kKept) {
      *this = Flights(last_id_);
      return;
    }
    flight.forget();
    flight.older_ = free_;
    free_ = place;
  }

  // Calls f(Flight&) on those under that hash, the newest first.
  template <class F>
  void for_each(KeyHash hash, F&& f) {
    until(hash, [&f](Flight& flight) {
      f(flight);
      return false;
    });
  }
  // The same until f(Flight&) is true.
  template <class F>
  void until(KeyHash hash, F&& f) {
    const auto newest = newest_.find(hash);
    if (newest == newest_.end()) {
      return;
    }
    for (std::uint32_t place = newest->second; place != kNone; place = places_[place].older_) {
      if (f(places_[place])) {
        return;
      }
    }
  }
  // Calls f(KeyHash, Flight&) on all, in any order. O(all).
  template <class F>
  void for_each(F&& f) {
    for (const auto& [hash, newest] : newest_) {
      for (std::uint32_t place = newest; place != kNone; place = places_[place].older_) {
        f(hash, places_[place]);
      }
    }
  }

  std::size_t size() const noexcept {
    return size_;
  }

 private:
  explicit Flights(FlightId last_id) : last_id_(last_id) {
  }

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  // So many free places are kept when nothing is under way.
  static constexpr std::size_t kKept = 1024;

  std::vector<Flight> places_;
  std::uint32_t free_ = kNone;  // the first free place
  boost::unordered_flat_map<KeyHash, std::uint32_t> newest_;
  std::size_t size_ = 0;
  FlightId last_id_ = 0;
};

}  // namespace tiercache::coherence
