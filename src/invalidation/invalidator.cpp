#include "tiercache/invalidation/invalidator.hpp"

#include "key_query.hpp"

#include "tiercache/base/glob.hpp"
#include "tiercache/config/key_pattern.hpp"
#include "tiercache/invalidation/l1_walk.hpp"
#include "tiercache/l2/scan.hpp"
#include "tiercache/proxy/freshness.hpp"
#include "tiercache/proxy/loads.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <utility>

#include <boost/asio/post.hpp>

namespace tiercache::invalidation {

namespace {

using l2::Reply;
using namespaces::Index;

Time now() {
  return std::chrono::steady_clock::now();
}

// Over the nodes of a Cluster whose slots move.
constexpr std::size_t kPasses = 16;

// It becomes as old as what has just ceased to be fresh. What is older becomes older still, so that
// who loads it anew sees that it has been softened since.
constexpr std::string_view kSoften =
    "local k,w=KEYS[1],tonumber(ARGV[1]) local t=redis.call('PTTL',k) if t==-2 then return 0 end "
    "if t<0 or t>w then redis.call('PEXPIRE',k,w) elseif t>1 then "
    "redis.call('PEXPIREAT',k,redis.call('PEXPIRETIME',k)-1) else redis.call('UNLINK',k) end "
    "return 1";

}  // namespace

class Invalidator::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::io_context& control, proxy::Hub& hub, const config::Config& config)
      : control_(control), hub_(hub), set_(config.namespaces), patterns_(set_.size() + 1) {
    for (std::size_t i = 1; i < patterns_.size(); i++) {
      if (has_source(static_cast<Index>(i))) {
        patterns_[i] = config::KeyPattern::parse(set_.at(static_cast<Index>(i)).key).value();
      }
    }
  }

  void keys(std::uint32_t db, std::vector<std::string> keys, How how, Done done);
  void matching(Selection selection, How how, Done done);
  Index find(std::string_view name) const noexcept;
  bool has_part(std::string_view name) const noexcept {
    return std::ranges::any_of(patterns_, [&](const auto& one) { return has_part(one, name); });
  }

 private:
  using Pattern = std::optional<config::KeyPattern>;

  // Some keys, and what came of them.
  struct Batch {
    std::uint32_t db = 0;
    How how = How::remove;
    std::vector<std::string> keys;  // of namespaces with a source
    std::size_t next = 0;
    std::size_t unanswered = 0;
    Result<std::int64_t> removed = std::int64_t{0};
    Done done;
  };
  using BatchPtr = std::shared_ptr<Batch>;
  // One node's keys of one glob are SCANned after the other.
  struct Job {
    Selection selection;
    How how = How::remove;
    std::vector<std::string> globs;  // empty: no source is concerned
    std::vector<proxy::Node> nodes;
    topology::SlotMapPtr map;  // by which they are these nodes
    std::size_t passes = 0;
    std::size_t glob = 0;
    std::size_t node = 0;
    std::string cursor = "0";
    std::int64_t removed = 0;
    std::optional<L1Walk> walk;
    Done done;
  };
  using JobPtr = std::shared_ptr<Job>;

  bool has_source(Index index) const noexcept {
    return index != namespaces::kDefault && set_.at(index).tiers == config::Tiers::l1_l2_l3;
  }
  static bool has_part(const Pattern& pattern, std::string_view name) noexcept {
    return pattern && std::ranges::find(pattern->names(), name) != pattern->names().end();
  }
  bool selected(const Selection& selection, std::string_view key) const;
  std::vector<std::string> globs(const Selection& selection) const;
  std::int64_t drop_from_l1(std::uint32_t db, std::string_view key);
  void go_on(const BatchPtr& batch);
  void let_go(const BatchPtr& batch, std::string key);
  void on_gone(const BatchPtr& batch, const std::string& key, const Result<Reply>& reply);

  void announce(const JobPtr& job);
  void scan(const JobPtr& job);
  void on_scan(const JobPtr& job, Result<Reply> reply);
  void begin_pass(const JobPtr& job);
  void end_pass(const JobPtr& job);
  void walk(const JobPtr& job);
  void end(const JobPtr& job, Result<std::int64_t> result);

  boost::asio::io_context& control_;
  proxy::Hub& hub_;
  const namespaces::Set set_;
  std::vector<Pattern> patterns_;  // by index, of those with a source
  std::size_t jobs_ = 0;
};

