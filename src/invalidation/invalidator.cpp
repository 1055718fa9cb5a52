#include "tiercache/invalidation/invalidator.hpp"

#include "key_query.hpp"
#include "letting_go.hpp"
#include "selector.hpp"
#include "waiters.hpp"

#include "tiercache/invalidation/l1_walk.hpp"
#include "tiercache/l2/scan.hpp"
#include "tiercache/proxy/invalidations.hpp"
#include "tiercache/proxy/loads.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

namespace tiercache::invalidation {

namespace {

using l2::Reply;
using Number = proxy::Invalidations::Number;
using Published = proxy::Invalidations::Published;

Time now() {
  return std::chrono::steady_clock::now();
}

// Over the nodes of a Cluster whose slots move.
constexpr std::size_t kPasses = 16;

}  // namespace

class Invalidator::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::io_context& control, proxy::Hub& hub, const config::Config& config)
      : control_(control),
        hub_(hub),
        selector_(config),
        letting_go_(std::make_shared<LettingGo>(control, hub, selector_)) {
  }

  // Any thread.
  const Selector& selector() const noexcept {
    return selector_;
  }
  void keys(Keys keys, Done done) {
    letting_go_->begin(std::move(keys), std::move(done));
  }
  // Of what has been published.
  void carry_out(Published published, Selection selection, How how, Tell tell, Done done,
                 Done notices);
  // For a request that waits.
  void touch(std::uint32_t db, std::string key, How how) {
    letting_go_->touch(db, std::move(key), how);
  }

 private:
  // One node's keys of one glob are SCANned after the other.
  struct Job {
    Job(boost::asio::io_context& control, Published of, Selection what, How means)
        : id(of.id), number(of.number), selection(std::move(what)), how(means), retry(control) {
    }
    const Number id;
    Number number;  // under which it is being carried out
    const Selection selection;
    const How how;
    std::vector<std::string> globs;  // empty: no source is concerned
    std::vector<proxy::Node> nodes;
    topology::SlotMapPtr map;  // by which they are these nodes
    std::size_t passes = 0;
    std::size_t glob = 0;
    std::size_t node = 0;
    std::string cursor = "0";
    std::int64_t removed = 0;
    std::optional<L1Walk> walk;
    std::uint64_t failures = 0;
    std::chrono::milliseconds pause = kRetryMin;
    boost::asio::steady_timer retry;
    Waiters waiters;
  };
  using JobPtr = std::shared_ptr<Job>;
  void start(const JobPtr& job);
  void announce(const JobPtr& job);
  void scan(const JobPtr& job);
  void on_scan(const JobPtr& job, Result<Reply> reply);
  void begin_pass(const JobPtr& job);
  void end_pass(const JobPtr& job);
  void walk(const JobPtr& job);
  void fail(const JobPtr& job, const Error& error);
  void end(const JobPtr& job);

  boost::asio::io_context& control_;
  proxy::Hub& hub_;
  const Selector selector_;
  const std::shared_ptr<LettingGo> letting_go_;
  std::map<Number, JobPtr> jobs_;  // by id
};

void Invalidator::Impl::carry_out(Published published, Selection selection, How how, Tell tell,
                                  Done done, Done notices) {
  JobPtr& job = jobs_[published.id];
  const bool fresh = job == nullptr;
  if (fresh) {
    job = std::make_shared<Job>(control_, published, std::move(selection), how);
    job->globs = hub_.loads ? selector_.globs(job->selection) : std::vector<std::string>();
  }
  job->waiters.add(published.number, job->number, std::move(notices), tell, std::move(done));
  if (fresh) {
    start(JobPtr(job));
  }
}

void Invalidator::Impl::start(const JobPtr& job) {
  job->passes = 0;
  std::vector<L1Walk::Part> parts;
  for (const proxy::Node& node : hub_.nodes()) {
    parts.push_back({&node.cache,
                     [this, job = job.get()](const l1::Store&, const l1::Entry& entry) {
                       return entry.db() == job->selection.db &&
                              selector_.selects(job->selection, entry.key());
                     },
                     [this, job = job.get()](std::string_view key) {
                       return selector_.selects(job->selection, key);
                     }});
  }
  job->walk.emplace(std::move(parts));
  job->globs.empty() ? walk(job) : begin_pass(job);
}

// No load that was begun before is stored behind us.
void Invalidator::Impl::announce(const JobPtr& job) {
  hub_.loads->on_wide_write();
  const auto again = [weak = weak_from_this(), &control = control_, job] {
    boost::asio::post(control, [weak, job] {
      if (const auto self = weak.lock()) {
        self->announce(job);
      }
    });
  };
  if (!hub_.loads->must_wait({}, true, again)) {
    scan(job);
  }
}

void Invalidator::Impl::scan(const JobPtr& job) {
  const proxy::Node& node = job->nodes[job->node];
  const std::string count = std::to_string(Invalidator::kBatch);
  node.events.query(job->selection.db,
                    {"SCAN", job->cursor, "MATCH", job->globs[job->glob], "COUNT", count},
                    [weak = weak_from_this(), job](Result<Reply> reply) {
                      if (const auto self = weak.lock()) {
                        self->on_scan(job, std::move(reply));
                      }
                    });
}

