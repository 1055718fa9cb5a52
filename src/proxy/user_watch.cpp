#include "tiercache/proxy/user_watch.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

namespace tiercache::proxy {

namespace {

using Clock = std::chrono::steady_clock;

// While it is not known yet what clients without a login may do, they are served past L1.
constexpr Duration kFirst = std::chrono::milliseconds(20);
constexpr Duration kLongest = std::chrono::seconds(1);

}  // namespace

// The part that answers under way keep alive.
class UserWatch::Core final : public std::enable_shared_from_this<Core> {
 public:
  Core(boost::asio::io_context& io, Hub& hub, l2::Events& events, ProxyLogin login, Duration ttl)
      : io_(io), hub_(hub), events_(events), login_(login), acl_ttl_(ttl), timer_(io) {
  }

  void tick();
  // Any thread.
  void on_login() {
    boost::asio::post(io_, [self = shared_from_this()] {
      if (!self->closed_) {
        self->ask_all();
      }
    });
  }
  void set_acl_ttl(Duration ttl) noexcept {
    acl_ttl_ = ttl;
  }
  void close() {
    closed_ = true;
    timer_.cancel();
  }

 private:
  void ask_all();
  void ask(const IdentityPtr& identity, Time now);
  void on_answer(const IdentityPtr& identity, Time asked, const Result<l2::Reply>& answer);
  void on_rules(const IdentityPtr& identity, Time asked, const l2::UserRules& rules);

  boost::asio::io_context& io_;
  Hub& hub_;
  l2::Events& events_;
  const ProxyLogin login_;
  Duration acl_ttl_;
  boost::asio::steady_timer timer_;
  std::unordered_map<std::uint64_t, Time> due_;  // kNever: asked and not answered
  bool warned_ = false;
  bool closed_ = false;
};

void UserWatch::Core::tick() {
  if (closed_) {
    return;
  }
  ask_all();
  const Duration pause = hub_.identities.anonymous()->known()
                             ? std::clamp<Duration>(acl_ttl_ / 3, kFirst, kLongest)
                             : kFirst;
  timer_.expires_after(pause);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) {
      self->tick();
    }
  });
}

void UserWatch::Core::ask_all() {
  const Time now = Clock::now();
  const std::vector<IdentityPtr> all = hub_.identities.in_use();
  std::erase_if(due_, [&](const auto& entry) {
    return std::none_of(all.begin(), all.end(),
                        [&](const IdentityPtr& one) { return one->id() == entry.first; });
  });
  for (const IdentityPtr& identity : all) {
    const bool logged_in = identity->anonymous() || identity->login() != nullptr;
    if (logged_in && !identity->trusted() && !identity->gone() && due_[identity->id()] <= now) {
      ask(identity, now);
    }
  }
}

void UserWatch::Core::ask(const IdentityPtr& identity, Time now) {
  due_[identity->id()] = kNever;
  events_.query(0, {"ACL", "GETUSER", identity->name()},
                [weak = weak_from_this(), identity, now](const Result<l2::Reply>& answer) {
                  const auto self = weak.lock();
                  if (self && !self->closed_) {
                    self->on_answer(identity, now, answer);
                  }
                });
}

void UserWatch::Core::on_answer(const IdentityPtr& identity, Time asked,
                                const Result<l2::Reply>& answer) {
  due_[identity->id()] = Clock::now();
  if (!answer) {
    return;  // Redis is away, and so is L1
  }
  const l2::Reply& reply = answer.value();
  if (!reply.is_error()) {
    on_rules(identity, asked, l2::read_user_rules(reply));
    return;
  }
  if (reply.text.starts_with("ERR unknown")) {
    // Before Redis 6: who is in may do everything, and a password is asked of all or of nobody.
    l2::UserRules rules;
    rules.exists = rules.everything = true;
    rules.open = login_ == ProxyLogin::none;
    on_rules(identity, asked, rules);
    return;
  }
  due_[identity->id()] = Clock::now() + kLongest;
  identity->on_no_rules();
  if (!std::exchange(warned_, true)) {
    spdlog::warn(
        "Redis does not tell the proxy's user what others may do ({}): what L1 answers is asked of "
        "Redis again after coherence.acl_ttl_ms, key by key. Allow +acl|getuser",
        reply.text);
  }
}

void UserWatch::Core::on_rules(const IdentityPtr& identity, Time asked,
                               const l2::UserRules& rules) {
  if (!identity->on_rules(rules, asked, asked + acl_ttl_)) {
    spdlog::info("the user {} has been deleted: its clients are closed", identity->name());
    for (Worker* worker : hub_.workers) {
      worker->post([worker, id = identity->id()] { worker->close_user(id); });
    }
    return;
  }
  if (identity->anonymous() && identity->born_open() != rules.open &&
      identity == hub_.identities.anonymous()) {
    hub_.identities.renew_anonymous();
    ask_all();
  } else if (!rules.everything) {
    due_[identity->id()] = asked + std::max(acl_ttl_, kLongest);
  }
}

UserWatch::UserWatch(boost::asio::io_context& io, Hub& hub, l2::Events& events, ProxyLogin login,
                     Duration acl_ttl)
    : hub_(hub), core_(std::make_shared<Core>(io, hub, events, login, acl_ttl)) {
  hub.on_login = [core = core_] {
    core->on_login();
  };
}

UserWatch::~UserWatch() {
  core_->close();
  hub_.on_login = nullptr;
}

void UserWatch::start() {
  core_->tick();
}

void UserWatch::set_acl_ttl(Duration acl_ttl) {
  core_->set_acl_ttl(acl_ttl);
}

}  // namespace tiercache::proxy
