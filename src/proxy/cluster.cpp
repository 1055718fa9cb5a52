// Session: over a Cluster. A request goes to the node of its keys, by the map that all requests
// under way went by; what has no key goes to the first node. A server that says that a slot is
// elsewhere has not run the request: it is sent there.
//
// Order: a key's requests go to one node, on one link, as long as the map stays. A new map is taken
// up when nothing is under way, and behind a request that was sent elsewhere nothing more is sent
// until all is answered. What concerns keys that it does not name waits until then too.
#include "flight_state.hpp"
#include "session.hpp"
#include "tags.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/base/words.hpp"
#include "tiercache/l2/upstream.hpp"
#include "tiercache/proxy/writes.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::proxy {

namespace {

constexpr unsigned kMostRedirects = 8;

// Channels that belong to a slot.
bool names_shard_channel(std::string_view command) {
  return command == "spublish" || command == "ssubscribe" || command == "sunsubscribe";
}

// They concern the connection, which others use too.
bool is_for_connection(std::string_view command) {
  return command == "asking" || command == "readonly" || command == "readwrite";
}

}  // namespace

void Session::use(Lane& lane) {
  if (&lane == lane_) {
    return;
  }
  link_.swap(parked(*lane_));
  lane_ = &lane;
  link_.swap(parked(lane));
}

// Where the link of a lane is while the session uses another.
l2::LinkPtr& Session::parked(const Lane& lane) {
  const std::size_t place = std::size_t{lane.index} * 2 + (lane.master != nullptr ? 1 : 0);
  if (links_.size() <= place) {
    links_.resize(place + 1);
  }
  return links_[place];
}

const l2::LinkPtr& Session::link_of(const Lane& lane) {
  return &lane == lane_ ? link_ : parked(lane);
}

// Nothing: dispatch goes on, with lane_ and off_node_ set.
std::optional<Session::Step> Session::route(const Request& request, const Classified& what) {
  if (sent_elsewhere_) {
    if (!queue_.empty()) {
      return stall(Stall::drain);
    }
    sent_elsewhere_ = false;
  }
  if (map_ != worker_.slot_map()) {
    if (!pinned_ && !queue_.empty()) {
      return stall(Stall::drain);
    }
    map_ = worker_.slot_map();
    fenced_by_ = 0;  // that was a PING of the node that had the key
  }
  off_node_.clear();
  // Keys that live in the proxy alone have no slot.
  const bool remote = !worker_.spaces().any_local() ||
                      local_keys(what, request.args) == LocalKeys::none || local_spaces_.empty();
  if (remote) {
    read_keys(what, request.args);
    // Most name one key, and nothing else is to be thought of.
    if (keys_.size() == 1 && !pinned_ && !multi_promised_) [[likely]] {
      const topology::NodeIndex node =
          map_->node_of[topology::slot_of(request.args[keys_.front().index])];
      if (node != topology::SlotMap::kNobody) [[likely]] {
        keyed_lane_ = &worker_.lane(node);
        use(*keyed_lane_);
        return std::nullopt;
      }
    }
  }
  bool crosses = false;
  std::optional<topology::Slot> slot;
  const auto take = [&](std::string_view key) {
    const topology::Slot its = topology::slot_of(key);
    if (slot && its != *slot) {
      crosses = true;
      off_node_ = "CROSSSLOT Keys in request don't hash to the same slot";
    }
    slot = its;
  };
  if (remote) {
    for (const command::KeyRef& key : keys_) {
      take(request.args[key.index]);
    }
  }
  const std::string_view name = what.fits ? what.command->name : std::string_view();
  const bool keyless = !slot;
  if (keyless && names_shard_channel(name)) {
    for (const std::string_view channel :
         request.args.subspan(1, name == "spublish" ? 1 : std::dynamic_extent)) {
      take(channel);
    }
  }
  // Where the session cannot ask them all, one node's answer would be taken for that of all.
  const std::optional<Merge> all = keyless ? merge_of_all(name) : std::nullopt;
  if (all) {
    off_node_ = "ERR tiercache: over a Redis Cluster '" + std::string(name) +
                "' concerns all nodes, and this client is tied to one now";
  }
  // It may concern any key: also one whose request, under way, will have to go to another node.
  const bool any_key = all || (!slot && what.kind == command::Kind::unknown_write);
  if (any_key && !pinned_ && !queue_.empty()) {
    return stall(Stall::drain);
  }
  Lane* lane = pinned_ ? own_lane_ : &worker_.home();
  if (keyless && name == "wait" && !pinned_ && keyed_lane_ != nullptr) {
    lane = keyed_lane_;  // it is about what was written there
  }
  if (slot && off_node_.empty()) {
    const topology::NodeIndex node = map_->node_of[*slot];
    if (node == topology::SlotMap::kNobody) {
      off_node_ = "CLUSTERDOWN Hash slot not served";
      worker_.hub().on_redirect(std::nullopt);
    } else {
      lane = keyed_lane_ = &worker_.lane(node);
    }
  }
  if (pinned_ && (all || lane != own_lane_)) {
    if (!leave_other_node()) {
      return stall(Stall::drain);
    }
    lane = pinned_ ? own_lane_ : lane;
  }
  use(*lane);
  if (const auto step = route_multi(what)) {
    return step;
  }
  if (pinned_) {
    return std::nullopt;
  }
  if (all && !worker_.denied(what.position, request.args)) {
    off_node_.clear();
    return ask_all(what, request.args, *all);
  }
  if (crosses && worker_.config().cluster.split && !worker_.denied(what.position, request.args)) {
    if (source_writes(worker_.hub()) != nullptr &&
        local_keys(what, request.args) != LocalKeys::none) {
      // The source is to have them together; Writes finds the nodes.
      off_node_.clear();
      return std::nullopt;
    }
    if (const auto step = split_request(what, request.args)) {
      return step;
    }
  }
  if (!off_node_.empty()) {
    worker_.count(stats::Counter::commands);
    return answer_error(std::exchange(off_node_, {}));
  }
  if (keyless && is_for_connection(name)) {
    worker_.count(stats::Counter::commands);
    answer("+OK\r\n");
    return Step::next;
  }
  return std::nullopt;
}

