// The users whose sessions the proxy serves, and what is known of their rights. An identity is a
// Redis user that at least one session has logged in as, or whoever has not logged in. Its number
// goes into the links' specs, and is never used again, so what is known by it ends with it.
//
// Any thread. Constant but for the atomics, which sessions read on each hit, and for what the
// mutexes guard, which is touched when somebody logs in, a link is opened, or rights were asked
// for.
//
// What Redis was asked about a user holds for coherence.acl_ttl_ms from the moment of asking
// (UserWatch asks). A user who may not do everything is served from L1 by stamps (src/proxy/
// stamps.hpp).
#pragma once

#include "tiercache/base/mutex.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/l2/link.hpp"
#include "tiercache/l2/user_rules.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tiercache::proxy {

class Identity {
 public:
  // Whoever has not logged in, or a user who did.
  enum class Kind : std::uint8_t { anonymous, user };

  Identity(std::uint64_t id, std::string name, Kind kind);
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  std::uint64_t id() const noexcept {
    return id_;
  }
  // As ACL WHOAMI says.
  const std::string& name() const noexcept {
    return name_;
  }
  bool anonymous() const noexcept {
    return kind_ == Kind::anonymous;
  }

  // Redis has said, not too long ago, that this user may run every command on every key.
  bool may_all(Time now) const noexcept {
    return now < all_until_.load(std::memory_order_relaxed);
  }
  // The same, as of Redis's last answer, however old: for what the proxy answers itself and what
  // shows no data, which has to work while Redis is away. Of the anonymous also before the first
  // answer.
  bool said_all() const noexcept {
    return said_all_.load(std::memory_order_relaxed);
  }
  // Whether a PTTL of the key may go before a read that fills L1. A guess: Redis has the last word.
  bool may_pttl(std::string_view key) const;
  // Redis has refused a PTTL although nothing was known against it.
  void on_pttl_refused();
  // Redis has deleted the user.
  bool gone() const noexcept {
    return gone_.load(std::memory_order_relaxed);
  }
  // An answer about the rights has come, or it is known that none will.
  bool known() const noexcept {
    return known_.load(std::memory_order_relaxed);
  }

  // Redis has accepted this login just now.
  void on_login(l2::LoginPtr login, Time now);
  // The latest that Redis accepted; null for whoever has not logged in.
  l2::LoginPtr login() const;

  // Does as it likes for ever: nobody asks.
  void trust() noexcept;
  // Redis was asked at `asked` and answered; what it allows holds until `until`. False: the user is
  // gone.
  bool on_rules(const l2::UserRules& rules, Time asked, Time until);
  // Redis does not tell: only stamps count.
  void on_no_rules();
  // Of the anonymous; see born_open_. REQUIRES: known().
  bool born_open() const noexcept {
    return born_open_.load(std::memory_order_relaxed);
  }
  bool trusted() const noexcept {
    return all_until_.load(std::memory_order_relaxed) == kNever;
  }

 private:
  const std::uint64_t id_;
  const std::string name_;
  const Kind kind_;
  std::atomic<Time> all_until_{Time::min()};
  std::atomic<bool> said_all_;
  std::atomic<bool> gone_{false};
  std::atomic<bool> known_{false};
  // Of the anonymous: Redis asked for no password when the first of them came, and to those it will
  // not ask for one later.
  std::atomic<bool> born_open_{false};
  mutable Mutex mutex_;
  l2::LoginPtr login_ TC_GUARDED_BY(mutex_);
  Time accepted_at_ TC_GUARDED_BY(mutex_) = Time::min();
  std::shared_ptr<const l2::UserRules> rules_ TC_GUARDED_BY(mutex_);
  bool pttl_refused_ TC_GUARDED_BY(mutex_) = false;
};
using IdentityPtr = std::shared_ptr<Identity>;

class Identities {
 public:
  // Those who have not logged in are the proxy's user and trusted, until ask_about_anonymous().
  Identities();

  IdentityPtr anonymous() const;
  // Before there are clients: they are what Redis takes them for. `proxy`: the proxy does not log
  // in either, so its links are theirs.
  enum class AnonymousAs : std::uint8_t { proxy, nobody };
  void ask_about_anonymous(AnonymousAs who);
  // Redis asks clients for a password now, or no longer: from here on they are another identity.
  // The old one goes with its sessions.
  void renew_anonymous();

  // The identity of a user, with the one who is going to log in counted. Null: `limit` others are
  // in use.
  IdentityPtr claim(std::string_view name, std::size_t limit);
  // All that are in use, in no order.
  std::vector<IdentityPtr> in_use() const;
  // How many users are logged in.
  std::size_t users() const;

 private:
  void forget_unused() TC_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::uint64_t next_id_ TC_GUARDED_BY(mutex_) = 1;
  IdentityPtr anonymous_ TC_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<Identity>> old_anonymous_ TC_GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::weak_ptr<Identity>> users_ TC_GUARDED_BY(mutex_);
};

}  // namespace tiercache::proxy
