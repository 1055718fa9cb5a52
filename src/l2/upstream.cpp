#include "tiercache/l2/upstream.hpp"

#include <utility>

namespace tiercache::l2 {

Upstream::Upstream(const config::Endpoint& endpoint) : expect_(Expect::any), endpoint_(endpoint) {
}

Upstream::Upstream(Expect expect, std::string name) : expect_(expect), name_(std::move(name)) {
}

std::optional<config::Endpoint> Upstream::endpoint() const {
  MutexLock lock(mutex_);
  return endpoint_;
}

std::string Upstream::where() const {
  const std::optional<config::Endpoint> now = endpoint();
  if (name_.empty()) {
    return config::to_string(*now);
  }
  return name_ + (now ? " (" + config::to_string(*now) + ")" : "");
}

void Upstream::move_to(std::optional<config::Endpoint> endpoint, std::function<void()> moved) {
  std::function<void()> done;
  {
    MutexLock lock(mutex_);
    term_++;
    endpoint_.reset();
    next_ = std::move(endpoint);
    moved_ = std::move(moved);
    waiting_ = users_;
    for (User* user : users_) {
      user->on_move(term_);
    }
    done = arrived();
  }
  if (done) {
    done();
  }
}

// What is to be called, outside the mutex, if the last has let go.
std::function<void()> Upstream::arrived() {
  if (!waiting_.empty() || !moved_) {
    return nullptr;
  }
  endpoint_ = std::exchange(next_, std::nullopt);
  return std::exchange(moved_, nullptr);
}

void Upstream::suspect() {
  if (on_suspect && !suspected_.exchange(true)) {
    on_suspect();
  }
}

bool Upstream::enter(std::int64_t most) noexcept {
  std::int64_t before = links.load(std::memory_order_relaxed);
  do {
    if (before >= most) {
      return false;
    }
  } while (!links.compare_exchange_weak(before, before + 1, std::memory_order_relaxed));
  return true;
}

void Upstream::add(User& user) {
  MutexLock lock(mutex_);
  users_.push_back(&user);
}

void Upstream::remove(User& user) {
  std::function<void()> done;
  {
    MutexLock lock(mutex_);
    std::erase(users_, &user);
    std::erase(waiting_, &user);
    done = arrived();
  }
  if (done) {
    done();
  }
}

void Upstream::let_go(User& user, std::uint64_t term) {
  std::function<void()> done;
  {
    MutexLock lock(mutex_);
    if (term != term_) {
      return;
    }
    std::erase(waiting_, &user);
    done = arrived();
  }
  if (done) {
    done();
  }
}

UpstreamPtr upstream_at(const config::Endpoint& endpoint) {
  return std::make_shared<Upstream>(endpoint);
}

}  // namespace tiercache::l2
