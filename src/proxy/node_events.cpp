#include "node_events.hpp"

#include "tiercache/resp/encoder.hpp"

#include <algorithm>
#include <deque>
#include <optional>

namespace tiercache::proxy {

using topology::NodeIndex;
using topology::SlotMap;

// A link to one master that carries subscriptions only.
class NodeEvents::Tap final : public l2::Consumer {
 public:
  Tap(NodeEvents& owner, NodeIndex node) : owner_(&owner), node_(node) {
  }

  void on_reply(std::uint64_t /*tag*/, std::string_view /*piece*/, bool /*last*/) override {
  }
  void on_lost(std::uint64_t /*tag*/, std::string_view /*why*/) override {
  }
  void on_frame(std::string_view piece, bool last, bool push) override {
    if (frame_.size() <= kLongest) {
      frame_.append(piece);
    }
    if (!last) {
      return;
    }
    const std::string frame = std::exchange(frame_, {});
    if (owner_ == nullptr || frame.size() > kLongest) {
      return;
    }
    const PubsubFrame found = push ? read_pubsub(frame) : PubsubFrame{};
    if (found.kind == PubsubFrame::Kind::message) {
      owner_->on_tap_message(*this, found, frame);
    } else if (!owed_.empty() && (!push || found.kind != PubsubFrame::Kind::other)) {
      // An error answers the whole request.
      if (!push || --owed_.front() == 0) {
        owed_.pop_front();
      }
      misses = silent = 0;
      owner_->on_tap_answer();
    }
  }
  void on_closed(std::string_view /*why*/) override {
    if (owner_ != nullptr) {
      lose();
      owner_->on_tap_answer();
    }
  }

  NodeIndex node() const noexcept {
    return node_;
  }
  bool up() const noexcept {
    return link && link->state() != l2::Link::State::dead;
  }
  bool waits() const noexcept {
    return !owed_.empty();
  }
  void send(std::string_view command, const std::vector<std::string_view>& names) {
    std::string bytes;
    resp::append_array_header(bytes, names.size() + 1);
    resp::append_bulk(bytes, command);
    for (const std::string_view name : names) {
      resp::append_bulk(bytes, name);
    }
    link->send_raw(bytes);
    owed_.push_back(names.size());
  }
  void lose() {
    constexpr unsigned kLongestPause = 8;
    end();
    rests = std::min(1U << std::min(misses, 3U), kLongestPause);
    misses++;
  }
  void end() {
    if (const l2::LinkPtr gone = std::exchange(link, nullptr)) {
      gone->close();
    }
    frame_.clear();
    owed_.clear();
    silent = 0;
  }
  void leave() noexcept {
    owner_ = nullptr;
  }

  l2::LinkPtr link;
  unsigned silent = 0;  // seconds for which it has owed an answer
  unsigned rests = 0;   // seconds until it is tried again
  unsigned misses = 0;  // since it last answered