// MULTI names no key: it is answered at once, and sent where the next request belongs.
std::optional<Session::Step> Session::route_multi(const Classified& what) {
  if (pinned_) {
    return std::nullopt;
  }
  if (!multi_promised_) {
    if (!what.fits || what.command->name != "multi" ||
        worker_.denied(what.position, request_->args)) {
      return std::nullopt;
    }
    multi_promised_ = true;
    worker_.count(stats::Counter::commands);
    answer("+OK\r\n");
    return Step::next;
  }
  if (const Step step = pin(); step != Step::next || !pinned_) {
    closing_ = closing_ || step == Step::next;  // it believes that it is in a transaction
    return step;
  }
  multi_promised_ = false;
  if (Op* op = pinned_internal("multi", {"MULTI"})) {
    op->vital = true;
  }
  return std::nullopt;
}

// The session is tied to another node than the one the request belongs to. False: it is free once
// all is answered.
bool Session::leave_other_node() {
  if (!flow_->in_multi() && !flow_->has_state() && !redirect_.target) {
    if (!queue_.empty()) {
      return false;
    }
    if (flow_->clean()) {
      unpin();
      return true;
    }
  }
  off_node_ = "CROSSSLOT the keys are not on the node of this client's state";
  return true;
}

void Session::on_cluster_bytes(std::uint64_t id, std::string_view piece, bool last) {
  Op& op = queue_.at(id);
  const bool first = !op.started && op.gather.empty();
  if ((!op.extra || op.extra->error.empty()) && !(first && piece.starts_with('-'))) {
    arrive(op);
    on_op_piece(id, piece, last);
    return;
  }
  // An error is a short line, but may come in pieces.
  OpExtra& extra = op.more();
  extra.error.append(piece);
  if (!last) {
    return;
  }
  const std::string error = std::exchange(extra.error, {});
  if (op.vital) {
    doom();
  }
  if (error.starts_with("-CLUSTERDOWN")) {
    worker_.hub().on_redirect(std::nullopt);
  }
  if (const auto where = topology::read_redirect(error); where && redirected(id, *where)) {
    return;
  }
  arrive(queue_.at(id));
  on_op_piece(id, error, true);
}

