#include "tiercache/proxy/writes.hpp"

#include "errands.hpp"
#include "write_back.hpp"
#include "write_plan.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/proxy/loads.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/resp/encoder.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include <spdlog/spdlog.h>

namespace tiercache::proxy {

namespace {

std::string name_of(std::uint32_t db, std::string_view key) {
  return std::to_string(db).append(":").append(key);
}

}  // namespace

Writes::Writes(const config::Config& config, Loads& loads, const MakeWriter& make)
    : loads_(loads),
      set_(config.namespaces),
      clustered_(!config.upstream.nodes.empty()),
      unanswered_(config.sources.size()),
      sinks_(config.sources.size()) {
  std::vector<std::vector<l3::Query>> statements(config.sources.size());
  spaces_.push_back(std::make_unique<Space>());  // of the keys of no namespace
  for (const config::Namespace& one : config.namespaces) {
    auto space = std::make_unique<Space>();
    if (one.strategy != config::Strategy::cache_aside) {
      space->back = one.strategy == config::Strategy::write_back;
      space->coalesce = one.coalesce;
      while (config.sources[space->source].name != one.source) {
        space->source++;
      }
      space->pattern = config::KeyPattern::parse(one.key).value();
      space->name = one.name;
      space->source_name = one.source;
      space->limit = config.sources[space->source].queue + 1;  // one has its turn
      space->timeout = config.sources[space->source].timeout;
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
  std::vector<WriteBack::Source> back(sinks_.size());
  for (std::size_t i = 0; i < sinks_.size(); i++) {
    const config::Source& one = config.sources[i];
    back[i].name = one.name;
    back[i].timeout = one.timeout;
    if (!statements[i].empty()) {
      l3::SourceConfig its;
      its.name = one.name;
      its.path = one.path;
      its.dsn = one.dsn;
      its.queue = one.queue + 1;
      its.timeout = one.timeout;
      back[i].writer = config.journal.dir.empty() ? nullptr : make(its, statements[i]);
      sinks_[i] = std::make_unique<l3::Sink>(its, make(its, std::move(statements[i])));
    }
  }
  if (!config.journal.dir.empty()) {
    write_back_ = std::make_unique<WriteBack>(
        config.journal, std::move(back),
        [this](const journal::Record& record) -> std::optional<WriteBack::Resolved> {
          WriteBack::Resolved its;
          return resolve(record, its.source, its.changes, its.coalesces)
                     ? std::optional(std::move(its))
                     : std::nullopt;
        });
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

// Empty: it is made.
std::string Writes::source_change(const Space& space, std::string_view key,
                                  std::optional<std::string_view> value, l3::Change& change) const {
  auto values = space.pattern->match(key);
  if (!values) {
    return error_of(space, ": the key does not fit namespace.key");
  }
  if (!value && !space.remove) {
    return error_of(space, ": keys are not removed, there is no namespace.remove");
  }
  if (value) {
    values->emplace_back(std::string(*value));
  }
  change = {value ? space.put : *space.remove, std::move(*values)};
  return {};
}

// What is written back, by this run or an earlier one. False: it belongs to no source any more.
bool Writes::resolve(const journal::Record& record, std::size_t& source,
                     std::vector<l3::Change>& changes, std::vector<bool>& coalesces) const {
  for (const journal::Change& change : record.changes) {
    const namespaces::Index index = set_.find(change.key);
    std::optional<std::string_view> value;
    if (change.value) {
      value = *change.value;
    }
    l3::Change made;
    if (!has(index) || !source_change(*spaces_[index], change.key, value, made).empty() ||
        (!changes.empty() && source != spaces_[index]->source)) {
      return false;
    }
    source = spaces_[index]->source;
    changes.push_back(std::move(made));
    coalesces.push_back(spaces_[index]->coalesce);
  }
  return true;
}

// Empty: they are made.
std::string Writes::make_changes(const Space& space, const WritePlan& plan, Write& write) const {
  write.record.db = write.wanted.db;
  for (const WritePlan::Key& key : plan.keys) {
    l3::Change change;
    if (std::string error = source_change(space, key.name, key.value, change); !error.empty()) {
      return error;
    }
    if (space.back) {
      journal::Change its{std::string(key.name), std::nullopt};
      if (key.value) {
        its.value = std::string(*key.value);
      }
      write.record.changes.push_back(std::move(its));
    } else {
      write.changes.push_back(std::move(change));
    }
    const auto known = std::ranges::find(write.keys, key.name);
    write.named.push_back(static_cast<std::size_t>(known - write.keys.begin()));
    if (known == write.keys.end()) {
      write.hashes.push_back(write.worker->cache().hash(write.wanted.db, key.name));
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
  write->errands = std::move(plan.errands);
  write->counts = plan.reply == WritePlan::Reply::removed;
  write->take = std::move(take);
  const bool hindered = doomed_.load(std::memory_order_relaxed) >= kDoomed;
  bool full = false;
  bool first = false;
  hold(*write);
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
    let_go(*write);
    loads_.end_write(write->hashes);
    write->take(error_of(space, full ? ": too many writes are waiting"
                                     : ": Redis keeps copies that are to be removed first"));
    return;
  }
  if (first) {
    to_source(write);
  }
}

bool Writes::submit(const WritePtr& write) {
  const Space& space = *spaces_[write->wanted.space];
  if (space.back) {
    return write_back_->put(space.source, std::move(write->record),
                            [this, write](l3::Written written, std::uint64_t sequence) {
                              write->sequence = sequence;
                              on_written(write, std::move(written));
                            });
  }
  auto done = [this, write](l3::Written written) {
    on_written(write, std::move(written));
  };
  return sinks_[space.source]->submit({std::move(write->changes), std::move(done)});
}

void Writes::to_source(const WritePtr& write) {
  if (!submit(write)) {
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
      doom_later(*write);
      end(write, error_of(space, ": " + written.why + "; whether it has the write is unknown"));
      return;
  }
}

// To all nodes, also such as have come meanwhile: each may have the key, or get it.
void Writes::hold(Write& write) {
  const std::vector<Node> nodes = write.worker->hub().nodes();
  for (; write.held < nodes.size(); write.held++) {
    for (const KeyHash hash : write.hashes) {
      nodes[write.held].cache.write_begin(hash);
    }
  }
}

void Writes::let_go(Write& write) {
  const std::vector<Node> nodes = write.worker->hub().nodes();
  for (; write.held > 0; write.held--) {
    for (const KeyHash hash : write.hashes) {
      nodes[write.held - 1].cache.write_end(hash);
    }
  }
}

void Writes::announce(Worker& worker, const std::vector<KeyHash>& hashes) {
  for (const Node& node : worker.hub().nodes()) {
    for (const KeyHash hash : hashes) {
      node.cache.blocking_write_reply(hash);
    }
  }
}

// On the worker's thread. Told first and looked for stores then, as any write.
void Writes::to_redis(const WritePtr& write) {
  announce(*write->worker, write->hashes);
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
  Errands::Terms terms;
  terms.db = write->wanted.db;
  terms.before = [write] {
    hold(*write);
  };
  Errands::run(*write->worker, std::move(terms), std::exchange(write->errands, {}),
               [self = weak_from_this(), write](std::vector<std::string> replies) {
                 if (const auto writes = self.lock()) {
                   write->replies = std::move(replies);
                   writes->end_in_redis(write);
                 }
               });
}

void Writes::end_in_redis(const WritePtr& write) {
  const namespaces::Index index = write->wanted.space;
  const auto error = std::ranges::find_if(
      write->replies, [](const std::string& reply) { return !reply.empty() && reply[0] == '-'; });
  if (error != write->replies.end()) {
    count(index, WriteCounter::halved);
    doom(*write);
    const std::string_view why = std::string_view(*error).substr(1, error->find('\r') - 1);
    const Space& space = *spaces_[index];
    end(write, error_of(space, std::string(space.back ? ": the write is journalled"
                                                      : " has taken the write")
                                   .append(", but Redis has not: ")
                                   .append(why)));
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
  let_go(*write);
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
  if (write->sequence > 0) {
    write_back_->settle(write->sequence);
  }
  for (const WritePtr& one : next) {
    to_source(one);
  }
}

Writes* source_writes(const Hub& hub) noexcept {
  return hub.loads ? hub.loads->writes() : nullptr;
}

std::shared_ptr<Writes> make_writes(const config::Config& config, Loads& loads) {
  const bool any = std::ranges::any_of(config.namespaces, [](const config::Namespace& one) {
    return one.strategy != config::Strategy::cache_aside;
  });
  if (any) {
    return std::make_shared<Writes>(config, loads);
  }
  std::error_code none;
  for (std::filesystem::directory_iterator file(config.journal.dir, none), end;
       !none && file != end; file.increment(none)) {
    if (file->path().extension() == ".journal") {
      spdlog::error(
          "journal: {} may hold writes that no source has yet, but no namespace writes to a "
          "source: "
          "they stay there",
          config.journal.dir);
      break;
    }
  }
  return nullptr;
}

}  // namespace tiercache::proxy
