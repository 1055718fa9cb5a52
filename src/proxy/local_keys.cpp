// Session: commands on keys that live in the proxy alone (namespaces of tier l1). They are answered
// at once, whatever becomes of Redis.
//
// Who may do everything in Redis may do so here, as of Redis's last answer, since these keys have
// to be there while Redis is not; nobody else may do anything, because Redis cannot be asked.
#include "session.hpp"

#include "tiercache/local/keyspace.hpp"

#include <chrono>

namespace tiercache::proxy {

namespace {

local::milliseconds unix_time() {
  return std::chrono::duration_cast<local::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
}

}  // namespace

Session::LocalKeys Session::local_keys(const Classified& what, Args args) {
  read_keys(what, args);
  local_spaces_.clear();
  const std::string* owner = nullptr;
  for (const command::KeyRef& key : keys_) {
    const namespaces::Index space = worker_.spaces().find(args[key.index]);
    const std::uint16_t local = worker_.spaces().local(space);
    if (local != Spaces::kNotLocal) {
      owner = &worker_.spaces().set().at(space).name;
      local_spaces_.push_back(local);
    }
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
  local::Ask ask;
  ask.verb = worker_.spaces().verb(what.position);
  ask.command = what.command->name;
  ask.args = args;
  ask.spaces = local_spaces_;
  ask.db = pinned_ ? flow_->db() : spec_.db;
  ask.version = pinned_ ? flow_->version() : spec_.version;
  ask.now = unix_time();
  scratch_.clear();
  worker_.hub().keyspace->run(ask, scratch_);
  hits_++;  // it is timed with them
  answer(scratch_);
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
