// One I/O thread's part of the proxy: its clients, and what they share. The server room makes one
// Worker a thread, with the l2 rooms of that thread, and a Hub for all of them.
//
// A Worker is used on its thread only, except for the methods that say otherwise. It lives from
// before its io_context runs until after that has stopped.
#pragma once

#include "tiercache/base/mutex.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/coherence/cache.hpp"
#include "tiercache/coherence/catch_up.hpp"
#include "tiercache/command/table.hpp"
#include "tiercache/config/config.hpp"
#include "tiercache/io/poller.hpp"
#include "tiercache/l2/events.hpp"
#include "tiercache/l2/fences.hpp"
#include "tiercache/l2/link.hpp"
#include "tiercache/l2/replica_watch.hpp"
#include "tiercache/l2/upstream.hpp"
#include "tiercache/proxy/bypass.hpp"
#include "tiercache/proxy/client_facts.hpp"
#include "tiercache/proxy/extensions.hpp"
#include "tiercache/proxy/identities.hpp"
#include "tiercache/proxy/slow_log.hpp"
#include "tiercache/proxy/socket.hpp"
#include "tiercache/proxy/spaces.hpp"
#include "tiercache/stats/counters.hpp"
#include "tiercache/stats/latency.hpp"
#include "tiercache/topology/slot_map.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive_ptr.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

namespace tiercache::proxy {

class Invalidations;
class Loads;
class RetryBudget;
class Session;
class Stamps;
class Worker;

// One server's part of the data, and what all threads share of it. Of a Cluster there are several,
// each with an L1 of its own.
struct Node {
  l2::UpstreamPtr upstream;
  coherence::Cache& cache;
  l2::Fences& fences;
  l2::Events& events;
  // Where reads go to a replica, and the event link with them; null: they do not.
  struct Reader {
    const l2::Upstream& upstream;
    const coherence::CatchUp& catch_up;
    const l2::ReplicaWatch& watch;
  };
  const Reader* reader = nullptr;
};

// One thread's way to a node; where reads go to a replica there is another lane for these, to the
// same L1.
struct Lane {
  topology::NodeIndex index;
  l2::Links& links;
  l2::FenceGate& fences;
  coherence::Cache& cache;
  // Of a master that has a reader.
  Lane* reader = nullptr;
  coherence::CatchUp* catch_up = nullptr;
  // Of a reader.
  Lane* master = nullptr;

  // Whom a reply that L1 is to keep comes from, as the shard has to see it: `link_source` is the
  // process that the link reaches.
  void set_source(coherence::Fill& fill, std::uint64_t link_source) const noexcept {
    fill.source = link_source;
    if (catch_up != nullptr) [[unlikely]] {
      fill.sole = true;
      fill.source = link_source == catch_up->master_source() ? cache.status().view().source : 0;
    }
  }
  // Before what it answers is passed on.
  void shown(KeyHash hash) const noexcept {
    if (catch_up != nullptr) [[unlikely]] {
      catch_up->shown(hash);
    }
  }
  void shown_all() const noexcept {
    if (catch_up != nullptr) [[unlikely]] {
      catch_up->shown_all();
    }
  }
};

// What all workers share. Owned by the server room; outlives them.
struct Hub {
  std::vector<Worker*> workers;  // constant once the first client is accepted; at most 256
  std::atomic<std::uint32_t> clients{0};
  std::atomic<std::uint32_t> paused{0};  // of these, held by CLIENT PAUSE
  std::atomic<std::uint64_t> last_client_id{0};
  std::atomic<std::uint64_t> next_slow_id{0};
  // A client has moved to this db, which works. Constant likewise; called on any worker's thread.
  std::function<void(std::uint32_t)> on_db_used;
  Identities identities;
  // A client has logged in. Constant likewise; called on any worker's thread.
  std::function<void()> on_login;
  // L1 keeps only keys that begin with one of these, since Redis tells of no others; empty: all.
  // Constant likewise.
  std::vector<std::string> kept_prefixes;
  // The keys that live in the proxy alone; null: no namespace does. Constant likewise.
  std::shared_ptr<local::Keyspace> keyspace;
  // Null: no namespace has a source. Constant likewise, and goes before the workers.
  std::shared_ptr<Loads> loads;
  // What is answered and not carried out yet (proxy/invalidations.hpp); null: nothing ever is.
  // Constant likewise. The newest that is pending, 0: none, is for every request to look at.
  std::shared_ptr<Invalidations> invalidations;
  std::atomic<std::uint64_t> newest_invalidation{0};

