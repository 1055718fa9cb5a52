// Which entry goes next when the store is full: one of the eviction policies, chosen when the store
// is made. This is their one interface; each says in its own header what it is and what it costs.
//
//   hit(entry)            it was used
//   insert(entry)         it is new
//   remove(entry)         it goes, for whatever reason
//   victim(spared, m)     who has to go next, never `spared`; null if there is no other. May move
//                         entries within the policy.
//   evicted(entry)        it goes for want of room; remove() follows
//   resized(entry, a, b)  its block now holds b bytes, not a
//
// The choice is a comparison of an index that never changes, so the default's hits cost what they
// would without it. Owned by a Store, same thread.
#pragma once

#include "tiercache/l1/lru.hpp"
#include "tiercache/l1/s3fifo.hpp"
#include "tiercache/l1/tinylfu.hpp"

#include <cstddef>
#include <cstdint>
#include <variant>

namespace tiercache::l1 {

enum class Eviction : std::uint8_t { lru, s3fifo, tinylfu };

class Policy {
 private:
  template <class F>
  decltype(auto) with(F&& f) {
    if (Lru* lru = std::get_if<Lru>(&policy_)) [[likely]] {
      return f(*lru);
    }
    if (S3Fifo* s3fifo = std::get_if<S3Fifo>(&policy_)) {
      return f(*s3fifo);
    }
    return f(*std::get_if<TinyLfu>(&policy_));
  }

 public:
  explicit Policy(Eviction eviction) {
    if (eviction == Eviction::s3fifo) {
      policy_.emplace<S3Fifo>();
    } else if (eviction == Eviction::tinylfu) {
      policy_.emplace<TinyLfu>();
    }
  }
  Eviction eviction() const noexcept {
    return static_cast<Eviction>(policy_.index());
  }

  void hit(Entry* entry) noexcept {
    with([&](auto& policy) { policy.hit(entry); });
  }
  void insert(Entry* entry) {
    with([&](auto& policy) { policy.insert(entry); });
  }
  void remove(Entry* entry) noexcept {
    with([&](auto& policy) { policy.remove(entry); });
  }
  void evicted(const Entry* entry) {
    with([&](auto& policy) { policy.evicted(entry); });
  }
  void resized(const Entry* entry, std::size_t from, std::size_t to) noexcept {
    with([&](auto& policy) { policy.resized(entry, from, to); });
  }
  Entry* victim(const Entry* spared, Measure measure) noexcept {
    return with([&](auto& policy) { return policy.victim(spared, measure); });
  }

  // Some entry, or null.
  Entry* any() noexcept {
    return with([](auto& policy) { return policy.any(); });
  }
  // Frees what it remembers of entries that are gone.
  void forget() noexcept {
    with([](auto& policy) { policy.forget(); });
  }
  // Allocated beside the entries.
  std::size_t bytes() noexcept {
    return with([](auto& policy) { return policy.bytes(); });
  }
  // In the order in which they would go, as far as that is known now.
  template <class F>
  void for_each(F&& f) {
    with([&](auto& policy) { policy.for_each(f); });
  }
  // The other way round, as long as f(const Entry&) says so.
  template <class F>
  void while_hot(F&& f) {
    with([&](auto& policy) { policy.while_hot(f); });
  }
  // For copies of a store. REQUIRES: `copy` is of `model`, which is in a policy of this kind.
  void insert_like(Entry* copy, const Entry& model) noexcept {
    with([&](auto& policy) { policy.insert_like(copy, model); });
  }
  // Takes over what the other remembers beside its entries. REQUIRES: of the same kind.
  void remember_like(const Policy& other) {
    with([&](auto& policy) {
      policy.remember_like(*std::get_if<std::remove_reference_t<decltype(policy)>>(&other.policy_));
    });
  }

 private:
  std::variant<Lru, S3Fifo, TinyLfu> policy_;
};

}  // namespace tiercache::l1
