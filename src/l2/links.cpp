// The pool: which link serves a spec, and when a dead one may be replaced.
#include "tiercache/l2/links.hpp"

#include "link_impl.hpp"

#include "tiercache/base/backoff.hpp"

#include <atomic>
#include <utility>

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
  LinkPtr own(const LinkSpec& spec, Consumer& owner) override {
    return make(spec, ConsumerPtr(&owner));
  }
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
    return make(spec, nullptr);
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

  void on_move(std::uint64_t term) override;
  void end_all(const std::string& why);
  Ref make(const LinkSpec& spec, ConsumerPtr owner);
  void count_death(Slot& slot);
  bool make_space(Time now);
  static std::pair<std::uint64_t, std::uint64_t> key(const LinkSpec& spec) noexcept {
    return {spec.user, std::uint64_t{spec.db} << 8 | static_cast<std::uint64_t>(spec.version)};
  }

  boost::asio::io_context& io_;
  const std::shared_ptr<const LinksConfig> config_;
  const Random random_;
  boost::unordered_flat_map<std::pair<std::uint64_t, std::uint64_t>, Slot> slots_;
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
    slot.link = make(spec, nullptr);
    slot.counted = false;
    return slot.link;
  }
  if (slots_.size() >= config_->max_shared && !make_space(Clock::now())) {
    why_not_ = "too many databases in use at once";
    return nullptr;
  }
  Ref link = make(spec, nullptr);
  slots_.emplace(key(spec),
                 Slot{link, Backoff(config_->backoff_min, config_->backoff_max), false, Time{}});
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
}

Pool::Ref Pool::make(const LinkSpec& spec, ConsumerPtr owner) {
  Ref link(new LinkImpl(io_, config_, spec, next_id.fetch_add(1, std::memory_order_relaxed),
                        std::move(owner)));
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