// A server knows that the slot is elsewhere. False: the client is told what it says.
bool Session::redirected(std::uint64_t id, const topology::Redirect& where) {
  Op& op = queue_.at(id);
  worker_.count(stats::Counter::l2_redirects);
  if (where.kind == topology::Redirect::Kind::moved) {
    tell_redirect(where, op.lane->index);
  }
  OpExtra& extra = op.more();
  if (op.request.empty()) {
    // On the session's own connection: its state is here, and the slot is not.
    if (!pinned_) {
      return false;
    }
    on_op_piece(id, "-TRYAGAIN the keys are moving to another node, do it again\r\n", true);
    return true;
  }
  if (extra.redirects == kMostRedirects) {
    return false;
  }
  extra.redirects++;
  sent_elsewhere_ = true;
  if (op.lane->master != nullptr) {
    send_elsewhere(id, *op.lane->master, false);  // who knows better than its replica
  } else {
    follow(id, where, false);
  }
  return true;
}

// Who is named knows more, and who names it; it may be by a name that only the servers can resolve.
void Session::tell_redirect(const topology::Redirect& where, topology::NodeIndex from) {
  const topology::SlotMap& map = *worker_.slot_map();
  const topology::NodeIndex there = map.node_at(where, from);
  const topology::NodeIndex knows = there == topology::SlotMap::kNobody ? from : there;
  worker_.hub().on_redirect(knows < map.nodes.size() ? map.nodes[knows] : std::nullopt);
}

void Session::follow(std::uint64_t id, const topology::Redirect& where, bool waited) {
  if (!queue_.contains(id)) {
    return;
  }
  const topology::NodeIndex from = queue_.at(id).lane->index;
  Lane* const lane = worker_.lane_at(where, from);
  if (lane == nullptr && !waited) {
    tell_redirect(where, from);
    worker_.await_slot_map([self = ref(), id, where] { self->follow(id, where, true); });
    return;
  }
  if (lane == nullptr) {
    on_op_piece(id, "-TRYAGAIN the keys' new node is not known yet, do it again\r\n", true);
    return;
  }
  send_elsewhere(id, *lane, where.kind == topology::Redirect::Kind::ask);
}

void Session::send_elsewhere(std::uint64_t id, Lane& lane, bool asking) {
  const l2::LinkPtr link = lane.links.shared(with_login(spec_));
  if (!link) {
    on_op_lost(id, lane.links.why_not());
    return;
  }
  leave_node(id, lane);
  // What becomes of it is then known by that link.
  l2::LinkPtr& its = &lane == lane_ ? link_ : parked(lane);
  if (!its || its->state() == l2::Link::State::dead) {
    its = link;
  }
  const auto ask = [&](Asked as) {
    if (asking) {
      link->send("*1\r\n$6\r\nASKING\r\n", *this, tag_of(id, as));
    }
  };
  const auto ask_pttl = [&](Asked as) {
    ask(as);
    scratch_.clear();
    resp::append_request(scratch_, {"PTTL", queue_.at(id).extra->loading->keys[0]});
    link->send(scratch_, *this, tag_of(id, as));
  };
  const bool loading = is_loading(queue_.at(id));
  if (loading) {
    ask_pttl(Asked::before);
  }
  ask(Asked::before);
  link->send(queue_.at(id).request, *this, tag_of(id));
  if (loading && queue_.at(id).extra->loading->asks_behind) {
    ask_pttl(Asked::behind);
  }
}

// L1 keeps nothing of what comes now: the slot may not be that node's yet.
void Session::leave_node(std::uint64_t id, Lane& to) {
  Op& op = queue_.at(id);
  if (op.kind == OpKind::flight && !op.streaming && !has_left(op)) {
    op.streaming = !is_loading(op);  // else it has to be seen whole
    coherence::Fill fill;
    fill.cacheable = false;
    op.lane->cache.reply(op.hash, std::exchange(op.flight, kNoFlight), fill, now(), op.waiters);
    if (op.alone) {
      op.waiters.push_back(ticket(id));
    }
  } else if (op.fills_keys()) {
    give_up_multi(op);
  }
  op.effects.move(*op.lane, to);
  op.lane = &to;
}

// What the node it went to has in L1 may be older than the reply.
void Session::arrive(Op& op) {
  if (!op.extra || op.extra->redirects == 0 || std::exchange(op.extra->arrived, true)) {
    return;
  }
  if (op.kind == OpKind::flight) {
    op.lane->shown(op.hash);
    op.lane->cache.pass_read(op.hash);
  } else if (op.fills_keys()) {
    op.started = true;
    for (const MultiFill::Part& part : op.extra->multi.parts) {
      op.lane->shown(part.hash);
      op.lane->cache.pass_read(part.hash);
    }
  }
}

}  // namespace tiercache::proxy