Index Invalidator::Impl::find(std::string_view name) const noexcept {
  for (std::size_t i = 1; i <= set_.size(); i++) {
    if (set_.at(static_cast<Index>(i)).name == name) {
      return static_cast<Index>(i);
    }
  }
  return namespaces::kDefault;
}

bool Invalidator::Impl::selected(const Selection& selection, std::string_view key) const {
  if (selection.part) {
    const Pattern& pattern = patterns_[set_.find(key)];
    return pattern && pattern->has(key, selection.part->name, selection.part->value);
  }
  return selection.space != namespaces::kDefault ? set_.find(key) == selection.space
                                                 : key.starts_with(selection.prefix);
}

// Redis's keys among the selected fit one of these. Empty: no source is concerned.
std::vector<std::string> Invalidator::Impl::globs(const Selection& selection) const {
  if (selection.part) {
    std::vector<std::string> globs;
    for (const Pattern& pattern : patterns_) {
      if (has_part(pattern, selection.part->name)) {
        globs.push_back(pattern->glob(selection.part->name, selection.part->value));
      }
    }
    return globs;
  }
  if (!hub_.loads) {
    return {};
  }
  if (selection.space == namespaces::kDefault) {
    return {glob_escaped(selection.prefix) + "*"};
  }
  return has_source(selection.space) ? set_.at(selection.space).match : std::vector<std::string>();
}

// What is on its way into L1 is not kept either. Says how many entries there were.
std::int64_t Invalidator::Impl::drop_from_l1(std::uint32_t db, std::string_view key) {
  coherence::Cache& cache = hub_.node_of(key).cache;
  const l1::Key at{cache.hash(db, key), db, key};
  const std::uint64_t generation = cache.status().view().generation;
  const Time time = now();
  std::int64_t entries = 0;
  cache.for_each_shard([&](coherence::Shard& shard) {
    shard.store().for_each_variant(at, [&](l1::Entry& entry) {
      entries += shard.store().alive(entry, time, generation) ? 1 : 0;
    });
  });
  tell_all(hub_, db, key);
  return entries;
}

void Invalidator::Impl::keys(std::uint32_t db, std::vector<std::string> keys, How how, Done done) {
  const auto batch = std::make_shared<Batch>();
  batch->db = db;
  batch->how = how;
  batch->done = std::move(done);
  std::int64_t entries = 0;
  for (std::string& key : keys) {
    entries += drop_from_l1(db, key);
    if (has_source(set_.find(key))) {
      batch->keys.push_back(std::move(key));
    }
  }
  batch->removed = entries;
  go_on(batch);
}

void Invalidator::Impl::go_on(const BatchPtr& batch) {
  while (batch->next < batch->keys.size() && batch->unanswered < kBatch) {
    batch->unanswered++;
    let_go(batch, std::move(batch->keys[batch->next++]));
  }
  if (batch->unanswered == 0) {
    batch->done(std::move(batch->removed));
  }
}

void Invalidator::Impl::let_go(const BatchPtr& batch, std::string key) {
  const KeyHash hash = hub_.node_of(key).cache.hash(batch->db, key);
  tell_all(hub_, batch->db, key);
  const auto again = [weak = weak_from_this(), &control = control_, batch, key] {
    boost::asio::post(control, [weak, batch, key] {
      if (const auto self = weak.lock()) {
        self->let_go(batch, key);
      }
    });
  };
  if (hub_.loads->must_wait({&hash, 1}, false, again)) {
    return;
  }
  const auto window = proxy::freshness_of(set_.at(set_.find(key))).window();
  const std::string ttl = std::to_string(window.count());
  std::vector<std::string> words{"UNLINK", key};
  if (batch->how == How::soften && window.count() > 0) {
    words = {"EVAL", std::string(kSoften), "1", key, ttl};
  }
  ask(control_, hub_,
      {batch->db, key, std::move(words),
       [weak = weak_from_this(), batch, key](const Result<Reply>& reply) {
         if (const auto self = weak.lock()) {
           self->on_gone(batch, key, reply);
         }
       }});
}

void Invalidator::Impl::on_gone(const BatchPtr& batch, const std::string& key,
                                const Result<Reply>& reply) {
  // What was read before Redis let go of it.
  tell_all(hub_, batch->db, key);
  if (!reply) {
    batch->removed = reply.error();
  } else if (reply.value().is_error()) {
    batch->removed = Error{ErrorCode::refused, reply.value().text};
  } else if (batch->removed) {
    batch->removed = batch->removed.value() + reply.value().integer;
  }
  batch->unanswered--;
  go_on(batch);
}

