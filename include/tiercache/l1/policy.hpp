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
//   hottest(), colder(e)  all entries, those first that it would keep longest
//
// Where classes of keys have shares of the store, each class has a policy of that kind (Parted).
//
// The choice is a comparison of an index that never changes, so the default's hits cost what they
// would without it. Owned by a Store, same thread.
#pragma once

#include "tiercache/l1/lru.hpp"
#include "tiercache/l1/parted.hpp"
#include "tiercache/l1/s3fifo.hpp"
#include "tiercache/l1/shares.hpp"
#include "tiercache/l1/tinylfu.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
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
    if (TinyLfu* tinylfu = std::get_if<TinyLfu>(&policy_)) {
      return f(*tinylfu);
    }
    return with_parted(f);
  }
  // Apart, so that what is above stays small enough to be inlined; by value, so that a hit, which
  // captures no reference, needs no place on the stack for it.
  template <class F>
  [[gnu::noinline]] decltype(auto) with_parted(F f) {
    if (auto* lru = std::get_if<Parted<Lru>>(&policy_)) {
      return f(*lru);
    }
    if (auto* s3fifo = std::get_if<Parted<S3Fifo>>(&policy_)) {
      return f(*s3fifo);
    }
    return f(*std::get_if<Parted<TinyLfu>>(&policy_));
  }

 public:
  // `shares` may be null: there are none.
  Policy(Eviction eviction, std::shared_ptr<const Shares> shares) {
    switch (eviction) {
      case Eviction::lru:
        choose<Lru>(std::move(shares));
        break;
      case Eviction::s3fifo:
        choose<S3Fifo>(std::move(shares));
        break;
      case Eviction::tinylfu:
        choose<TinyLfu>(std::move(shares));
        break;
    }
  }
  Eviction eviction() const noexcept {
    return static_cast<Eviction>(policy_.index() % kKinds);
  }
  // Null: there are no shares.
  const Accounts* accounts() const noexcept {
    return std::visit(
        [](const auto& policy) -> const Accounts* {
          if constexpr (requires { policy.accounts(); }) {
            return &policy.accounts();
          } else {
            return nullptr;
          }
        },
        policy_);
  }
  Accounts* accounts() noexcept {
    return const_cast<Accounts*>(std::as_const(*this).accounts());
  }
  // One of the same kind with the same shares that has no entries and remembers none.
  Policy fresh() const {
    const Accounts* known = accounts();
    return {eviction(), known == nullptr ? nullptr : known->shares()};
  }

  void hit(Entry* entry) noexcept {
    with([entry](auto& policy) { policy.hit(entry); });
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
    with([&](auto& policy) {
      if constexpr (requires { policy.while_hot(f); }) {
        policy.while_hot(f);
      } else {
        for (const Entry* entry = policy.hottest(); entry != nullptr && f(*entry);) {
          entry = policy.colder(entry);
        }
      }
    });
  }
  // For copies of a store. REQUIRES: `copy` is of `model`, which is in a policy of this kind.
  void insert_like(Entry* copy, const Entry& model) {
    with([&](auto& policy) { policy.insert_like(copy, model); });
  }
  // Takes over what the other remembers beside its entries. REQUIRES: of the same kind.
  void remember_like(const Policy& other) {
    with([&](auto& policy) {
      policy.remember_like(*std::get_if<std::remove_reference_t<decltype(policy)>>(&other.policy_));
    });
  }

 private:
  template <class P>
  void choose(std::shared_ptr<const Shares> shares) {
    if (shares == nullptr) {
      policy_.emplace<P>();
    } else {
      policy_.emplace<Parted<P>>(std::move(shares));
    }
  }

  // In the order of Eviction, twice.
  static constexpr std::size_t kKinds = 3;
  std::variant<Lru, S3Fifo, TinyLfu, Parted<Lru>, Parted<S3Fifo>, Parted<TinyLfu>> policy_;
};

}  // namespace tiercache::l1
