// Session: over a Cluster, a client that subscribes to keyspace events gets those of all masters.
// The session's own connection is to one; what the others tell comes by NodeEvents, and goes
// between the frames of that connection. A SUBSCRIBE is sent on once the others have taken it up,
// so that from its reply on no event of any node is missed.
#include "node_events.hpp"
#include "session.hpp"

#include <utility>

namespace tiercache::proxy {

namespace {

// Taps are not read from while so much of them waits for the end of a frame.
constexpr std::size_t kMostHeld = std::size_t{64} << 10;

}  // namespace

NodeEvents& Session::node_events() {
  if (!node_events_) {
    l2::LinkSpec spec = with_login(spec_);
    spec.db = 0;
    spec.version = resp::Version::resp3;
    node_events_ = std::make_unique<NodeEvents>(
        worker_,
        NodeEvents::Client{own_lane_->index, std::move(spec),
                           [this](std::string_view frame) { on_node_event(frame); },
                           [this] {
                             if (stall_ == Stall::asked && std::exchange(nodes_asked_, false)) {
                               stall_ = Stall::none;
                               worker_.touch(*this);
                             }
                           }});
    node_events_->pause_reading(paused_);
  }
  return *node_events_;
}

void Session::leave_nodes() {
  if (node_events_) {
    node_events_->close();
    node_events_.reset();
  }
  std::string().swap(held_events_);
  nodes_asked_ = false;
}

// Whoever has logged in on the connection itself cannot be told to other nodes: only its node's
// events come.
bool Session::awaits_nodes(const Classified& what, Args args) {
  const bool patterns = what.fits && what.command->name == "psubscribe";
  if ((!patterns && !(what.fits && what.command->name == "subscribe")) || flow_->in_multi() ||
      !flow_->logged_in_as().empty()) {
    return false;
  }
  const Subscription kind = patterns ? Subscription::pattern : Subscription::channel;
  if (!node_events_ && std::ranges::none_of(args.subspan(1), [&](std::string_view name) {
        return may_bring_events(kind, name);
      })) {
    return false;
  }
  node_events().want(kind, args.subspan(1));
  nodes_asked_ = node_events_->waits();
  return nodes_asked_;
}

std::string_view Session::pubsub_frame(std::string_view piece, bool last) {
  if (!node_events_) {
    if (frame_.pubsub == PinnedFlow::PubSubFrame::message || !flow_->logged_in_as().empty()) {
      return piece;
    }
  }
  return node_events().own_frame(frame_.pubsub, piece, last);
}

void Session::end_frame() {
  if (!held_events_.empty()) {
    deliver_out_of_band(std::exchange(held_events_, {}));
    node_events_->pause_reading(paused_);
  }
  if (!flow_->subscribing() && !nodes_asked_) {
    node_events_->drop_refused();
  }
}

void Session::on_node_event(std::string_view frame) {
  const Self keep = ref();
  std::string bytes(frame);
  bytes[0] = flow_->version() == resp::Version::resp3 ? '>' : '*';
  if (!frame_begun_) {
    deliver_out_of_band(bytes);
    return;
  }
  held_events_ += bytes;
  if (held_events_.size() > kMostHeld) {
    node_events_->pause_reading(true);
  }
}

}  // namespace tiercache::proxy
