#include "tiercache/proxy/writes.hpp"

#include "inquiry.hpp"
#include "write_plan.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/proxy/loads.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/resp/encoder.hpp"

#include <algorithm>
#include <chrono>

#include <boost/asio/steady_timer.hpp>

namespace tiercache::proxy {

namespace {

// Between two attempts to remove a copy.
constexpr auto kRetry = std::chrono::milliseconds(100);

constexpr std::array<std::string_view, kWriteCounters> kNames = {"written", "write_refused",
                                                                 "write_failed", "write_halved"};

std::string name_of(std::uint32_t db, std::string_view key) {
  return std::to_string(db).append(":").append(key);
}

l2::LinkSpec spec_of(std::uint32_t db) {
  l2::LinkSpec spec;
  spec.db = db;
  return spec;
}

}  // namespace

Writes::Writes(const config::Config& config, Loads& loads, const MakeWriter& make)
    : loads_(loads), unanswered_(config.sources.size()), sinks_(config.sources.size()) {
  std::vector<std::vector<l3::Query>> statements(config.sources.size());
  spaces_.push_back(std::make_unique<Space>());  // of the keys of no namespace
  for (const config::Namespace& one : config.namespaces) {
    auto space = std::make_unique<Space>();
    if (one.strategy == config::Strategy::write_through) {
      while (config.sources[space->source].name != one.source) {
        space->source++;
      }
      space->pattern = config::KeyPattern::parse(one.key).value();
      space->name = one.name;
      space->source_name = one.source;
      space->limit = config.sources[space->source].queue;
      space->l2_ttl = one.l2_ttl;
      std::vector<l3::Query>& its = statements[space->source];
      std::vector<std::string> names = space->pattern->names();
      std::vector<bool> integers = space->pattern->integers();
      names.emplace_back(l3::kValueParameter);
      integers.push_back(false);
      space->put = its.size();
      its.push_back({one.write, names, integers});
      if (!one.remove.empty()) {
        names.pop_back();
        integers.pop_back();
        space->remove = its.size();
        its.push_back({one.remove, std::move(names), std::move(integers)});
      }
    }
    spaces_.push_back(std::move(space));
  }
  for (std::size_t i = 0; i < sinks_.size(); i++) {
    if (!statements[i].empty()) {
      const config::Source& one = config.sources[i];
      l3::SourceConfig its;
      its.name = one.name;
      its.path = one.path;
      its.dsn = one.dsn;
      its.queue = one.queue;
      its.timeout = one.timeout;
      sinks_[i] = std::make_unique<l3::Sink>(its, make(its, std::move(statements[i])));
    }
  }
  for (const auto& space : spaces_) {
    space->sink = space->pattern ? sinks_[space->source].get() : nullptr;
  }
}

Writes::~Writes() = default;

std::string Writes::keys_of(namespaces::Index space) const {
  return "keys of namespace '" + spaces_[space]->name + "', which are written to source '" +
         spaces_[space]->source_name + "' too";
}

std::string Writes::error_of(const Space& space, std::string_view text) const {
  std::string frame;
  resp::append_error(frame, std::string("ERR tiercache: source '")
                                .append(space.source_name)
                                .append("' of namespace '")
                                .append(space.name)
                                .append("'")
                                .append(text));
  return frame;
}

void Writes::count(namespaces::Index space, WriteCounter what) noexcept {
  spaces_[space]->counts[static_cast<std::size_t>(what)].fetch_add(1, std::memory_order_relaxed);
}

// Empty: they are made.
std::string Writes::make_changes(const Space& space, const WritePlan& plan, Write& write) const {
  for (const WritePlan::Key& key : plan.keys) {
    auto values = space.pattern->match(key.name);
    if (!values) {
      return error_of(space, ": the key does not fit namespace.key");
    }
    if (!key.value && !space.remove) {
      return error_of(space, ": keys are not removed, there is no namespace.remove");
    }
    if (key.value) {
      values->emplace_back(std::string(*key.value));
    }
    write.changes.push_back({key.value ? space.put : *space.remove, std::move(*values)});
    const auto known = std::ranges::find(write.keys, key.name);
    write.named.push_back(static_cast<std::size_t>(known - write.keys.begin()));
    if (known == write.keys.end()) {
      write.hashes.push_back(write.wanted.lane->cache.hash(write.wanted.db, key.name));
      write.keys.emplace_back(key.name);
    }
  }
  return {};
}

void Writes::want(Worker& worker, const Wanted& wanted, WritePlan plan, Take take) {
  const Space& space = *spaces_[wanted.space];
  const auto write = std::make_shared<Write>();
  write->worker = &worker;
  write->wanted = wanted;
  if (std::string error = make_changes(space, plan, *write); !error.empty()) {
    take(std::move(error));
    return;
  }
  write->requests = std::move(plan.requests);
  write->counts = plan.reply == WritePlan::Reply::removed;
  write->take = std::move(take);
  const bool hindered = doomed_.load(std::memory_order_relaxed) >= kDoomed;
  bool full = false;
  bool first = false;
  loads_.begin_write(write->hashes);
  {
    MutexLock lock(mutex_);
    full = unanswered_[space.source] >= space.limit;
    if (!full && !hindered) {
      unanswered_[space.source]++;
      for (const std::string& key : write->keys) {
        std::deque<WritePtr>& its = keys_[name_of(wanted.db, key)];
        write->behind += its.empty() ? 0 : 1;
        its.push_back(write);
      }
      first = write->behind == 0;
    }
  }
  if (full || hindered) {
    loads_.end_write(write->hashes);
    write->take(error_of(space, full ? ": too many writes are waiting"
                                     : ": Redis keeps copies that are to be removed first"));
    return;
  }
  if (first) {
    to_source(write);
  }
}

void Writes::to_source(const WritePtr& write) {
  const bool taken = spaces_[write->wanted.space]->sink->submit(
      {std::move(write->changes), [this, write](l3::Written written) {
         on_written(write, std::move(written));
       }});
  if (!taken) {
    // Not from here: others may wait behind it, and others behind these.
    write->worker->post([self = weak_from_this(), write] {
      if (const auto writes = self.lock()) {
        writes->on_written(write, {l3::Written::Kind::failed, "too many writes are waiting", {}});
      }
    });
  }
}

// On the sink's thread, or the worker's.
void Writes::on_written(const WritePtr& write, l3::Written written) {
  using Kind = l3::Written::Kind;
  const namespaces::Index index = write->wanted.space;
  const Space& space = *spaces_[index];
  switch (written.kind) {
    case Kind::applied:
      write->rows = std::move(written.rows);
      write->worker->post([self = weak_from_this(), write] {
        if (const auto writes = self.lock()) {
          writes->to_redis(write);
        }
      });
      return;
    case Kind::refused:
      count(index, WriteCounter::refused);
      end(write, error_of(space, ": " + written.why));
      return;
    case Kind::failed:
      count(index, WriteCounter::failed);
      end(write, error_of(space, ": " + written.why));
      return;
    case Kind::unknown:
      count(index, WriteCounter::failed);
      doom(*write);
      end(write, error_of(space, ": " + written.why + "; whether it has the write is unknown"));
      return;
  }
}

void Writes::announce(const Lane& lane, const std::vector<KeyHash>& hashes) const {
  for (const KeyHash hash : hashes) {
    lane.cache.blocking_write_reply(hash);
  }
}

// On the worker's thread. Told first and looked for stores then, as any write.
void Writes::to_redis(const WritePtr& write) {
  const Lane& lane = *write->wanted.lane;
  announce(lane, write->hashes);
  const bool waits = loads_.is_storing(write->hashes, [self = weak_from_this(), write] {
    write->worker->post([self, write] {
      if (const auto writes = self.lock()) {
        writes->to_redis(write);
      }
    });
  });
  if (waits) {
    return;
  }
  const l2::LinkPtr link = lane.links.shared(spec_of(write->wanted.db));
  if (!link) {
    write->replies.resize(write->requests.size(),
                          "-ERR upstream is unavailable: " + std::string(lane.links.why_not()));
    end_in_redis(write);
    return;
  }
  for (const std::string& request : write->requests) {
    Inquiry::send(*link, request, [self = weak_from_this(), write](std::string_view reply) {
      if (const auto writes = self.lock()) {
        write->replies.emplace_back(reply);
        if (write->replies.size() == write->requests.size()) {
          writes->end_in_redis(write);
        }
      }
    });
  }
}

void Writes::end_in_redis(const WritePtr& write) {
  const namespaces::Index index = write->wanted.space;
  const auto error = std::ranges::find_if(
      write->replies, [](const std::string& reply) { return !reply.empty() && reply[0] == '-'; });
  if (error != write->replies.end()) {
    count(index, WriteCounter::halved);
    doom(*write);
    const std::string_view why = std::string_view(*error).substr(1, error->find('\r') - 1);
    end(write, error_of(*spaces_[index],
                        std::string(" has taken the write, but Redis has not: ").append(why)));
    return;
  }
  count(index, WriteCounter::written);
  std::string reply;
  if (write->counts) {
    std::vector<bool> there(write->keys.size());
    for (std::size_t i = 0; i < write->named.size(); i++) {
      const std::size_t key = write->named[i];
      there[key] = there[key] || write->rows[i] > 0 || !write->replies[i].starts_with(":0");
    }
    resp::append_integer(reply, std::ranges::count(there, true));
  } else {
    resp::append_simple(reply, "OK");
  }
  end(write, std::move(reply));
}

// Answered first: a write that follows is of a client that may have seen it.
void Writes::end(const WritePtr& write, std::string reply) {
  write->take(std::move(reply));
  std::vector<WritePtr> next;
  {
    MutexLock lock(mutex_);
    unanswered_[spaces_[write->wanted.space]->source]--;
    for (const std::string& key : write->keys) {
      const auto its = keys_.find(name_of(write->wanted.db, key));
      TC_CHECK(its != keys_.end() && its->second.front() == write);
      its->second.pop_front();
      if (its->second.empty()) {
        keys_.erase(its);
      } else if (--its->second.front()->behind == 0) {
        next.push_back(its->second.front());
      }
    }
  }
  loads_.end_write(write->hashes);
  for (const WritePtr& one : next) {
    to_source(one);
  }
}

void Writes::doom(const Write& write) {
  const auto doomed = std::make_shared<Doomed>(
      Doomed{write.worker, write.wanted.lane, write.wanted.db, write.keys, write.hashes});
  doomed_.fetch_add(doomed->keys.size(), std::memory_order_relaxed);
  write.worker->post([self = weak_from_this(), doomed] {
    if (const auto writes = self.lock()) {
      writes->remove(doomed);
    }
  });
}

// On the worker's thread. Whatever has become of the key meanwhile: the source has its value.
void Writes::remove(const std::shared_ptr<Doomed>& doomed) {
  const l2::LinkPtr link = doomed->lane->links.shared(spec_of(doomed->db));
  if (!link) {
    remove_later(doomed);
    return;
  }
  std::vector<std::string_view> words{"UNLINK"};
  words.insert(words.end(), doomed->keys.begin(), doomed->keys.end());
  std::string request;
  resp::append_request(request, words);
  announce(*doomed->lane, doomed->hashes);
  Inquiry::send(*link, request, [self = weak_from_this(), doomed](std::string_view reply) {
    const auto writes = self.lock();
    if (!writes) {
      return;
    }
    writes->announce(*doomed->lane, doomed->hashes);
    if (reply.starts_with(':')) {
      writes->doomed_.fetch_sub(doomed->keys.size(), std::memory_order_relaxed);
    } else {
      writes->remove_later(doomed);
    }
  });
}

void Writes::remove_later(const std::shared_ptr<Doomed>& doomed) {
  const auto timer = std::make_shared<boost::asio::steady_timer>(doomed->worker->io(), kRetry);
  timer->async_wait(
      [self = weak_from_this(), doomed, timer](const boost::system::error_code& error) {
        const auto writes = self.lock();
        if (!error && writes) {
          writes->remove(doomed);
        }
      });
}

std::string Writes::line(namespaces::Index space) const {
  std::string text;
  if (!has(space)) {
    return text;
  }
  for (std::size_t i = 0; i < kWriteCounters; i++) {
    text.append(",").append(kNames[i]).append("=");
    text.append(std::to_string(spaces_[space]->counts[i].load(std::memory_order_relaxed)));
  }
  return text;
}

std::uint64_t Writes::sum(WriteCounter counter) const {
  std::uint64_t sum = 0;
  for (const auto& space : spaces_) {
    sum += space->counts[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
  }
  return sum;
}

std::string Writes::source_line(std::size_t source) const {
  if (!sinks_[source]) {
    return {};
  }
  const l3::SinkTotals totals = sinks_[source]->totals();
  return ",writes=" + std::to_string(totals.puts) +
         ",write_transactions=" + std::to_string(totals.transactions) +
         ",writes_failed=" + std::to_string(totals.failed) +
         ",writes_refused=" + std::to_string(totals.refused) +
         ",writes_waiting=" + std::to_string(totals.waiting);
}

bool writes_to_sources(const Hub& hub) noexcept {
  return hub.loads && hub.loads->writes() != nullptr;
}

std::shared_ptr<Writes> make_writes(const config::Config& config, Loads& loads) {
  const bool any = std::ranges::any_of(config.namespaces, [](const config::Namespace& one) {
    return one.strategy != config::Strategy::cache_aside;
  });
  return any ? std::make_shared<Writes>(config, loads) : nullptr;
}

}  // namespace tiercache::proxy
