#include "tiercache/proxy/identities.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::proxy {

namespace {

constexpr std::string_view kDefaultUser = "default";

}  // namespace

Identity::Identity(std::uint64_t id, std::string name, Kind kind)
    : id_(id), name_(std::move(name)), kind_(kind), said_all_(kind == Kind::anonymous) {
}

bool Identity::may_pttl(std::string_view key) const {
  MutexLock lock(mutex_);
  return rules_ ? rules_->may_pttl(key) : !pttl_refused_;
}

void Identity::on_pttl_refused() {
  MutexLock lock(mutex_);
  pttl_refused_ = true;
}

void Identity::on_login(l2::LoginPtr login, Time now) {
  MutexLock lock(mutex_);
  login_ = std::move(login);
  accepted_at_ = now;
  gone_.store(false, std::memory_order_relaxed);
}

l2::LoginPtr Identity::login() const {
  MutexLock lock(mutex_);
  return login_;
}

void Identity::trust() noexcept {
  all_until_.store(kNever, std::memory_order_relaxed);
  known_.store(true, std::memory_order_relaxed);
}

bool Identity::on_rules(const l2::UserRules& rules, Time asked, Time until) {
  bool everything = rules.everything;
  {
    MutexLock lock(mutex_);
    if (!rules.exists && !anonymous()) {
      // One of that name may have been made and logged in since.
      if (asked > accepted_at_) {
        gone_.store(true, std::memory_order_relaxed);
      }
      everything = false;
    }
    rules_ = std::make_shared<const l2::UserRules>(rules);
    pttl_refused_ = false;
  }
  if (anonymous()) {
    if (!known()) {
      born_open_.store(rules.open, std::memory_order_relaxed);
    }
    everything = everything && (rules.open || born_open());
  }
  all_until_.store(everything ? until : Time::min(), std::memory_order_relaxed);
  said_all_.store(everything, std::memory_order_relaxed);
  known_.store(true, std::memory_order_relaxed);
  return !gone();
}

void Identity::on_no_rules() {
  all_until_.store(Time::min(), std::memory_order_relaxed);
  said_all_.store(false, std::memory_order_relaxed);
  known_.store(true, std::memory_order_relaxed);
  MutexLock lock(mutex_);
  rules_.reset();
}

Identities::Identities() {
  ask_about_anonymous(AnonymousAs::proxy);
  anonymous()->trust();
}

IdentityPtr Identities::anonymous() const {
  MutexLock lock(mutex_);
  return anonymous_;
}

void Identities::ask_about_anonymous(AnonymousAs who) {
  MutexLock lock(mutex_);
  const std::uint64_t id = who == AnonymousAs::proxy ? l2::LinkSpec::kProxy : next_id_++;
  anonymous_ = std::make_shared<Identity>(id, std::string(kDefaultUser), Identity::Kind::anonymous);
}

void Identities::renew_anonymous() {
  MutexLock lock(mutex_);
  std::erase_if(old_anonymous_, [](const auto& old) { return old.expired(); });
  old_anonymous_.push_back(anonymous_);
  anonymous_ =
      std::make_shared<Identity>(next_id_++, std::string(kDefaultUser), Identity::Kind::anonymous);
}

void Identities::forget_unused() {
  std::erase_if(users_, [](const auto& user) { return user.second.expired(); });
}

IdentityPtr Identities::claim(std::string_view name, std::size_t limit) {
  MutexLock lock(mutex_);
  const std::string key(name);
  const auto found = users_.find(key);
  if (found != users_.end()) {
    IdentityPtr known = found->second.lock();
    if (known && !known->gone()) {
      return known;
    }
    users_.erase(found);
  }
  if (users_.size() >= limit) {
    forget_unused();
    if (users_.size() >= limit) {
      return nullptr;
    }
  }
  auto made = std::make_shared<Identity>(next_id_++, key, Identity::Kind::user);
  users_.emplace(key, made);
  return made;
}

std::vector<IdentityPtr> Identities::in_use() const {
  MutexLock lock(mutex_);
  std::vector<IdentityPtr> all{anonymous_};
  for (const auto& old : old_anonymous_) {
    if (auto identity = old.lock()) {
      all.push_back(std::move(identity));
    }
  }
  for (const auto& [name, user] : users_) {
    if (auto identity = user.lock()) {
      all.push_back(std::move(identity));
    }
  }
  return all;
}

std::size_t Identities::users() const {
  MutexLock lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      users_.begin(), users_.end(), [](const auto& user) { return !user.second.expired(); }));
}

}  // namespace tiercache::proxy
