// Which part of a store classes of keys may fill, and what they have of it.
//
// A share decides who makes room when the store is full: the class that has filled the most of its
// share. Keys that are in no class with a share are class 0, whose share is the whole store. So
// when all ask for room each gets room in the proportion of the shares, and never more than its
// own; and what the others do not ask for anybody may fill.
//
// The class of an entry is found from its key each time: the entries have no room for it, and a
// store without shares shall not pay for one.
#pragma once

#include "tiercache/l1/chain.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::l1 {

// Made once, then only read: by as many stores and threads as like, if `class_of` allows that.
struct Shares {
  // By class, each above 0. They may add up to any number.
  std::vector<std::uint32_t> percents{100};
  // The same for the same key always, and below percents.size().
  std::function<std::size_t(std::string_view key)> class_of;
};

// What the entries of a class take.
struct Account {
  std::size_t entries = 0;
  std::size_t bytes = 0;        // what the allocator gave for them; not their part of the index
  std::uint64_t evictions = 0;  // living ones that went to make room, so far
};

// The accounts of one store. Owned by its policy. Counts are exact at any time.
// Cost: 24 bytes a class and store; what looks at an entry's class costs a call of class_of.
class Accounts {
 public:
  // REQUIRES: not null.
  explicit Accounts(std::shared_ptr<const Shares> shares)
      : shares_(std::move(shares)), accounts_(shares_->percents.size()) {
  }

  const std::shared_ptr<const Shares>& shares() const noexcept {
    return shares_;
  }
  std::size_t classes() const noexcept {
    return accounts_.size();
  }
  std::size_t class_of(const Entry* entry) const {
    return shares_->class_of(entry->key());
  }
  const Account& of(std::size_t index) const noexcept {
    return accounts_[index];
  }

  // Counts an entry in or out; returns its class.
  std::size_t add(const Entry* entry);
  std::size_t take(const Entry* entry);
  void count_eviction(const Entry* entry) {
    ++accounts_[class_of(entry)].evictions;
  }

  // For copies of a store, whose entries are counted as they come.
  void copy_evictions(const Accounts& other) noexcept;

  // The class that has filled the most of its share, `but` aside; nothing if no other has entries.
  // O(classes).
  static constexpr std::size_t kNone = ~std::size_t{0};
  std::optional<std::size_t> fullest(Measure measure, std::size_t but = kNone) const noexcept;

 private:
  std::shared_ptr<const Shares> shares_;
  std::vector<Account> accounts_;
};

}  // namespace tiercache::l1
