// Over a Cluster: the keyspace events of the masters that a subscriber is not connected to. Redis
// spreads what clients publish over all nodes, but tells of a key's changes only on the key's own.
// So what the client subscribes to and may bring events is subscribed to on a link to each other
// master too (a tap), and of what comes there only events are handed out.
//
// Each once: a message on an event's channel counts where the key's slot is, whoever published it.
// One from elsewhere is put aside until there is another map, which may say that the slot has
// moved, and dropped if there is none.
//
// Owned by a session, used on its thread. Limits: one tap for each other master; the subscriptions
// of the client; kLongest for one frame on a tap, longer ones are dropped; kMostDoubtful frames put
// aside, further ones are dropped; a tap that is lost, or does not answer for kPatience, or for
// which there are too many connections, is tried again after 1, 2, 4 and then each 8 seconds, and
// what happened meanwhile is not told.
#pragma once

#include "keyspace_events.hpp"
#include "pinned_flow.hpp"

#include "tiercache/command/command.hpp"
#include "tiercache/l2/link.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/topology/slot_map.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::proxy {

class NodeEvents {
 public:
  static constexpr std::size_t kLongest = std::size_t{1} << 20;
  static constexpr std::size_t kMostDoubtful = 1024;
  static constexpr unsigned kPatience = 2;  // seconds

  struct Client {
    topology::NodeIndex own = 0;  // the node of its own connection
    l2::LinkSpec spec;            // of the taps
    // A frame as a node has sent it.
    std::function<void(std::string_view frame)> deliver;
    // waits() is false now.
    std::function<void()> wake;
  };

  NodeEvents(Worker& worker, Client client);
  ~NodeEvents();
  NodeEvents(const NodeEvents&) = delete;
  NodeEvents& operator=(const NodeEvents&) = delete;

  // The client is about to subscribe to these.
  void want(Subscription kind, command::Args names);
  // Not all nodes have taken up what is wanted, and may yet.
  bool waits() const noexcept;
  // What was wanted and the client's own node has not granted is let go.
  void drop_refused();
  // A piece of a pub/sub frame on the client's own connection. Returns what is to be passed on now,
  // valid until the next call.
  std::string_view own_frame(PinnedFlow::PubSubFrame kind, std::string_view piece, bool last);
  // Once a second.
  void tick();
  void pause_reading(bool paused);
  // Ends the taps. Without it they are left to whoever ends all links.
  void close();

 private:
  class Tap;
  using TapPtr = boost::intrusive_ptr<Tap>;
  using Name = std::pair<Subscription, std::string>;
  enum class Verdict : std::uint8_t { deliver, drop, doubt };
  struct Doubtful {
    topology::NodeIndex from = 0;
    topology::Slot slot = 0;
    std::string frame;
  };

  void seat();
  void connect(Tap& tap);
  void add(Subscription kind, const std::vector<std::string_view>& names, bool granted);
  void remove(Subscription kind, std::string_view name);
  void on_confirmation(std::string_view frame);
  Verdict judge(const PubsubFrame& message, topology::NodeIndex from, std::string_view frame);
  bool up(topology::NodeIndex node) const noexcept;
  void decide();
  // Of taps.
  void on_tap_message(const Tap& tap, const PubsubFrame& message, std::string_view frame);
  void on_tap_answer();

  Worker& worker_;
  const Client client_;
  std::map<Name, bool> names_;  // true: granted
  std::vector<TapPtr> taps_;    // by node; null: none
  bool paused_ = false;
  std::string own_;          // the frame on the client's connection, held
  bool own_passes_ = false;  // it is too long to be held
  bool own_done_ = false;    // it has ended
  std::vector<Doubtful> doubtful_;
  const std::shared_ptr<NodeEvents*> self_ = std::make_shared<NodeEvents*>(this);
};

}  // namespace tiercache::proxy
