// Session: commands on keys that are not Redis's alone.
//
// Those that live in the proxy alone (namespaces of tier l1) are answered at once, whatever becomes
// of Redis. Writes of those that a source is to have too (strategy write-through) go to Writes; the
// session does nothing else until they are answered, but a pipeline of them goes together.
//
// Who may do everything in Redis may do so here, as of Redis's last answer, since these keys have
// to be there while Redis is not. Nobody else may do anything with keys of the proxy alone, because
// Redis cannot be asked; of a write to a source Redis is asked beforehand (permission()).
#include "session.hpp"
#include "source_write.hpp"
#include "write_plan.hpp"

#include "tiercache/local/keyspace.hpp"
#include "tiercache/proxy/loads.hpp"
#include "tiercache/proxy/writes.hpp"
#include "tiercache/topology/slots.hpp"

#include <chrono>
#include <optional>
#include <utility>

namespace tiercache::proxy {

namespace {

local::milliseconds unix_time() {
  return std::chrono::duration_cast<local::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
}

// Of a request that writes keys which a source is to have too: empty, or why it cannot be done.
struct SourceKeys {
  const Writes* writes = nullptr;
  namespaces::Index space = namespaces::kDefault;  // of the first of them
  std::size_t count = 0;
  bool of_others = false;  // another namespace's too
};
std::string refusal(const SourceKeys& found, std::size_t keys, std::string_view name,
                    bool in_multi) {
  const std::string whose = found.writes->keys_of(found.space);
  const std::string command = "'" + std::string(name) + "'";
  return !can_write_to_source(name) ? "ERR tiercache: " + command + " is not for " + whose + "; " +
                                          std::string(source_writes()) + " are"
         : found.of_others || found.count < keys
             ? "ERR tiercache: " + command + " names " + whose + ", together with others"
         : in_multi ? "ERR tiercache: " + whose + ", are not written in transactions"
                    : "";
}

}  // namespace

// REQUIRES: some namespace lives in the proxy alone, or is written to a source.
Session::LocalKeys Session::local_keys(const Classified& what, Args args) {
  read_keys(what, args);
  local_spaces_.clear();
  const std::string* owner = nullptr;
  const Loads* loads = worker_.hub().loads.get();
  const Writes* writes = loads != nullptr ? loads->writes() : nullptr;
  std::optional<SourceKeys> source;
  const bool may_write = what.kind == command::Kind::write ||
                         what.kind == command::Kind::unknown_write ||
                         what.kind == command::Kind::flush;
  for (const command::KeyRef& key : keys_) {
    const namespaces::Index space = worker_.spaces().find(args[key.index]);
    const bool write = may_write && (key.access == command::Access::write ||
                                     what.kind == command::Kind::unknown_write);
    if (write && writes != nullptr && writes->has(space) && !is_of_copy_alone(what.command->name)) {
      source = source ? source : std::optional(SourceKeys{writes, space});
      source->count++;
      source->of_others = source->of_others || space != source->space;
    }
    const std::uint16_t local = worker_.spaces().local(space);
    if (local != Spaces::kNotLocal) {
      owner = &worker_.spaces().set().at(space).name;
      local_spaces_.push_back(local);
    }
  }
  if (owner == nullptr && source) {
    local_error_ = refusal(*source, keys_.size(), what.command->name, pinned_ && flow_->in_multi());
    return local_error_.empty() ? LocalKeys::run : LocalKeys::refused;
  }
  if (owner == nullptr) {
    return LocalKeys::none;
  }
  const bool mixed = local_spaces_.size() < keys_.size();
  const bool known = worker_.spaces().verb(what.position) != local::Verb::none;
  if (known && !mixed && !asks_permission()) {
    return LocalKeys::run;
  }
  const std::string keys = "keys of namespace '" + *owner + "', which live in the proxy alone";
  const std::string command = "'" + std::string(what.command->name) + "'";
  local_error_ =
      !known  ? "ERR tiercache: " + command + " is not for " + keys
      : mixed ? "ERR tiercache: " + command + " names " + keys + ", together with keys of Redis"
              : "NOPERM tiercache: " + keys + ", are for users who may do everything";
  return LocalKeys::refused;
}

// REQUIRES: local_keys() has said so of this request.
Session::Step Session::run_local(const Classified& what, Args args) {
  const std::uint32_t db = pinned_ ? flow_->db() : spec_.db;
  if (!local_spaces_.empty()) {
    local::Ask ask;
    ask.verb = worker_.spaces().verb(what.position);
    ask.command = what.command->name;
    ask.args = args;
    ask.spaces = local_spaces_;
    ask.db = db;
    ask.version = pinned_ ? flow_->version() : spec_.version;
    ask.now = unix_time();
    scratch_.clear();
    worker_.hub().keyspace->run(ask, scratch_);
    hits_++;  // it is timed with them
    answer(scratch_);
    return Step::next;
  }
  // Redis gets such a write when the source has it, by another way than the session's own requests:
  // so what was sent before is answered first, and what comes behind waits (dispatch()). Writes
  // like it go together: Writes keeps the order of each key, and the answers have that of the
  // requests. Of a source's queue pipelines take half, so that none is refused for its own length.
  Writes& writes = *worker_.hub().loads->writes();
  const Writes::Wanted wanted{db, worker_.spaces().find(args[keys_[0].index])};
  if (!queue_.empty() && (!is_source_write(queue_.front()) || writes.crowded(wanted.space))) {
    return stall(Stall::drain);
  }
  if (!pinned_) {
    if (worker_.clustered()) {
      // Its node is asked what the user may write, and a WAIT behind it concerns that one.
      const std::string_view key = args[keys_[0].index];
      const topology::NodeIndex node = worker_.slot_map()->node_of[topology::slot_of(key)];
      keyed_lane_ = &(node == topology::SlotMap::kNobody ? worker_.home() : worker_.lane(node));
      use(*keyed_lane_);
    }
    switch (permission(what)) {
      case Permission::yes:
        break;
      case Permission::no:
        return answer_error(refusal_);
      case Permission::asked:
        return stall(Stall::asked);
    }
  }
  const std::string whose = writes.keys_of(wanted.space);
  const CopyTtl copy_ttl =
      copy_ttl_of(worker_.spaces().set().at(wanted.space), writes.l2_ttl(wanted.space));
  WritePlan plan =
      plan_write(what.command->name, args, {copy_ttl, unix_time(), whose, worker_.clustered()});
  if (!plan.error.empty()) {
    return answer_error(plan.error);
  }
  NodesOf nodes{{}, {lane_->index}};
  if (worker_.clustered()) {
    nodes = nodes_of(plan.keys, *worker_.slot_map(), worker_.config().cluster.split);
  }
  if (!nodes.error.empty()) {
    return answer_error(nodes.error);
  }
  l2::LinkSpec spec;
  spec.db = db;
  for (const topology::NodeIndex node : nodes.nodes) {
    const Lane& lane = worker_.lane(node);
    if (!lane.links.shared(spec)) {
      worker_.count(stats::Counter::l2_errors);
      return answer_error(away_text(lane.links.why_not(), lane));
    }
  }
  count_keys(args);
  const std::uint64_t id = push(OpKind::extension);
  Op& op = queue_.at(id);
  op.effects.add(lane_->cache, what.kind, args, keys_, db);  // not begun: Writes tells L1
  if (pinned_) {
    stall_ = Stall::drain;
  }
  writes.want(worker_, wanted, std::move(plan), answer_later(id));
  return Step::next;
}

Session::Step Session::answer_local(LocalKeys found, const Classified& what, Args args) {
  return found == LocalKeys::run ? run_local(what, args) : answer_error(local_error_);
}

// Redis has emptied a db, or all, for this client.
void Session::flush_local(const Effects& effects) {
  if (!worker_.hub().keyspace || asks_permission()) {
    return;
  }
  if (effects.flushed().all) {
    worker_.hub().keyspace->flush({});
    return;
  }
  for (const std::uint32_t db : effects.flushed().dbs) {
    worker_.hub().keyspace->flush(db);
  }
}

}  // namespace tiercache::proxy
