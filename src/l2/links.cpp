// The pool: which link serves a spec, and when a dead one may be replaced.
#include "tiercache/l2/links.hpp"

#include "link_impl.hpp"

#include "tiercache/base/backoff.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <limits>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>
#include <boost/container_hash/hash.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

namespace tiercache::l2 {

namespace {

using Clock = std::chrono::steady_clock;

// Ids are unique over all threads: an entry of L1 remembers the one it came from.
std::atomic<coherence::LinkId> next_id{1};

class Pool final : public Links, private Upstream::User {
 public:
  Pool(boost::asio::io_context& io, const LinksConfig& config, Random random)
      : io_(io), config_(std::make_shared<const LinksConfig>(config)), random_(std::move(random)) {
    config_->upstream->add(*this);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() override {
    config_->upstream->remove(*this);
    close_all();
  }

  LinkPtr shared(const LinkSpec& spec) override;
  LinkPtr own(const LinkSpec& spec, Consumer& owner) override;
  std::string_view why_not() const noexcept override {
    return why_not_;
  }
  std::string where() const override {
    return config_->upstream->where();
  }
  void close_all() override {
    end_all("the proxy closes its connections");
  }
  LinkPtr candidate(const LinkSpec& spec) override {
    return make(spec, Purpose::shared);
  }
  LinkPtr adopt(const LinkSpec& spec, const LinkPtr& candidate) override;
  void drop_users(const std::function<bool(std::uint64_t user)>& in_use) override;

 private:
  using Ref = boost::intrusive_ptr<LinkImpl>;
  struct Slot {
    Ref link;
    Backoff backoff;
    bool counted = false;  // the death of `link` is in the back-off
    Time next_attempt{};
  };

  using Key = std::pair<std::uint64_t, std::uint64_t>;
  struct Spare {
    Key key;
    Ref link;
    Time since;
  };

  enum class Purpose : std::uint8_t { shared, own, spare };

  void on_move(std::uint64_t term) override;
  void end_all(const std::string& why);
  std::int64_t most(Purpose purpose) const noexcept;
  Ref make(const LinkSpec& spec, Purpose purpose);
  void drop_oldest_spare(std::string why);
  Ref take_spare(const Key& key);
  void stock(const LinkSpec& spec);
  void count_death(Slot& slot);
  bool make_space(Time now);
  static Key key(const LinkSpec& spec) noexcept {
    return {spec.user, std::uint64_t{spec.db} << 16 |
                           static_cast<std::uint64_t>(spec.traffic) << 8 |
                           static_cast<std::uint64_t>(spec.version)};
  }

  boost::asio::io_context& io_;
  const std::shared_ptr<const LinksConfig> config_;
  const Random random_;
  boost::unordered_flat_map<Key, Slot> slots_;
  std::deque<Spare> spares_;  // the oldest first
  // Shared links in whose place is another. Who has one may go on using it; it is closed when it
  // owes nothing.
  std::vector<Ref> replaced_;
  boost::intrusive::list<LinkImpl, boost::intrusive::constant_time_size<false>> alive_;
  std::string why_not_;
  // Handlers that have been posted may come after us.
  const std::shared_ptr<Pool*> self_ = std::make_shared<Pool*>(this);
};

LinkPtr Pool::shared(const LinkSpec& spec) {
  const auto found = slots_.find(key(spec));
  if (found != slots_.end() && found->second.link->state() != Link::State::dead) {
    return found->second.link;
  }
  if (!config_->upstream->endpoint()) {
    why_not_ = kNoServer;
    return nullptr;
  }
  if (found != slots_.end()) {
    Slot& slot = found->second;
    count_death(slot);
    if (Clock::now() < slot.next_attempt) {
      why_not_ = slot.link->why();
      return nullptr;
    }
    Ref link = make(spec, Purpose::shared);
    if (link) {
      slot.link = link;
      slot.counted = false;
    }
    return link;
  }
  if (slots_.size() >= config_->max_shared && !make_space(Clock::now())) {
    why_not_ = "too many databases in use at once";
    return nullptr;
  }
  Ref link = make(spec, Purpose::shared);
  if (link) {
    slots_.emplace(key(spec),
                   Slot{link, Backoff(config_->backoff_min, config_->backoff_max), false, Time{}});
  }
  return link;
}

LinkPtr Pool::adopt(const LinkSpec& spec, const LinkPtr& candidate) {
  const Ref fresh(static_cast<LinkImpl*>(candidate.get()));
  const auto found = slots_.find(key(spec));
  if (found == slots_.end()) {
    slots_.emplace(key(spec),
                   Slot{fresh, Backoff(config_->backoff_min, config_->backoff_max), false, Time{}});
    return fresh;
  }
  Slot& slot = found->second;
  if (slot.link->state() == Link::State::ready) {
    fresh->die("there is another link of its kind");
    return slot.link;
  }
  if (slot.link->state() == Link::State::connecting) {
    replaced_.push_back(slot.link);
  }
  slot.link = fresh;
  slot.counted = false;
  return fresh;
}

void Pool::drop_users(const std::function<bool(std::uint64_t user)>& in_use) {
  boost::unordered::erase_if(slots_, [&](auto& entry) {
    if (entry.first.first == LinkSpec::kProxy || in_use(entry.first.first)) {
      return false;
    }
    entry.second.link->die("nobody uses it any more");
    return true;
  });
  std::erase_if(replaced_, [](const Ref& link) {
    if (link->idle()) {
      link->die("another one has taken its place");
    }
    return link->state() == Link::State::dead;
  });
  const Time oldest = Clock::now() - config_->spare_time;
  std::erase_if(spares_, [&](const Spare& spare) {
    const std::uint64_t user = spare.key.first;
    if (spare.since >= oldest && (user == LinkSpec::kProxy || in_use(user))) {
      return false;
    }
    spare.link->die("nobody uses it");
    return true;
  });
}

LinkPtr Pool::own(const LinkSpec& spec, Consumer& owner) {
  Ref link = take_spare(key(spec));
  if (!link) {
    link = make(spec, Purpose::own);
  }
  if (!link) {
    return nullptr;
  }
  link->give(ConsumerPtr(&owner));
  stock(spec);
  return link;
}

Pool::Ref Pool::take_spare(const Key& key) {
  while (true) {
    const auto found = std::ranges::find(spares_, key, &Spare::key);
    if (found == spares_.end()) {
      return nullptr;
    }
    Ref link = std::move(found->link);
    spares_.erase(found);
    if (link->state() != Link::State::dead) {
      return link;
    }
  }
}

// Where one was needed others will be, at once, and perhaps when Redis greets nobody, being busy
// with a script.
void Pool::stock(const LinkSpec& spec) {
  constexpr std::ptrdiff_t kOfOneKind = 2;
  if (config_->max_spares == 0 || !config_->upstream->endpoint() ||
      std::ranges::count(spares_, key(spec), &Spare::key) >= kOfOneKind) {
    return;
  }
  if (spares_.size() >= config_->max_spares) {
    drop_oldest_spare("another is likelier to be used");
  }
  if (Ref link = make(spec, Purpose::spare)) {
    spares_.push_back({key(spec), std::move(link), Clock::now()});
  }
}

void Pool::drop_oldest_spare(std::string why) {
  spares_.front().link->die(std::move(why));
  spares_.pop_front();
}

// How many connections there may be before there is none for this purpose.
std::int64_t Pool::most(Purpose purpose) const noexcept {
  const std::int64_t all = config_->max_connections;
  if (all == 0) {
    return std::numeric_limits<std::int64_t>::max();
  }
  switch (purpose) {
    case Purpose::shared:
      return all;
    case Purpose::own:
      return all - std::max<std::int64_t>(all / 8, 1);
    case Purpose::spare:
      break;
  }
  return all - std::max<std::int64_t>(all / 4, 2);
}

// Null: there are as many connections as there may be, and none of them is of no use here.
Pool::Ref Pool::make(const LinkSpec& spec, Purpose purpose) {
  while (!config_->upstream->enter(most(purpose))) {
    if (purpose == Purpose::spare) {
      return nullptr;
    }
    if (spares_.empty()) {
      config_->upstream->refused.fetch_add(1, std::memory_order_relaxed);
      why_not_ = "-ERR tiercache: too many connections to upstream " + where() +
                 " (upstream.max_connections)";
      return nullptr;
    }
    drop_oldest_spare("a connection that is needed takes its place");
  }
  const Handshake::Use use =
      purpose == Purpose::shared ? Handshake::Use::shared : Handshake::Use::own;
  Ref link(new LinkImpl(io_, config_, spec, next_id.fetch_add(1, std::memory_order_relaxed), use));
  alive_.push_back(*link);
  link->start(config_->upstream->endpoint());
  return link;
}

// A link that was ready for a while is replaced at once: the server was fine. One that was not,
// or broke right after its greeting, waits.
void Pool::count_death(Slot& slot) {
  if (slot.counted) {
    return;
  }
  slot.counted = true;
  const LinkImpl& link = *slot.link;
  if (link.ready_at() != kNever) {
    slot.backoff.reset();
    slot.next_attempt = link.ready_at() + slot.backoff.min();
    return;
  }
  slot.next_attempt = link.died_at() + slot.backoff.next(random_());
}

// Forgets specs that have no link and nothing to wait for.
bool Pool::make_space(Time now) {
  return boost::unordered::erase_if(slots_, [&](auto& entry) {
           Slot& slot = entry.second;
           if (slot.link->state() != Link::State::dead) {
             return false;
           }
           count_death(slot);
           return now >= slot.next_attempt;
         }) > 0;
}

void Pool::end_all(const std::string& why) {
  while (!alive_.empty()) {
    alive_.front().die(why);
  }
}

// What is known of the specs, their back-off too, is about the server left behind.
void Pool::on_move(std::uint64_t term) {
  boost::asio::post(io_, [weak = std::weak_ptr(self_), term] {
    if (const auto self = weak.lock()) {
      Pool& pool = **self;
      pool.end_all("the master is another server now");
      pool.slots_.clear();
      pool.spares_.clear();
      pool.replaced_.clear();
      pool.config_->upstream->let_go(pool, term);
    }
  });
}

}  // namespace

std::unique_ptr<Links> make_links(boost::asio::io_context& io, const LinksConfig& config,
                                  Random random) {
  return std::make_unique<Pool>(io, config, std::move(random));
}

}  // namespace tiercache::l2
