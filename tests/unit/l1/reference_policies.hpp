// Eviction policies straight from their papers, simple and slow: what the store is measured
// against. Each is asked for one key after the other and says whether it had it; a miss inserts.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tiercache::l1::reference {

using Trace = std::vector<std::uint32_t>;

class Lru {
 public:
  explicit Lru(std::size_t capacity) : capacity_(capacity) {
  }
  bool ask(std::uint32_t key) {
    const auto known = where_.find(key);
    if (known != where_.end()) {
      order_.splice(order_.begin(), order_, known->second);
      return true;
    }
    if (order_.size() == capacity_) {
      where_.erase(order_.back());
      order_.pop_back();
    }
    order_.push_front(key);
    where_[key] = order_.begin();
    return false;
  }
  void drop(std::uint32_t key) {
    const auto known = where_.find(key);
    if (known != where_.end()) {
      order_.erase(known->second);
      where_.erase(known);
    }
  }

 private:
  std::size_t capacity_;
  std::list<std::uint32_t> order_;
  std::unordered_map<std::uint32_t, std::list<std::uint32_t>::iterator> where_;
};

// Any of them where an entry dies `ttl(key)` requests after its insertion and leaves at that
// moment.
template <class Policy>
class Expiring {
 public:
  Expiring(std::size_t capacity, std::function<std::uint64_t(std::uint32_t)> ttl)
      : policy_(capacity), ttl_(std::move(ttl)) {
  }
  bool ask(std::uint32_t key) {
    ++now_;
    for (; !deaths_.empty() && deaths_.begin()->first <= now_; deaths_.erase(deaths_.begin())) {
      const auto [time, dying] = *deaths_.begin();
      if (deadlines_[dying] == time) {
        policy_.drop(dying);
      }
    }
    if (policy_.ask(key)) {
      return true;
    }
    deadlines_[key] = now_ + ttl_(key);
    deaths_.emplace(deadlines_[key], key);
    return false;
  }

 private:
  Policy policy_;
  std::function<std::uint64_t(std::uint32_t)> ttl_;
  std::uint64_t now_ = 0;
  std::unordered_map<std::uint32_t, std::uint64_t> deadlines_;
  std::multimap<std::uint64_t, std::uint32_t> deaths_;
};

// Algorithm 1 of the S3-FIFO paper; the ghost queue is a queue.
class S3Fifo {
 public:
  explicit S3Fifo(std::size_t capacity) : capacity_(capacity) {
  }
  bool ask(std::uint32_t key) {
    const auto known = known_.find(key);
    if (known != known_.end()) {
      known->second.hits = std::min(known->second.hits + 1, 3U);
      return true;
    }
    while (small_.size() + main_.size() >= capacity_) {
      if (small_.size() * 10 >= capacity_) {
        evict_small();
      } else {
        evict_main();
      }
    }
    const auto ghost = ghost_where_.find(key);
    if (ghost != ghost_where_.end()) {
      ghosts_.erase(ghost->second);
      ghost_where_.erase(ghost);
      push(main_, key, 0);
    } else {
      push(small_, key, 0);
    }
    return false;
  }
  void drop(std::uint32_t key) {
    const auto known = known_.find(key);
    if (known != known_.end()) {
      known->second.queue->erase(known->second.place);
      known_.erase(known);
    }
  }

 private:
  using Keys = std::list<std::uint32_t>;
  struct Known {
    Keys* queue;
    Keys::iterator place;
    unsigned hits;
  };

  std::size_t main_capacity() const {
    return capacity_ - capacity_ / 10;
  }
  void push(Keys& queue, std::uint32_t key, unsigned hits) {
    queue.push_front(key);
    known_[key] = {&queue, queue.begin(), hits};
  }
  void evict_small() {
    while (!small_.empty()) {
      const std::uint32_t key = small_.back();
      const unsigned hits = known_[key].hits;
      drop(key);
      if (hits > 1) {
        push(main_, key, hits);
        if (main_.size() > main_capacity()) {
          evict_main();
        }
        continue;
      }
      ghosts_.push_front(key);
      ghost_where_[key] = ghosts_.begin();
      if (ghosts_.size() > main_capacity()) {
        ghost_where_.erase(ghosts_.back());
        ghosts_.pop_back();
      }
      return;
    }
  }
  void evict_main() {
    while (!main_.empty()) {
      const std::uint32_t key = main_.back();
      const unsigned hits = known_[key].hits;
      drop(key);
      if (hits == 0) {
        return;
      }
      push(main_, key, hits - 1);
    }
  }