 private:
  NodeEvents* owner_;
  const NodeIndex node_;
  std::string frame_;
  std::deque<std::size_t> owed_;  // confirmations, for each request
};

NodeEvents::NodeEvents(Worker& worker, Client client)
    : worker_(worker), client_(std::move(client)) {
}

NodeEvents::~NodeEvents() {
  for (const TapPtr& tap : taps_) {
    if (tap) {
      tap->leave();
    }
  }
}

void NodeEvents::close() {
  names_.clear();
  doubtful_.clear();
  for (TapPtr& tap : taps_) {
    if (const TapPtr gone = std::exchange(tap, nullptr)) {
      gone->leave();
      gone->end();
    }
  }
}

void NodeEvents::want(Subscription kind, command::Args names) {
  add(kind, {names.begin(), names.end()}, false);
}

bool NodeEvents::waits() const noexcept {
  return std::ranges::any_of(taps_, [](const TapPtr& tap) { return tap && tap->waits(); });
}

void NodeEvents::add(Subscription kind, const std::vector<std::string_view>& names, bool granted) {
  std::vector<std::string_view> added;
  for (const std::string_view name : names) {
    if (!may_bring_events(kind, name)) {
      continue;
    }
    const auto [at, is_new] = names_.try_emplace({kind, std::string(name)}, granted);
    at->second = at->second || granted;
    if (is_new) {
      added.push_back(name);
    }
  }
  if (added.empty()) {
    return;
  }
  for (const TapPtr& tap : taps_) {
    if (tap && tap->up()) {
      tap->send(kind == Subscription::pattern ? "PSUBSCRIBE" : "SUBSCRIBE", added);
    }
  }
  seat();
}

void NodeEvents::remove(Subscription kind, std::string_view name) {
  if (names_.erase({kind, std::string(name)}) == 0) {
    return;
  }
  if (names_.empty()) {
    close();
    return;
  }
  for (const TapPtr& tap : taps_) {
    if (tap && tap->up()) {
      tap->send(kind == Subscription::pattern ? "PUNSUBSCRIBE" : "UNSUBSCRIBE", {name});
    }
  }
}

void NodeEvents::drop_refused() {
  std::vector<Name> refused;
  for (const auto& [name, granted] : names_) {
    if (!granted) {
      refused.push_back(name);
    }
  }
  for (const Name& name : refused) {
    remove(name.first, name.second);
  }
}

// A tap for each other master.
void NodeEvents::seat() {
  const auto& seats = worker_.slot_map()->nodes;
  taps_.resize(std::max(taps_.size(), seats.size()));
  for (std::size_t i = 0; i < taps_.size(); i++) {
    TapPtr& tap = taps_[i];
    const bool needed = i < seats.size() && seats[i] && i != client_.own;
    if (!needed) {
      if (const TapPtr gone = std::exchange(tap, nullptr)) {
        gone->leave();
        gone->end();
      }
      continue;
    }
    if (!tap) {
      tap = new Tap(*this, static_cast<NodeIndex>(i));
    }
    if (!tap->link && tap->rests == 0) {
      connect(*tap);
    }
  }
}

void NodeEvents::connect(Tap& tap) {
  tap.link = worker_.lane(tap.node()).links.own(client_.spec, tap);
  if (!tap.link) {
    tap.lose();
    return;
  }
  tap.link->pause_reading(paused_);
  std::vector<std::string_view> channels;
  std::vector<std::string_view> patterns;
  for (const auto& [name, granted] : names_) {
    (name.first == Subscription::pattern ? patterns : channels).push_back(name.second);
  }
  if (!channels.empty()) {
    tap.send("SUBSCRIBE", channels);
  }
  if (!patterns.empty()) {
    tap.send("PSUBSCRIBE", patterns);
  }
}

std::string_view NodeEvents::own_frame(PinnedFlow::PubSubFrame kind, std::string_view piece,
                                       bool last) {
  using Kind = PinnedFlow::PubSubFrame;
  if (kind == Kind::message && names_.empty()) {
    return piece;
  }
  // What was held has been passed on by the last call.
  if (own_done_) {
    own_.clear();
    own_done_ = own_passes_ = false;
  }
  own_done_ = last;
  if (own_passes_) {
    return piece;
  }
  own_.append(piece);
  if (own_.size() > kLongest) {
    own_passes_ = true;
    return kind == Kind::message ? std::string_view(own_) : piece;
  }
  if (kind == Kind::confirmation) {
    if (last) {
      on_confirmation(own_);
    }
    return piece;
  }
  if (!last) {
    return {};
  }
  const PubsubFrame message = read_pubsub(own_);
  return judge(message, client_.own, own_) == Verdict::deliver ? std::string_view(own_)
                                                               : std::string_view();
}

void NodeEvents::on_confirmation(std::string_view frame) {
  const PubsubFrame found = read_pubsub(frame);
  if (found.kind == PubsubFrame::Kind::subscribed) {
    add(found.subscription, {found.name}, true);
  } else if (found.kind == PubsubFrame::Kind::unsubscribed) {
    remove(found.subscription, found.name);
  }
}

bool NodeEvents::up(NodeIndex node) const noexcept {
  return node < taps_.size() && taps_[node] && taps_[node]->up();
}

NodeEvents::Verdict NodeEvents::judge(const PubsubFrame& message, NodeIndex from,
                                      std::string_view frame) {
  const auto key = message.kind == PubsubFrame::Kind::message
                       ? key_of_event(message.channel, message.payload)
                       : std::nullopt;
  if (!key) {
    return from == client_.own ? Verdict::deliver : Verdict::drop;
  }
  const topology::Slot slot = topology::slot_of(*key);
  const NodeIndex owner = worker_.slot_map()->node_of[slot];
  if (owner == from) {
    return Verdict::deliver;
  }
  // Where the node cannot tell, what was published comes by the client's own.
  if (from == client_.own && !up(owner)) {
    return Verdict::deliver;
  }
  if (doubtful_.size() == kMostDoubtful) {
    return Verdict::drop;
  }
  doubtful_.push_back({from, slot, std::string(frame)});
  if (doubtful_.size() == 1) {
    worker_.hub().on_redirect(std::nullopt);
    worker_.await_slot_map([weak = std::weak_ptr(self_)] {
      if (const auto self = weak.lock()) {
        (*self)->decide();
      }
    });
  }
  return Verdict::doubt;
}

// By the map as it is now.
void NodeEvents::decide() {
  const std::vector<Doubtful> frames = std::exchange(doubtful_, {});
  for (const Doubtful& one : frames) {
    if (worker_.slot_map()->node_of[one.slot] == one.from) {
      client_.deliver(one.frame);
    }
  }
}

void NodeEvents::on_tap_message(const Tap& tap, const PubsubFrame& message,
                                std::string_view frame) {
  const auto name = names_.find({message.subscription, std::string(message.name)});
  if (name != names_.end() && name->second &&
      judge(message, tap.node(), frame) == Verdict::deliver) {
    client_.deliver(frame);
  }
}

void NodeEvents::on_tap_answer() {
  if (!waits()) {
    client_.wake();
  }
}

void NodeEvents::tick() {
  if (names_.empty()) {
    return;
  }
  for (const TapPtr& tap : taps_) {
    if (!tap) {
      continue;
    }
    tap->rests -= tap->rests > 0 ? 1 : 0;
    if (tap->waits() && ++tap->silent > kPatience) {
      tap->lose();
      on_tap_answer();
    }
  }
  seat();
}

void NodeEvents::pause_reading(bool paused) {
  paused_ = paused;
  for (const TapPtr& tap : taps_) {
    if (tap && tap->up()) {
      tap->link->pause_reading(paused);
    }
  }
}

}  // namespace tiercache::proxy