  // A Cluster's server has sent a client's request elsewhere, or one does not serve. Constant
  // likewise; called on any worker's thread. `where`: who may know more.
  std::function<void(const std::optional<config::Endpoint>& where)> on_redirect;

  // Any thread: the nodes, by their index; they stay. One, unless it is a Cluster.
  void add_node(const Node& node);
  std::vector<Node> nodes() const;
  // Any thread: of a Cluster, for those who look once; null: there is none.
  void set_slot_map(topology::SlotMapPtr map);
  topology::SlotMapPtr slot_map() const;
  // REQUIRES: there is a node.
  Node node_of(std::string_view key) const;

  // As Redis's: never used again, and in the order of connecting.
  std::uint64_t new_client_id() noexcept {
    return last_client_id.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  bool keeps(std::string_view key) const noexcept {
    return kept_prefixes.empty() ||
           std::any_of(kept_prefixes.begin(), kept_prefixes.end(),
                       [&](const std::string& prefix) { return key.starts_with(prefix); });
  }
  // The server's redis_version, for HELLO. Any thread.
  void set_redis_version(std::string version);
  std::string redis_version() const;

 private:
  mutable Mutex mutex_;
  std::string redis_version_ TC_GUARDED_BY(mutex_) = "7.0.0";
  std::vector<Node> nodes_ TC_GUARDED_BY(mutex_);
  topology::SlotMapPtr slot_map_ TC_GUARDED_BY(mutex_);
};

struct WorkerParts {
  boost::asio::io_context& io;
  Hub& hub;
  l2::Links& links;
  l2::FenceGate& fences;
  coherence::Cache& cache;
  Extensions& extensions;
  stats::Counters& counters;  // of this thread
  std::shared_ptr<const config::Config> config;
  std::shared_ptr<const command::Table> table;
  std::uint32_t index = 0;  // in Hub::workers
};

class Worker final : private io::AtTurnEnd {
 public:
  explicit Worker(WorkerParts parts);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // A connected client. Answers an error and closes it beyond max_clients.
  void adopt(Socket socket, std::uint64_t client_id);

  // Any thread: runs `work` on this worker's thread, later.
  void post(std::function<void()> work);
  // Any thread.
  void set_config(std::shared_ptr<const config::Config> config);
  void set_table(std::shared_ptr<const command::Table> table);
  // Any thread: another node, with the next index. `make` runs on this worker's thread.
  using MakeLinks = std::function<std::unique_ptr<l2::Links>(Worker& worker)>;
  using MakeGate = std::function<std::unique_ptr<l2::FenceGate>(Worker& worker)>;
  void add_lane(MakeLinks make_links, MakeGate make_gate, coherence::Cache& cache);
  // Any thread, before the first client: reads of that node go to a replica. The node has been
  // added before.
  void add_reader(topology::NodeIndex index, MakeLinks make_links, coherence::CatchUp& catch_up);
  // Any thread: connects what everybody will use, as this user.
  void connect(topology::NodeIndex index, std::uint64_t user);
  // Any thread: from here on the session asks the map where a key is. Each node that it names has
  // been added before.
  void set_slot_map(topology::SlotMapPtr map);
  // Any thread: stop reading requests, answer what is in flight, close. A client that waits in a
  // blocking command or for messages is closed at once.
  void begin_drain();
  // Any thread: closes every client at once.
  void close_all();
  // Any thread. Sessions, those without a client that still wait for a reply included.
  std::size_t sessions() const noexcept {
    return session_count_.load(std::memory_order_relaxed);
  }

