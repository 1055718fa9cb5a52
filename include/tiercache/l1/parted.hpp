// A policy for stores in which classes of keys have shares (shares.hpp): of each class a policy of
// its own, whose victim is asked for when the class has to make room.
//
// Cost: what a policy costs a store, for each class; an insertion and a removal look up the
// class, and so does a hit where it moves the entry in a list. Choosing a victim is O(classes).
// Owned by a Policy.
#pragma once

#include "tiercache/l1/shares.hpp"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace tiercache::l1 {

template <class P>
class Parted {
 public:
  // REQUIRES: not null.
  explicit Parted(std::shared_ptr<const Shares> shares)
      : accounts_(std::move(shares)), parts_(accounts_.classes()) {
  }

  Accounts& accounts() noexcept {
    return accounts_;
  }
  const Accounts& accounts() const noexcept {
    return accounts_;
  }

  void hit(Entry* entry) noexcept {
    if constexpr (requires { P::hit(entry); }) {
      P::hit(entry);
    } else {
      parts_[accounts_.class_of(entry)].hit(entry);
    }
  }
  void insert(Entry* entry) {
    parts_[accounts_.add(entry)].insert(entry);
  }
  void remove(Entry* entry) noexcept {
    parts_[accounts_.take(entry)].remove(entry);
  }
  void evicted(const Entry* entry) {
    parts_[accounts_.class_of(entry)].evicted(entry);
  }
  void resized(const Entry* entry, std::size_t from, std::size_t to) noexcept {
    parts_[accounts_.class_of(entry)].resized(entry, from, to);
  }
  Entry* victim(const Entry* spared, Measure measure) noexcept {
    const auto fullest = accounts_.fullest(measure);
    if (!fullest) {
      return nullptr;
    }
    if (Entry* entry = parts_[*fullest].victim(spared, measure)) {
      return entry;
    }
    // It has nothing but the one that is spared, so any other class has someone.
    const auto next = accounts_.fullest(measure, *fullest);
    return next ? parts_[*next].victim(spared, measure) : nullptr;
  }

  Entry* any() noexcept {
    const auto fullest = accounts_.fullest(Measure::entries);
    return fullest ? parts_[*fullest].any() : nullptr;
  }
  void forget() noexcept {
    for (P& part : parts_) {
      part.forget();
    }
  }
  // Not what there is of each class anyhow.
  std::size_t bytes() const noexcept {
    std::size_t bytes = 0;
    for (const P& part : parts_) {
      bytes += part.bytes();
    }
    return bytes;
  }
  // Class by class.
  template <class F>
  void for_each(F&& f) {
    for (P& part : parts_) {
      part.for_each(f);
    }
  }
  // Of each class as many as is its part of the store. O(classes) each.
  template <class F>
  void while_hot(F&& f) {
    struct Place {
      const Entry* at;
      std::size_t shown = 0;
    };
    std::vector<Place> places;
    for (P& part : parts_) {
      places.push_back({part.hottest()});
    }
    while (true) {
      std::size_t next = places.size();
      for (std::size_t i = 0; i < places.size(); ++i) {
        // The one of which the smallest part was shown, without the fractions.
        if (places[i].at != nullptr &&
            (next == places.size() || places[i].shown * accounts_.of(next).entries <
                                          places[next].shown * accounts_.of(i).entries)) {
          next = i;
        }
      }
      if (next == places.size() || !f(*places[next].at)) {
        return;
      }
      places[next].at = parts_[next].colder(places[next].at);
      places[next].shown++;
    }
  }
  void insert_like(Entry* copy, const Entry& model) {
    parts_[accounts_.add(copy)].insert_like(copy, model);
  }
  void remember_like(const Parted& other) {
    accounts_.copy_evictions(other.accounts_);
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      parts_[i].remember_like(other.parts_[i]);
    }
  }

 private:
  Accounts accounts_;
  std::vector<P> parts_;  // by class
};

}  // namespace tiercache::l1