void Invalidator::Impl::matching(Selection selection, How how, Done done) {
  if (jobs_ == kJobs) {
    done(Error{ErrorCode::refused, "too many invalidations are under way"});
    return;
  }
  jobs_++;
  const auto job = std::make_shared<Job>();
  job->selection = std::move(selection);
  job->how = how;
  job->done = std::move(done);
  std::vector<L1Walk::Part> parts;
  for (const proxy::Node& node : hub_.nodes()) {
    parts.push_back(
        {&node.cache, [this, job = job.get()](const l1::Store&, const l1::Entry& entry) {
           return entry.db() == job->selection.db && selected(job->selection, entry.key());
         }});
  }
  job->walk.emplace(std::move(parts));
  job->globs = globs(job->selection);
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
  const std::string count = std::to_string(kBatch);
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
    end(job, scanned.error());
    return;
  }
  job->cursor = std::move(scanned->cursor);
  std::vector<std::string> found = std::move(scanned->keys);
  std::erase_if(found, [&](const std::string& key) {
    return !has_source(set_.find(key)) || !selected(job->selection, key);
  });
  keys(job->selection.db, std::move(found), job->how,
       [weak = weak_from_this(), job](const Result<std::int64_t>& removed) {
         const auto self = weak.lock();
         if (!self) {
           return;
         }
         if (!removed) {
           self->end(job, removed.error());
           return;
         }
         job->removed += removed.value();
         if (job->cursor == "0" && ++job->node == job->nodes.size()) {
           job->node = 0;
           job->glob++;
         }
         job->glob == job->globs.size() ? self->end_pass(job) : self->scan(job);
       });
}

// Over a Cluster a key may have gone from a node that was still to be scanned to one that had been;
// it is there by the next time, unless slots have moved on.
void Invalidator::Impl::end_pass(const JobPtr& job) {
  const topology::SlotMapPtr map = hub_.slot_map();
  if (!map || (++job->passes > 1 && map == job->map)) {
    walk(job);
  } else if (job->passes > kPasses) {
    end(job, Error{ErrorCode::unavailable, "the Cluster's slots keep moving"});
  } else {
    begin_pass(job);
  }
}

void Invalidator::Impl::begin_pass(const JobPtr& job) {
  job->nodes = nodes_in_use(hub_);
  job->map = hub_.slot_map();
  job->glob = job->node = 0;
  if (job->nodes.empty()) {
    end(job, Error{ErrorCode::unavailable, "the Cluster's masters are not known"});
  } else {
    announce(job);
  }
}

void Invalidator::Impl::walk(const JobPtr& job) {
  if (job->walk->step(now())) {
    end(job, job->removed + job->walk->erased());
    return;
  }
  boost::asio::post(control_, [weak = weak_from_this(), job] {
    if (const auto self = weak.lock()) {
      self->walk(job);
    }
  });
}

void Invalidator::Impl::end(const JobPtr& job, Result<std::int64_t> result) {
  jobs_--;
  job->done(std::move(result));
}

Invalidator::Invalidator(boost::asio::io_context& control, proxy::Hub& hub,
                         const config::Config& config)
    : control_(control), impl_(std::make_shared<Impl>(control, hub, config)) {
}

Invalidator::~Invalidator() = default;

void Invalidator::keys(std::uint32_t db, std::vector<std::string> keys, How how, Done done) {
  boost::asio::post(control_, [weak = std::weak_ptr(impl_), db, keys = std::move(keys), how,
                               done = std::move(done)]() mutable {
    if (const auto impl = weak.lock()) {
      impl->keys(db, std::move(keys), how, std::move(done));
    }
  });
}

void Invalidator::matching(Selection selection, How how, Done done) {
  boost::asio::post(control_, [weak = std::weak_ptr(impl_), selection = std::move(selection), how,
                               done = std::move(done)]() mutable {
    if (const auto impl = weak.lock()) {
      impl->matching(std::move(selection), how, std::move(done));
    }
  });
}

namespaces::Index Invalidator::find(std::string_view name) const noexcept {
  return impl_->find(name);
}

bool Invalidator::has_part(std::string_view name) const noexcept {
  return impl_->has_part(name);
}

}  // namespace tiercache::invalidation
