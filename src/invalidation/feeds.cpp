#include "tiercache/invalidation/feeds.hpp"

#include "tiercache/base/mutex.hpp"
#include "tiercache/proxy/loads.hpp"

#include <algorithm>
#include <atomic>
#include <compare>
#include <deque>
#include <set>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

namespace tiercache::invalidation {

struct Feeds::Dbs {
  Mutex mutex;
  std::set<std::uint32_t> used TC_GUARDED_BY(mutex) = {0};

  std::vector<std::uint32_t> all() {
    MutexLock lock(mutex);
    return {used.begin(), used.end()};
  }
};

class Feeds::Feed : public std::enable_shared_from_this<Feed> {
 public:
  // One whose keys are loaded from the source.
  struct Space {
    namespaces::Index index;
    std::string name;
  };

  Feed(boost::asio::io_context& control, Invalidator& invalidator, Handlers& handlers,
       proxy::Hub& hub, std::shared_ptr<Dbs> dbs, l3::ListenerConfig listen,
       std::vector<Space> spaces)
      : control_(control),
        invalidator_(invalidator),
        handlers_(handlers),
        hub_(hub),
        dbs_(std::move(dbs)),
        listen_(std::move(listen)),
        spaces_(std::move(spaces)),
        keys_timer_(control),
        sweeps_timer_(control) {
  }

  void start(const MakeListener& make) {
    listener_ = make(
        listen_,
        {[this] { post(&Feed::on_listening); },
         [this](std::string payload) {
           boost::asio::post(control_, [self = weak_from_this(), payload = std::move(payload)] {
             if (const auto feed = self.lock()) {
               feed->on_notice(payload);
             }
           });
         },
         [this](const std::string& why) {
           if (listening_.exchange(false) || !warned_.exchange(true)) {
             spdlog::warn("source {}: nobody hears what changes there: {}", listen_.name, why);
           }
         }});
  }
  const std::string& name() const noexcept {
    return listen_.name;
  }
  std::string line() const {
    return "listening=" + std::to_string(listening_ ? 1 : 0) +
           ",heard=" + std::to_string(heard_.load()) + ",gaps=" + std::to_string(gaps_.load()) +
           ",removed=" + std::to_string(removed_.load()) +
           ",failed=" + std::to_string(failed_.load()) +
           ",pending=" + std::to_string(pending_.load());
  }

 private:
  struct Target {
    std::uint32_t db;
    const Space* space;

    auto operator<=>(const Target&) const = default;
  };

  void post(void (Feed::*method)()) {
    boost::asio::post(control_, [self = weak_from_this(), method] {
      if (const auto feed = self.lock()) {
        (feed.get()->*method)();
      }
    });
  }

  void on_listening() {
    listening_ = true;
    spdlog::info("source {}: listening on {}", listen_.name, listen_.channel);
    const bool first = !std::exchange(began_, true);
    if (!first || hub_.loads->sum(proxy::LoadCounter::loads) > 0) {
      gaps_++;
      everything();
      sweep();
    }
    count();
  }

  void on_notice(const std::string& key) {
    heard_++;
    if (key.empty()) {
      everything();
    } else {
      keys_.insert(key);
      bound();
    }
    sweep();
    let_go();
    count();
  }

  void bound() {
    if (keys_.size() > kPending) {
      keys_.clear();
      everything();
    }
  }
  void count() {
    pending_ = keys_.size() + taken_.size() + waiting_.size() + swept_.size();
  }

  // Keys: all that have come, in one db after the other. They wait for no sweep, which may take as
  // long as it likes: what it has been past is loaded anew, and may change again.
  void let_go() {
    if (letting_go_ || keys_.empty()) {
      return;
    }
    letting_go_ = true;
    taken_.swap(keys_);
    dbs_left_ = dbs_->all();
    next_db();
  }
  void next_db() {
    if (dbs_left_.empty()) {
      letting_go_ = false;
      taken_.clear();
      let_go();
      count();
      return;
    }
    const std::uint32_t db = dbs_left_.back();
    dbs_left_.pop_back();
    invalidator_.keys(db, {taken_.begin(), taken_.end()}, How::remove,
                      handlers_.told(notices_of_keys(db), [self = weak_from_this()](
                                                              const Result<std::int64_t>& removed) {
                        if (const auto feed = self.lock()) {
                          feed->on_let_go(removed);
                        }
                      }));
  }
  void on_let_go(const Result<std::int64_t>& removed) {
    if (removed) {
      removed_ += static_cast<std::uint64_t>(removed.value());
      next_db();
      return;
    }
    failed_++;
    keys_.merge(taken_);
    taken_.clear();
    bound();
    sweep();
    count();
    again(keys_timer_, [](Feed& feed) {
      feed.letting_go_ = false;
      feed.let_go();
    });
  }

