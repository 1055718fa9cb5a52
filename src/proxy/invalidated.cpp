// Session: requests while invalidations are pending (proxy/invalidations.hpp). A key of theirs is
// made clean before anything else is done with the request. EXEC is taken to name what was queued.
//
// Where Redis does not let go of a key, what it has is not shown: a read of that one key asks the
// source past it, all else is an error.
#include "session.hpp"

#include "tiercache/proxy/invalidations.hpp"
#include "tiercache/proxy/loads.hpp"

#include <vector>

namespace tiercache::proxy {

using command::Args;
using command::Kind;

static_assert(CleanKeys::kFailed == Invalidations::kFailed);

// Nothing: dispatch goes on.
std::optional<Session::Step> Session::meet_invalidations(const Request& request,
                                                         const Classified& what) {
  const bool exec = pinned_ && what.fits && what.command->name == "exec";
  if (clean_.failed()) {
    if (exec) {
      doom();  // Redis would go on with the transaction
      return stall(Stall::drain);
    }
    if (pinned_ || goes_past_redis(what, request.args)) {
      return std::nullopt;  // there it is refused, or asked
    }
    return answer_error(kNotClean);
  }
  std::vector<Invalidations::Key> keys;
  const auto add = [&](std::uint32_t db, std::string_view name) {
    keys.push_back({db, name, worker_.spaces().loads(worker_.spaces().find(name))});
  };
  read_keys(what, request.args);
  for (const command::KeyRef& key : keys_) {
    const std::string_view name = request.args[key.index];
    if (key.db >= 0) {
      add(static_cast<std::uint32_t>(key.db), name);
      continue;
    }
    add(pinned_ ? flow_->db() : spec_.db, name);
    for (const std::uint32_t db : transaction_dbs_) {
      add(db, name);
    }
  }
  if (exec) {
    for (const auto& [db, name] : clean_.queued) {
      add(db, name);
    }
  }
  if (keys.empty()) {
    return std::nullopt;
  }
  const std::uint64_t wait = ++clean_.last_wait;
  clean_.wait = wait;
  const Invalidations::Met met = worker_.hub().invalidations->meet(
      keys, clean_.upto, [home = &worker_, me = id_, wait](Invalidations::Number upto) {
        home->post([home, me, wait, upto] {
          if (Session* session = home->find(me)) {
            session->on_clean(wait, upto);
          }
        });
      });
  if (met.waits) {
    return stall(Stall::asked);
  }
  clean_.wait = 0;
  clean_.upto = met.upto;
  return std::nullopt;
}

void Session::on_clean(std::uint64_t wait, std::uint64_t upto) {
  if (wait == clean_.wait) {
    clean_.wait = 0;
    clean_.upto = upto;
    on_stored();
  }
}

// Whether cacheable_read() will be asked, and may answer without Redis.
bool Session::goes_past_redis(const Classified& what, Args args) {
  if (what.kind != Kind::cacheable_read || !what.fits || worker_.denied(what.position, args)) {
    return false;
  }
  const std::string_view key = args[1];
  return loads(what, worker_.spaces().find(key)) &&
         worker_.hub().loads->fits(worker_.spaces().find(key), key) &&
         (may_all() || stamped(what, key));
}

// REQUIRES: keys_ are those of a request that Redis queues.
void Session::note_queued(Args args) {
  for (const command::KeyRef& key : keys_) {
    const std::string_view name = args[key.index];
    if (!worker_.spaces().loads(worker_.spaces().find(name))) {
      continue;
    }
    clean_.queued.emplace_back(key.db >= 0 ? static_cast<std::uint32_t>(key.db) : flow_->db(),
                               name);
    for (const std::uint32_t db : transaction_dbs_) {
      clean_.queued.emplace_back(db, name);
    }
  }
}

}  // namespace tiercache::proxy