void Invalidator::Impl::on_scan(const JobPtr& job, Result<Reply> reply) {
  auto scanned = l2::read_scan(std::move(reply));
  if (!scanned) {
    fail(job, scanned.error());
    return;
  }
  job->cursor = std::move(scanned->cursor);
  std::vector<std::string> found = std::move(scanned->keys);
  std::erase_if(found, [&](const std::string& key) {
    return !selector_.has_source(selector_.set().find(key)) ||
           !selector_.selects(job->selection, key);
  });
  auto done = [weak = weak_from_this(), job](const Result<std::int64_t>& removed) {
    const auto self = weak.lock();
    if (!self) {
      return;
    }
    if (!removed) {
      self->fail(job, removed.error());
      return;
    }
    job->removed += removed.value();
    if (job->cursor == "0" && ++job->node == job->nodes.size()) {
      job->node = 0;
      job->glob++;
    }
    job->glob == job->globs.size() ? self->end_pass(job) : self->scan(job);
  };
  letting_go_->begin({job->selection.db, std::move(found), job->how, job->number}, std::move(done));
}

// Over a Cluster a key may have gone from a node that was still to be scanned to one that had been;
// it is there by the next time, unless slots have moved on.
void Invalidator::Impl::end_pass(const JobPtr& job) {
  const topology::SlotMapPtr map = hub_.slot_map();
  if (!map || (++job->passes > 1 && map == job->map)) {
    walk(job);
  } else if (job->passes > kPasses) {
    fail(job, Error{ErrorCode::unavailable, "the Cluster's slots keep moving"});
  } else {
    begin_pass(job);
  }
}

void Invalidator::Impl::begin_pass(const JobPtr& job) {
  job->nodes = nodes_in_use(hub_);
  job->map = hub_.slot_map();
  job->glob = job->node = 0;
  job->cursor = "0";
  if (job->nodes.empty()) {
    fail(job, Error{ErrorCode::unavailable, "the Cluster's masters are not known"});
  } else {
    announce(job);
  }
}

void Invalidator::Impl::walk(const JobPtr& job) {
  if (job->walk->step(now())) {
    job->removed += job->walk->erased();
    end(job);
    return;
  }
  boost::asio::post(control_, [weak = weak_from_this(), job] {
    if (const auto self = weak.lock()) {
      self->walk(job);
    }
  });
}

void Invalidator::Impl::fail(const JobPtr& job, const Error& error) {
  job->failures++;
  hub_.invalidations->note(job->id, ",failures=" + std::to_string(job->failures));
  if (job->failures == 1) {
    spdlog::warn("invalidation {}: Redis does not let go of its copies, it is tried again: {}",
                 job->id, error.detail);
  }
  job->retry.expires_after(job->pause);
  job->pause = std::min(2 * job->pause, kRetryMax);
  job->retry.async_wait([weak = weak_from_this(), job](const boost::system::error_code& failed) {
    if (const auto self = weak.lock(); self && !failed) {
      self->start(job);
    }
  });
  for (const Done& done : job->waiters.take_failed()) {
    done(error);
  }
}

void Invalidator::Impl::end(const JobPtr& job) {
  const std::vector<Done> told = job->waiters.take_ended(job->number);
  const std::int64_t removed = job->removed;
  const Number renewed = hub_.invalidations->retire(job->id, job->number);
  if (renewed == 0) {
    jobs_.erase(job->id);
  } else {
    job->number = renewed;
    job->removed = 0;
    job->pause = kRetryMin;
    boost::asio::post(control_, [weak = weak_from_this(), job] {
      if (const auto self = weak.lock()) {
        self->start(job);
      }
    });
  }
  for (const Done& done : told) {
    done(removed);
  }
}

Invalidator::Invalidator(boost::asio::io_context& control, proxy::Hub& hub,
                         const config::Config& config)
    : control_(control), hub_(hub), impl_(std::make_shared<Impl>(control, hub, config)) {
  hub.invalidations = std::make_shared<proxy::Invalidations>(hub);
  hub.invalidations->set_let_go(
      [weak = std::weak_ptr(impl_), &control](std::uint32_t db, std::string key, bool softens) {
        boost::asio::post(control, [weak, db, key = std::move(key), softens] {
          if (const auto impl = weak.lock()) {
            impl->touch(db, key, softens ? How::soften : How::remove);
          }
        });
      });
}

Invalidator::~Invalidator() {
  hub_.invalidations->set_let_go({});
}

void Invalidator::keys(std::uint32_t db, std::vector<std::string> keys, How how, Done done) {
  boost::asio::post(control_, [weak = std::weak_ptr(impl_), db, keys = std::move(keys), how,
                               done = std::move(done)]() mutable {
    if (const auto impl = weak.lock()) {
      impl->keys({db, std::move(keys), how}, std::move(done));
    }
  });
}

Status Invalidator::matching(Selection selection, How how, Tell tell, Done done, Done notices) {
  Published published = hub_.invalidations->publish(
      {impl_->selector().text(selection, how), selection.db, how == How::soften,
       [impl = impl_.get(), selection](std::string_view key) {
         return impl->selector().selects(selection, key);
       }});
  if (published.id == 0) {
    return Error{ErrorCode::refused, "too many invalidations are under way"};
  }
  boost::asio::post(control_,
                    [weak = std::weak_ptr(impl_), published, selection = std::move(selection), how,
                     tell, done = std::move(done), notices = std::move(notices)]() mutable {
                      if (const auto impl = weak.lock()) {
                        impl->carry_out(published, std::move(selection), how, tell, std::move(done),
                                        std::move(notices));
                      }
                    });
  return Unit{};
}

namespaces::Index Invalidator::find(std::string_view name) const noexcept {
  return impl_->selector().find(name);
}

bool Invalidator::has_part(std::string_view name) const noexcept {
  return impl_->selector().has_part(name);
}

}  // namespace tiercache::invalidation