  std::size_t capacity_;
  Keys small_;
  Keys main_;
  Keys ghosts_;
  std::unordered_map<std::uint32_t, Keys::iterator> ghost_where_;
  std::unordered_map<std::uint32_t, Known> known_;
};

// W-TinyLFU as its paper has it: window 1 %, SLRU 80/20, a count-min sketch of 4-bit counters with
// minimal increment, halved after ten times the capacity. As in Caffeine, its authors' own library,
// the sample counts only what the sketch took, and loses what halving rounds off.
class TinyLfu {
 public:
  explicit TinyLfu(std::size_t capacity)
      : window_capacity_(std::max<std::size_t>(1, capacity / 100)),
        main_capacity_(capacity - window_capacity_),
        period_(10 * capacity) {
    std::size_t width = 64;
    while (width < 8 * capacity) {
      width *= 2;
    }
    for (auto& row : rows_) {
      row.assign(width, 0);
    }
  }
  bool ask(std::uint32_t key) {
    count(key);
    const auto known = where_.find(key);
    if (known != where_.end()) {
      use(key, known->second);
      return true;
    }
    push(Part::window, key);
    if (parts_[Part::window].size() > window_capacity_) {
      admit(parts_[Part::window].back());
    }
    return false;
  }
  void drop(std::uint32_t key) {
    const auto known = where_.find(key);
    if (known != where_.end()) {
      parts_[known->second.part].erase(known->second.place);
      where_.erase(known);
    }
  }

 private:
  enum Part { window, probation, guarded };
  struct Where {
    Part part;
    std::list<std::uint32_t>::iterator place;
  };

  void push(Part part, std::uint32_t key) {
    parts_[part].push_front(key);
    where_[key] = {part, parts_[part].begin()};
  }
  void move(std::uint32_t key, Part to) {
    parts_[where_[key].part].erase(where_[key].place);
    push(to, key);
  }
  void use(std::uint32_t key, Where& at) {
    move(key, at.part == Part::window ? Part::window : Part::guarded);
    while (parts_[Part::guarded].size() > main_capacity_ * 8 / 10) {
      move(parts_[Part::guarded].back(), Part::probation);
    }
  }
  void admit(std::uint32_t candidate) {
    if (parts_[Part::probation].size() + parts_[Part::guarded].size() < main_capacity_) {
      move(candidate, Part::probation);
      return;
    }
    const auto& victims =
        parts_[Part::probation].empty() ? parts_[Part::guarded] : parts_[Part::probation];
    if (victims.empty()) {
      drop(candidate);
      return;
    }
    const std::uint32_t victim = victims.back();
    if (estimate(candidate) > estimate(victim)) {
      drop(victim);
      move(candidate, Part::probation);
    } else {
      drop(candidate);
    }
  }

  std::uint8_t& counter(unsigned row, std::uint32_t key) {
    std::uint64_t hash = (key + std::uint64_t{row} * 0x1'0000'0000U) * 0xff51afd7ed558ccdU;
    hash ^= hash >> 33;
    hash *= 0xc4ceb9fe1a85ec53U;
    hash ^= hash >> 33;
    return rows_[row][hash & (rows_[row].size() - 1)];
  }
  unsigned estimate(std::uint32_t key) {
    std::uint8_t least = 15;
    for (unsigned row = 0; row < rows_.size(); ++row) {
      least = std::min(least, counter(row, key));
    }
    return least;
  }
  void count(std::uint32_t key) {
    const unsigned least = estimate(key);
    if (least == 15) {
      return;
    }
    for (unsigned row = 0; row < rows_.size(); ++row) {
      if (counter(row, key) == least) {
        ++counter(row, key);
      }
    }
    if (++counted_ < period_) {
      return;
    }
    std::size_t odd = 0;
    for (auto& row : rows_) {
      for (std::uint8_t& counter : row) {
        odd += counter % 2;
        counter /= 2;
      }
    }
    counted_ = (counted_ - odd / 4) / 2;
  }

  std::size_t window_capacity_;
  std::size_t main_capacity_;
  std::size_t period_;
  std::size_t counted_ = 0;
  std::array<std::vector<std::uint8_t>, 4> rows_;
  std::array<std::list<std::uint32_t>, 3> parts_;
  std::unordered_map<std::uint32_t, Where> where_;
};

}  // namespace tiercache::l1::reference