  // Namespaces: one that waits holds from sweep() on. What is being swept is begun anew at once,
  // so that it holds from here on; it is what its first sweep ends that tells of it.
  void everything() {
    for (const std::uint32_t db : dbs_->all()) {
      for (const Space& space : spaces_) {
        const Target target{db, &space};
        const bool renewed =
            swept_.contains(target) &&
            invalidator_.matching({db, space.index, {}}, How::remove, Invalidator::Tell::at_end, {},
                                  handlers_.told(notices_of(target), {}));
        if (!renewed && std::ranges::find(waiting_, target) == waiting_.end()) {
          waiting_.push_back(target);
        }
      }
    }
  }
  // What Redis does not do of it the invalidator tries again.
  void sweep() {
    while (!pausing_ && !waiting_.empty() && swept_.size() < kSweeps) {
      const Target target = waiting_.front();
      const Status begun = invalidator_.matching(
          {target.db, target.space->index, {}}, How::remove, Invalidator::Tell::at_end,
          handlers_.told(notices_of(target),
                         [self = weak_from_this(), target](const Result<std::int64_t>& removed) {
                           if (const auto feed = self.lock()) {
                             feed->on_swept(target, removed);
                           }
                         }));
      if (!begun) {
        failed_++;
        pausing_ = true;
        again(sweeps_timer_, [](Feed& feed) {
          feed.pausing_ = false;
          feed.sweep();
        });
        return;
      }
      waiting_.pop_front();
      swept_.insert(target);
    }
  }
  void on_swept(const Target& target, const Result<std::int64_t>& removed) {
    swept_.erase(target);
    if (removed) {
      removed_ += static_cast<std::uint64_t>(removed.value());
    } else if (std::ranges::find(waiting_, target) == waiting_.end()) {
      failed_++;
      waiting_.push_back(target);
    }
    sweep();
    count();
  }

  template <class F>
  void again(boost::asio::steady_timer& timer, F&& go_on) {
    timer.expires_after(kRetry);
    timer.async_wait([self = weak_from_this(), go_on](const boost::system::error_code& error) {
      if (const auto feed = self.lock(); feed && !error) {
        go_on(*feed);
        feed->count();
      }
    });
  }

  // What others are told of it.
  std::vector<Notice> notices_of(const Target& target) const {
    if (!handlers_.wants(Notice::Kind::notify)) {
      return {};
    }
    return {{Notice::Kind::notify, Notice::Scope::space, {}, target.space->name, target.db}};
  }
  std::vector<Notice> notices_of_keys(std::uint32_t db) const {
    std::vector<Notice> notices;
    if (handlers_.wants(Notice::Kind::notify)) {
      for (const std::string& key : taken_) {
        notices.push_back({Notice::Kind::notify, Notice::Scope::key, {}, key, db});
      }
    }
    return notices;
  }

  boost::asio::io_context& control_;
  Invalidator& invalidator_;
  Handlers& handlers_;
  proxy::Hub& hub_;
  const std::shared_ptr<Dbs> dbs_;
  const l3::ListenerConfig listen_;
  const std::vector<Space> spaces_;
  bool began_ = false;

  std::set<std::string> keys_;
  bool letting_go_ = false;  // or they have failed, and wait
  std::set<std::string> taken_;
  std::vector<std::uint32_t> dbs_left_;
  boost::asio::steady_timer keys_timer_;

  std::deque<Target> waiting_;  // each once
  std::set<Target> swept_;
  bool pausing_ = false;
  boost::asio::steady_timer sweeps_timer_;

  std::atomic<bool> listening_{false};
  std::atomic<bool> warned_{false};
  std::atomic<std::uint64_t> heard_{0};
  std::atomic<std::uint64_t> gaps_{0};  // how often all was invalidated for what may be missed
  std::atomic<std::uint64_t> removed_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::atomic<std::uint64_t> pending_{0};
  // The last, so that it goes first: its thread calls back.
  std::unique_ptr<l3::Listener> listener_;
};

Feeds::Feeds(boost::asio::io_context& control, Invalidator& invalidator, Handlers& handlers,
             proxy::Hub& hub, const config::Config& config, MakeListener make)
    : dbs_(std::make_shared<Dbs>()), make_(std::move(make)) {
  for (const config::Source& source : config.sources) {
    std::vector<Feed::Space> spaces;
    for (std::size_t i = 0; i < config.namespaces.size(); i++) {
      if (config.namespaces[i].source == source.name) {
        spaces.push_back({static_cast<namespaces::Index>(i + 1), config.namespaces[i].name});
      }
    }
    if (!source.listen.empty() && !spaces.empty()) {
      feeds_.push_back(std::make_shared<Feed>(
          control, invalidator, handlers, hub, dbs_,
          l3::ListenerConfig{source.name, source.dsn, source.listen}, std::move(spaces)));
    }
  }
}

Feeds::~Feeds() = default;

void Feeds::start() {
  for (const auto& feed : feeds_) {
    feed->start(make_);
  }
}

void Feeds::use_db(std::uint32_t db) {
  if (!feeds_.empty()) {
    MutexLock lock(dbs_->mutex);
    dbs_->used.insert(db);
  }
}

std::vector<std::pair<std::string, std::string>> Feeds::lines() const {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const auto& feed : feeds_) {
    lines.emplace_back(feed->name(), feed->line());
  }
  return lines;
}

}  // namespace tiercache::invalidation
