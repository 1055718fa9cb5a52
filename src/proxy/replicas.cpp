// Session: reads that go to a replica, where upstream.read_from says so: those that L1 keeps. A key
// of which the master has shown something that the replica may not have yet is read from the master
// (coherence/catch_up.hpp).
//
// Order: what is under way is on one of the two servers, never on both. Behind requests to the
// master a read goes to the master too; a request to the master waits until the replica has
// answered.
#include "session.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::proxy {

using command::Kind;

// Which lane, and whether L1 may be looked into. Again: what is under way has to be answered first.
Session::Step Session::pick_server(const Request& request, const Classified& what) {
  Lane& master = lane_->master != nullptr ? *lane_->master : *lane_;
  behind_ = unproven_ = false;
  const bool refused = std::exchange(to_master_, false);
  if (what.route == command::Route::local) {
    use(master);
    return Step::next;
  }
  if (sent_elsewhere_ && !queue_.empty()) {
    return stall(Stall::drain);
  }
  sent_elsewhere_ = false;
  if (master.reader != nullptr && reads_kept(what, request.args)) {
    const Args keys =
        request.args.subspan(1, what.kind == Kind::multi_read ? std::dynamic_extent : 1);
    compare(master, keys);
    if (!behind_ && !unproven_ && !refused && (queue_.empty() || server_ == Server::replica) &&
        ready(*master.reader)) {
      server_ = Server::replica;
      if (std::exchange(traffic_, Traffic::commands) != Traffic::commands) {
        use(master);
        link_.reset();
      }
      use(*master.reader);
      return Step::next;
    }
  }
  return go_to_master(master);
}

Session::Step Session::go_to_master(Lane& master) {
  if (server_ == Server::replica && !queue_.empty()) {
    return stall(Stall::drain);
  }
  server_ = Server::master;
  use(master);
  return Step::next;
}

// Over a Cluster a key that has moved away is missing on a replica before that one hears of the
// move, so only replies that tell whether the key exists are taken from there: those that come with
// a PTTL.
bool Session::reads_kept(const Classified& what, Args args) const {
  if (what.kind == Kind::multi_read) {
    return !worker_.clustered() && keeps_all(what, args.subspan(1));
  }
  if (what.kind != Kind::cacheable_read && (what.kind != Kind::ttl_read || worker_.clustered())) {
    return false;
  }
  const Spaces& spaces = worker_.spaces();
  return worker_.config().l1.enabled && worker_.hub().keeps(args[1]) &&
         spaces.keeps(spaces.find(args[1]), what.position);
}

void Session::compare(const Lane& master, Args keys) {
  const Spaces& spaces = worker_.spaces();
  Duration most = worker_.config().upstream.max_replica_lag;
  for (const std::string_view key : keys) {
    most = std::min(most, spaces.max_staleness(spaces.find(key)));
    behind_ = behind_ || master.catch_up->behind(master.cache.hash(spec_.db, key));
  }
  unproven_ = !master.catch_up->fresh(time_, most);
}

// Its link reaches the very process that the event link tells about.
bool Session::ready(Lane& reader) {
  l2::LinkPtr& link = &reader == lane_ ? link_ : parked(reader);
  if (!link || link->state() == l2::Link::State::dead) {
    link = reader.links.shared(with_login(spec_));
  }
  const coherence::View view = reader.cache.status().view();
  return link && link->state() == l2::Link::State::ready && !link->saturated() &&
         view.state == coherence::LinkState::live && view.source != 0 &&
         link->next_place().source == view.source;
}

// The read in hand would not tell whether the key exists.
Session::Step Session::leave_replica() {
  to_master_ = !queue_.empty();
  return go_to_master(*lane_->master);
}

// A replica of a Cluster does not have the key: the master knows whether it has moved.
void Session::ask_master_instead(std::uint64_t id) {
  Op& op = queue_.at(id);
  worker_.count(stats::Counter::l2_redirects);
  op.more().redirects++;
  sent_elsewhere_ = true;
  send_elsewhere(id, *op.lane->master, false);
}

}  // namespace tiercache::proxy
