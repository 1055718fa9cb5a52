#include "tiercache/invalidation/feeds.hpp"

#include "tiercache/base/mutex.hpp"
#include "tiercache/l3/listener.hpp"
#include "tiercache/proxy/loads.hpp"

#include <algorithm>
#include <atomic>
#include <iterator>
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
        timer_(control) {
  }

  void start() {
    listener_ = l3::make_listener(
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
      everything_ = true;
      go_on();
    }
  }

  void on_notice(const std::string& key) {
    heard_++;
    if (key.empty() || keys_.size() == kPending) {
      everything_ = true;
      keys_.clear();
    } else {
      keys_.insert(key);
    }
    go_on();
  }

  // What waits, all at once, and one after the other: keys of each db, or namespaces of each.
  void go_on() {
    pending_ = keys_.size() + (everything_ ? 1 : 0);
    if (busy_ || pending_ == 0) {
      return;
    }
    busy_ = true;
    taken_.clear();
    taken_everything_ = std::exchange(everything_, false);
    taken_.swap(keys_);
    left_.clear();
    for (const std::uint32_t db : dbs_->all()) {
      if (!taken_.empty()) {
        left_.push_back({db, nullptr});
      }
      if (taken_everything_) {
        for (const Space& space : spaces_) {
          left_.push_back({db, &space});
        }
      }
    }
    next();
  }

  void next() {
    if (left_.empty()) {
      busy_ = false;
      go_on();
      return;
    }
    const auto [db, space] = left_.back();
    left_.pop_back();
    auto done = handlers_.told(notices(db, space),
                               [self = weak_from_this()](const Result<std::int64_t>& removed) {
                                 if (const auto feed = self.lock()) {
                                   feed->on_done(removed);
                                 }
                               });
    if (space == nullptr) {
      invalidator_.keys(db, {taken_.begin(), taken_.end()}, How::remove, std::move(done));
    } else {
      // It holds from here on; what Redis does not do the invalidator tries again.
      const Status begun = invalidator_.matching({db, space->index, {}}, How::remove,
                                                 Invalidator::Tell::at_end, std::move(done));
      if (!begun) {
        on_done(begun.error());
      }
    }
  }

  // What others are told of it.
  std::vector<Notice> notices(std::uint32_t db, const Space* space) const {
    std::vector<Notice> notices;
    if (!handlers_.wants(Notice::Kind::notify)) {
      return notices;
    }
    if (space != nullptr) {
      notices.push_back({Notice::Kind::notify, Notice::Scope::space, {}, space->name, db});
      return notices;
    }
    for (const std::string& key : taken_) {
      notices.push_back({Notice::Kind::notify, Notice::Scope::key, {}, key, db});
    }
    return notices;
  }

  void on_done(const Result<std::int64_t>& removed) {
    if (removed) {
      removed_ += static_cast<std::uint64_t>(removed.value());
      next();
      return;
    }
    failed_++;
    keys_.merge(taken_);
    everything_ = everything_ || taken_everything_;
    if (keys_.size() > kPending) {
      everything_ = true;
      keys_.clear();
    }
    pending_ = keys_.size() + (everything_ ? 1 : 0);
    timer_.expires_after(kRetry);
    timer_.async_wait([self = weak_from_this()](const boost::system::error_code& error) {
      if (const auto feed = self.lock(); feed && !error) {
        feed->busy_ = false;
        feed->go_on();
      }
    });
  }

  boost::asio::io_context& control_;
  Invalidator& invalidator_;
  Handlers& handlers_;
  proxy::Hub& hub_;
  const std::shared_ptr<Dbs> dbs_;
  const l3::ListenerConfig listen_;
  const std::vector<Space> spaces_;
  boost::asio::steady_timer timer_;

  std::set<std::string> keys_;
  bool everything_ = false;
  bool began_ = false;
  // Of what is under way, or failed and waits.
  bool busy_ = false;
  std::set<std::string> taken_;
  bool taken_everything_ = false;
  struct Left {
    std::uint32_t db;
    const Space* space;  // null: the keys
  };
  std::vector<Left> left_;

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
             proxy::Hub& hub, const config::Config& config)
    : dbs_(std::make_shared<Dbs>()) {
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
    feed->start();
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