  // Closes the clients that have logged in as this user.
  void close_user(std::uint64_t user);

  void each_client(const std::function<void(const ClientFacts&)>& each) const;
  // Sessions without a client included. They may be closed meanwhile.
  void each_session(const std::function<void(Session&)>& each) const;

  SlowLog& slow_log() noexcept {
    return slow_log_;
  }
  const SlowLog& slow_log() const noexcept {
    return slow_log_;
  }
  stats::Latencies& latencies() noexcept {
    return latencies_;
  }
  // Any thread.
  const stats::Latencies& latencies() const noexcept {
    return latencies_;
  }
  // Whoever waits so long is kept in the slow log.
  bool slow(Duration took) const noexcept {
    return took >= slower_than_;
  }

  // CLIENT PAUSE: the stricter and the longer of what is asked for and what is in force. It ends by
  // itself.
  void pause(PauseMode mode, Time until);
  void end_pause();
  PauseMode pause_mode() const noexcept {
    return pause_mode_;
  }

  // The rest is for sessions.
  boost::asio::io_context& io() noexcept {
    return parts_.io;
  }
  Hub& hub() noexcept {
    return parts_.hub;
  }
  // Of the first node.
  l2::Links& links() noexcept {
    return parts_.links;
  }
  coherence::Cache& cache() noexcept {
    return parts_.cache;
  }
  // To the first node, where what has no key goes.
  Lane& home() noexcept {
    return home_;
  }
  // REQUIRES: the map names it.
  Lane& lane(topology::NodeIndex index) noexcept {
    return index == 0 ? home_ : lanes_[index - 1U]->lane;
  }
  // The lane by which that node's L1 is filled.
  Lane& filling_lane(topology::NodeIndex index) noexcept {
    Lane& its = lane(index);
    return its.reader == nullptr ? its : *its.reader;
  }
  // Where a server of node `from` has sent a request; null: nobody knows of a node there.
  Lane* lane_at(const topology::Redirect& redirect, topology::NodeIndex from) noexcept;
  bool clustered() const noexcept {
    return slot_map_ != nullptr;
  }
  bool reads_replicas() const noexcept {
    return !readers_.empty();
  }
  const topology::SlotMapPtr& slot_map() const noexcept {
    return slot_map_;
  }
  // `again` runs once there is another map, or two seconds later.
  void await_slot_map(std::function<void()> again);
  // Reads whose link is lost are sent again.
  bool retries() const noexcept {
    return config().upstream.retry_percent > 0;
  }
  // One more may be; it is counted.
  bool may_retry() noexcept;
  // The session pumps again soon: there may be a link then.
  void await_link(Session& session);
  // The session pumps when its hold_until() has come, if that still stands then.
  void hold(Session& session);
  Extensions& extensions() noexcept {
    return parts_.extensions;
  }
  const config::Config& config() const noexcept {
    return *parts_.config;
  }
  const command::Table& table() const noexcept {
    return *parts_.table;
  }
  std::uint32_t index() const noexcept {
    return parts_.index;
  }
  void count(stats::Counter counter, std::uint64_t n = 1) noexcept {
    parts_.counters.add(counter, n);
  }
  bool draining() const noexcept {
    return draining_;
  }
  // commands.deny: Redis would not know it. `position` in the table, or one beyond it.
  bool denied(std::uint16_t position, command::Args args) const {
    return !denied_names_.empty() && in_denied(position, args);
  }
  // Whether anything is kept of what Redis answers, so that it matters what changes there.
  bool keeps(const Lane& lane) const noexcept {
    return config().l1.enabled || parts_.hub.loads != nullptr || lane.catch_up != nullptr;
  }
  // Whether reads that L1 cannot answer are not to fill it now (bypass.hpp).
  bool past_l1(Time at) {
    const stats::Counters& counted = parts_.counters;
    if (bypass_.due(counted.get(stats::Counter::l1_hits), counted.get(stats::Counter::l1_misses),
                    at)) {
      end_window(at);
    }
    return bypass_.past() && config().l1.bypass;
  }
  // The same of a command that is denied: what Redis would say, without "-".
  std::string denial(const command::Command* command, command::Args args) const;
  Spaces& spaces() noexcept {
    return spaces_;
  }
  const Spaces& spaces() const noexcept {
    return spaces_;
  }
  Stamps& stamps() noexcept {
    return *stamps_;
  }
  // The session pumps at the end of this turn, when all that is ready has been read.
  void touch(Session& session);
  // Around the replies that one read of a link brings.
  void begin_input() noexcept {
    in_input_ = true;
    input_at_ = std::chrono::steady_clock::now();
  }
  void end_input() noexcept {
    in_input_ = false;
  }
  // When what is being looked at had been read: one look at the clock for all replies of a read.
  Time heard_at() const noexcept {
    return in_input_ ? input_at_ : std::chrono::steady_clock::now();
  }
  // Null if it is gone.
  Session* find(std::uint32_t session) const;
  void remove(Session& session);
  // A spec whose link has greeted once needs no trial before a client is told that it is in it.
  // Whoever acts on it.
  bool known_spec(const l2::LinkSpec& spec) const {
    return known_specs_.contains({spec.db, spec.version});
  }
  void learn_spec(const l2::LinkSpec& spec);

