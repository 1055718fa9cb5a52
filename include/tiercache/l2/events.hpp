// The event link: what Redis tells us about changed keys, applied to L1 in the order in which it
// happened, and the proof that nothing was missed. coherence::EventLink decides; this connects,
// subscribes, sends the PINGs and the canaries, and comes back after a loss.
//
// Two connections, both on the control thread's io_context: the event connection, which carries
// the stream and the PINGs, and the control connection, for commands whose replies are read. Where
// nothing can be subscribed (Transport::ttl) there is only the latter.
// Cost: an event is parsed in place, hashed, and takes one shard's mutex; no allocation. Tracking
// does not name the db of a key, so there it costs that once for each db in use.
//
// Thread: the control thread, except where a member says "any thread". Destroyed there too, or
// while nobody runs the io_context. The cache and the fences outlive it.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/coherence/cache.hpp"
#include "tiercache/coherence/event_link.hpp"
#include "tiercache/command/table.hpp"
#include "tiercache/l2/fences.hpp"
#include "tiercache/l2/reply.hpp"
#include "tiercache/l2/upstream.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace tiercache::l2 {

// How changes of keys come to be known.
enum class Transport : std::uint8_t {
  keyspace,  // keyspace events: one message for each change, with its db
  tracking,  // BCAST tracking: the names of changed keys, once for each turn of Redis's loop
  ttl,       // nothing tells: entries live for max_staleness at most
};

const char* name(Transport transport) noexcept;

struct EventsConfig {
  UpstreamPtr upstream;
  // Tried in this order at each connection; the first that works is used. Not empty.
  std::vector<Transport> transports = {Transport::keyspace};
  // Something is kept of what Redis has; else nobody need be warned that its changes stay unheard.
  bool keeps = true;
  // Transport::tracking only asks about keys that begin so; empty: about all. None may begin with
  // another. Whoever sets this must not put other keys into L1.
  std::vector<std::string> tracking_prefixes;
  // What this user must be allowed to do is listed in docs/operations.md.
  std::string user;
  std::string password;
  // Until the last subscription is confirmed, each connection by itself.
  Duration connect_timeout = std::chrono::seconds(1);
  Duration backoff_min = std::chrono::milliseconds(50);
  Duration backoff_max = std::chrono::seconds(5);
  coherence::EventLinkConfig link;
  // Switch notify-keyspace-events on where it is off. Flags are only added.
  bool manage_notifications = true;
  // The canary of a db is the key "<canary_prefix>:canary:<proxy_id>" in it.
  std::string canary_prefix = "tiercache";
  // Differs between all proxies of one Redis.
  std::string proxy_id;
};

// What may change while it runs; the same as in coherence::EventLinkConfig.
struct EventIntervals {
  Duration heartbeat;
  Duration max_staleness;
  Duration canary_interval;
};

// Called on the control thread.
struct EventsListeners {
  // At each connection, before anything is served.
  std::function<void(const std::string& version, const std::string& run_id)> on_server_known;
  std::function<void(std::vector<command::LearntCommand> commands)> on_commands;
  // Each change that is heard, in the order of Redis, and in which db where Redis says that. Not
  // those of any proxy's canary.
  std::function<void(std::string_view key, std::optional<std::uint32_t> db)> on_change{};
  // Any key may have changed: a flush, a SWAPDB, a rollback, or the beginning of a connection or of
  // the use of a db, before which nothing was heard. With Transport::ttl neither is called.
  std::function<void()> on_any_change{};
};

struct EventsSnapshot {
  coherence::LinkState state = coherence::LinkState::down;
  std::optional<Transport> transport;  // the one in use
  std::string stepped_down;            // why no better one is; empty if it is the best
  std::uint64_t connects = 0;          // how often it has become live
  std::uint64_t losses = 0;            // how often it was lost after that
  std::uint64_t events = 0;
  std::string last_error;  // of the last loss or failed attempt; stays
  std::string version;
  std::string run_id;
  std::string role;
  bool canary = false;  // this connection writes canaries
};

class Events {
 public:
  using Random = std::function<std::uint64_t()>;
  // An error: the connection was lost, or there is none. An error reply of Redis is a Reply.
  using Answer = std::function<void(Result<Reply>)>;

  virtual ~Events() = default;
  virtual void start() = 0;
  // Ends both connections for good; L1 serves nothing any more.
  virtual void stop() = 0;
  // The control thread: the upstream moves or has moved. Lets go of the connection, which empties
  // L1, and connects at once if there is a server to connect to.
  virtual void relocate(const std::string& why) = 0;
  // The control thread: from here on these. A PONG that is awaited keeps to the old ones.
  virtual void set_intervals(const EventIntervals& intervals) = 0;
  // Any thread: this db is in use. db 0 always is. Call before the first read that fills L1 is sent
  // there, since from its return on changes in the db are heard in every transport. Of tracking: a
  // db beyond the first 64 makes every change of any key empty L1, for good.
  virtual void use_db(std::uint32_t db) = 0;
  // Any thread.
  virtual EventsSnapshot snapshot() const = 0;
  // A command in `db` on the control connection, for others of the control plane. `answer` is
  // called later, once. Nothing that blocks or changes the connection's state.
  virtual void query(std::uint32_t db, const std::vector<std::string_view>& args,
                     Answer answer) = 0;
};

std::unique_ptr<Events> make_events(boost::asio::io_context& io, coherence::Cache& cache,
                                    Fences& fences, const EventsConfig& config,
                                    EventsListeners listeners, Events::Random random);

}  // namespace tiercache::l2
