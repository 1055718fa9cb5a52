// Reads of one master's data that go to a replica: finds the replica, moves the reader (the
// Upstream of the event link and of the links that read) to it, and asks again and again whether it
// has what the master has shown (coherence/catch_up.hpp).
//
// A round: INFO replication of the master, on a connection to the server that the links reach now;
// the same of the replica, on the event link's control connection, until it has applied as much;
// then a PING of the event link. A round takes about three round trips; the next one begins kPoll
// after the one before. While the master does not answer, or the replica does not follow, nothing
// is known to have caught up, and reads go to the master once the lag limit is over. L1 has what
// the master answered too; when the connection to the master is lost, or the two are of different
// histories, nothing tells any more of what becomes of that, and L1 is emptied.
//
// Thread: the control thread, except snapshot(). Destroyed there too, or while nobody runs the
// io_context. What the parts refer to outlives it.
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/coherence/catch_up.hpp"
#include "tiercache/coherence/link_status.hpp"
#include "tiercache/l2/events.hpp"
#include "tiercache/l2/fences.hpp"
#include "tiercache/l2/upstream.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace tiercache::l2 {

struct ReplicaWatchConfig {
  UpstreamPtr master;
  UpstreamPtr reader;  // nowhere yet
  std::string user;
  std::string password;  // empty: no AUTH
  // Until the master's greeting is answered, and of each of its answers.
  Duration connect_timeout = std::chrono::seconds(1);
  Duration hold_limit = std::chrono::seconds(1);  // of a fence
  std::uint64_t seed = 0;
};

// For people.
struct ReplicaSnapshot {
  bool replica = false;         // false: it reads from the master, or from nobody yet
  std::uint64_t switches = 0;   // how often it has gone to another server
  std::string last_error = {};  // why the last round failed; empty if it did not
};

class ReplicaWatch {
 public:
  static constexpr Duration kPoll = std::chrono::milliseconds(20);

  virtual ~ReplicaWatch() = default;
  virtual void start() = 0;
  virtual void stop() = 0;
  // Any thread.
  virtual ReplicaSnapshot snapshot() const = 0;
};

std::unique_ptr<ReplicaWatch> make_replica_watch(boost::asio::io_context& io,
                                                 const ReplicaWatchConfig& config,
                                                 coherence::CatchUp& catch_up,
                                                 coherence::LinkStatus& status, Fences& fences,
                                                 Events& events);

}  // namespace tiercache::l2