 private:
  using SessionPtr = boost::intrusive_ptr<Session>;

  void read_config();
  bool in_denied(std::uint16_t position, command::Args args) const;
  void on_turn_end() override;
  void end_window(Time at);
  void tick();
  void arm_tick();
  std::vector<SessionPtr> all() const;

  struct OwnLane {
    std::unique_ptr<l2::Links> links;
    std::unique_ptr<l2::FenceGate> fences;  // a reader's are its master's
    Lane lane;
  };
  struct AwaitsMap {
    unsigned ticks = 0;
    std::function<void()> again;
  };
  void end_waits_for_map(unsigned ticks);
  void time_holds(Time at);
  void end_holds(Time now);

  WorkerParts parts_;
  io::Poller& poller_;
  Lane home_;
  std::vector<std::unique_ptr<OwnLane>> lanes_;  // from index 1
  std::vector<std::unique_ptr<OwnLane>> readers_;
  topology::SlotMapPtr slot_map_;
  std::vector<AwaitsMap> await_map_;
  std::vector<boost::intrusive_ptr<Session>> await_link_;
  boost::asio::steady_timer link_timer_;
  const std::unique_ptr<RetryBudget> retry_budget_;
  boost::unordered_flat_map<std::uint32_t, SessionPtr> sessions_;
  std::atomic<std::size_t> session_count_{0};
  std::uint32_t next_session_ = 1;
  std::vector<SessionPtr> touched_;
  bool in_input_ = false;
  Time input_at_{};
  bool draining_ = false;
  std::set<l2::LinkSpec> known_specs_;
  PauseMode pause_mode_ = PauseMode::none;
  Time pause_until_{};
  boost::asio::steady_timer pause_timer_;
  boost::asio::steady_timer timer_;
  const std::unique_ptr<Stamps> stamps_;
  SlowLog slow_log_;
  stats::Latencies latencies_;
  Duration slower_than_ = Duration::max();
  Bypass bypass_;
  Spaces spaces_;
  // commands.deny, lower case: by position in the table, and names that it does not have.
  std::vector<bool> denied_commands_;
  std::unordered_set<std::string> denied_names_;
  // Whose answers may wait for those of other nodes.
  std::vector<SessionPtr> holding_;
  boost::asio::steady_timer hold_timer_;
  bool hold_timed_ = false;
  Time next_hold_ = kNever;  // when the first of them ends, or before
};

}  // namespace tiercache::proxy
