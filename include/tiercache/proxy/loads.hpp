// Values that Redis does not have, loaded from sources (namespaces of tiers l1+l2+l3): whoever was
// told so by Redis waits here, one load a key is under way, its value goes into Redis and to all
// who wait. L1 is filled by the ordinary read that finds the value in Redis.
//
// What must not happen is that an older value stays in Redis after it was invalidated. So
//   * before the source is asked, a fence: what Redis did to the key earlier has been heard by
//   then;
//   * a change of the key that is seen after that (an event, a client's write) ends the load for
//     everybody who comes later, and its value is not stored;
//   * it is stored with SET NX (a hash by a script that looks whether the key is missing), and
//   until Redis has answered, clients' writes of the key wait. So
//     none of them can be between the check and the SET.
// What is not seen cannot be told: a DEL of a missing key that does not pass through this proxy.
//
// What Redis has but is stale (freshness.hpp) is loaded anew the same way. The key is there then,
// so the value is stored, or the key removed if the source has it no longer, by a script that first
// looks whether the key is what it was before the source was asked: its expiry to the millisecond,
// its length and its first 64 KiB, of a hash all fields. Whoever else has written it, or made it
// stale, has changed that. Of a load that fails nothing changes, and no other is begun in the
// background for kLinger.
//
// Over a Cluster the node that was asked is the one whose changes are watched, and where the value
// is stored: it takes it only as long as the slot is its own, so where that has gone nothing is
// kept, and the next read loads. A new slot map ends the loads under way as a change of any key
// does, and a client's write is told by the key, whichever node it goes to at last.
//
// With namespace.lease one proxy of all that share a Redis loads a key: it holds a key of its own
// there while it does, the others look until the value is in Redis or the lease free. It ends by
// itself twice the source's time-out later, and nobody waits longer for it.
//
// Absence is remembered here for the namespace's negative_ttl_ms, as long as no change is seen; not
// in L1, which would not hear of a script that deletes a missing key that it does not name.
//
// Thread-safe; one for the process. Costs a mutex for each read that Redis answers with nil, and
// one look at an atomic for each write. Limits: those of the sources; kAbsent bytes of absent keys,
// then the least recently used go; kEnded bytes of values remembered after their loads' ends, then
// the oldest go.
#pragma once

#include "tiercache/base/hash.hpp"
#include "tiercache/base/mutex.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/coherence/cache.hpp"
#include "tiercache/config/config.hpp"
#include "tiercache/config/key_pattern.hpp"
#include "tiercache/l1/store.hpp"
#include "tiercache/l2/link.hpp"
#include "tiercache/l3/source.hpp"
#include "tiercache/l3/warmth.hpp"
#include "tiercache/namespaces/set.hpp"
#include "tiercache/proxy/freshness.hpp"
#include "tiercache/topology/slot_map.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

namespace tiercache::proxy {

// Before a key: the name of its lease.
inline constexpr std::string_view kLeasePrefix = "tiercache:lease:";

struct Hub;
struct Lane;
class Worker;
class Writes;

enum class LoadCounter : std::uint8_t {
  loads,           // begun: the source is asked
  joined,          // reads that waited for a load of another
  absent,          // the source has no such key
  failed,          // answered with an error, or nil if so configured
  unfit,           // keys that the namespace's key pattern does not fit
  stored,          // put into Redis
  not_stored,      // the key changed meanwhile, or Redis did not take it
  anew,            // of the loads, those of what Redis has
  stale,           // reads answered with what is stale, and is being loaded anew
  stale_on_error,  // reads answered with what is stale, since loading it anew has failed
  found,           // another proxy's load was waited for
  left,            // of those anew, the ones that another proxy has under way
};
inline constexpr std::size_t kLoadCounters = static_cast<std::size_t>(LoadCounter::left) + 1;

// What a load has brought.
struct LoadAnswer {
  l3::Loaded::Kind kind = l3::Loaded::Kind::absent;
  // The value or the error as a reply, a hash as that to HGETALL in RESP2; null: absent.
  std::shared_ptr<const std::string> bytes;
  bool failed = false;  // whatever it says
};

class Loads : public std::enable_shared_from_this<Loads> {
 public:
  static constexpr std::size_t kAbsent = std::size_t{8} << 20U;
  static constexpr std::size_t kEnded = std::size_t{16} << 20U;
  // How long after its end a load still answers reads that were sent before it.
  static constexpr auto kLinger = std::chrono::seconds(1);

  // How a source is made; tests have their own.
  using MakeSource =
      std::function<std::unique_ptr<l3::Source>(l3::SourceConfig, std::vector<l3::Query>)>;

  Loads(const config::Config& config, Hub& hub, const MakeSource& make = &l3::make_source);
  ~Loads();

  // A read that Redis has answered with nil, or with what is stale.
  struct Wanted {
    const Lane* lane = nullptr;  // where Redis was asked
    std::uint32_t db = 0;
    std::string key;
    KeyHash hash = 0;
    namespaces::Index space = 0;
    Time asked;          // before it was sent to Redis
    bool stale = false;  // Redis has it
    bool kept = true;    // what is loaded is stored there
    // `take` is called when it is known whether Redis has it, instead of as soon as it is loaded.
    bool till_stored = false;
  };
  using Take = std::function<void(const LoadAnswer&)>;
  // Whether the source is asked for such a key. What does not fit is Redis's alone.
  bool fits(namespaces::Index space, std::string_view key) const {
    return spaces_[space]->pattern && spaces_[space]->pattern->match(key);
  }
  // What a row of such a key's source becomes in Redis.
  config::LoadResult result(namespaces::Index space) const noexcept {
    return spaces_[space]->result;
  }
  // The error that a read of a string gets of such a key, where the namespace holds hashes.
  std::string misfit(namespaces::Index space) const;
  // So many loads may wait for the source of a namespace that has one.
  std::size_t queue(namespaces::Index space) const noexcept {
    return spaces_[space]->queue;
  }
  // Whether it is known that the source has no such key.
  bool is_absent(const Wanted& wanted, Time now);
  // For so many reads. `take` is called once, from within or later, on any thread; it must not call
  // back. On that worker's thread.
  void want(Worker& worker, Wanted wanted, std::size_t reads, Take take);

  // What Redis's answer to PTTL says of a key that it has. Begins to load it anew, with nobody
  // waiting, where that is due and not under way. Age::old only if the read `may_wait`. On that
  // worker's thread.
  Aged heard(Worker& worker, const Wanted& wanted, std::int64_t pttl_ms, bool may_wait);
  void count(namespaces::Index space, LoadCounter what, std::uint64_t n = 1) noexcept;

  // Whether any load is under way, so that writes have to be announced.
  bool active() const noexcept {
    return active_.load(std::memory_order_seq_cst) > 0;
  }
  // A client's write is about to be sent that may change any key, or slots have moved. Told before
  // must_wait(), and before anybody goes by the new map.
  void on_wide_write() noexcept {
    wide_.fetch_add(1, std::memory_order_seq_cst);
  }
  // A client's write is about to be sent, and Cache has been told. True: it must wait until `go` is
  // called, on any thread, and then be announced again. `wide`: it may change any key.
  bool must_wait(std::span<const KeyHash> writes, bool wide, const std::function<void()>& go);

  // A write of these keys goes to a source and then to Redis (writes.hpp): until it has ended, who
  // asks must_wait() for one of them waits.
  void begin_write(std::span<const KeyHash> keys);
  void end_write(std::span<const KeyHash> keys);
  // For such a write, whose keys have been announced: as must_wait(), for stores only.
  bool is_storing(std::span<const KeyHash> keys, const std::function<void()>& go);
  // Whether it may have stored a value since then, of this key or one of a like hash.
  bool stored_since(KeyHash hash, Time then) const;
  // Null: no namespace writes to a source.
  Writes* writes() const noexcept {
    return writes_.get();
  }
  // Before the first client.
  void set_writes(std::shared_ptr<Writes> writes) noexcept {
    writes_ = std::move(writes);
  }

  // "loads=1,joined=2,...".
  std::string line(namespaces::Index space) const;
  std::uint64_t sum(LoadCounter counter) const;
  // Of each source by name: "loads=1,failed=0,...".
  std::vector<std::pair<std::string, std::string>> source_lines() const;

 private:
  // How warm the namespaces of a source are, where it has to know.
  struct Heat {
    std::vector<namespaces::Index> spaces;
    l3::Warmth warmth;
  };
  struct Space {
    l3::Source* source = nullptr;  // null: of a namespace without one
    Heat* heat = nullptr;          // null: nobody asks for it
    std::size_t query = 0;
    std::optional<config::KeyPattern> pattern;
    std::string name;
    std::string source_name;
    std::size_t queue = 0;
    std::chrono::milliseconds l2_ttl{0};
    Duration negative_ttl{0};
    std::chrono::milliseconds lease{0};  // 0: none
    bool nil_on_error = false;
    config::LoadResult result = config::LoadResult::value;
    Freshness freshness;
    std::array<std::atomic<std::uint64_t>, kLoadCounters> counts{};
  };
  // What was known of changes at one moment.
  struct Seen {
    std::uint64_t generation = 0;  // of that node
    std::uint64_t wide = 0;
    std::uint32_t changes = 0;  // of that node
    std::uint32_t told = 0;     // by clients' writes, over a Cluster
    topology::NodeIndex node = 0;

    bool operator==(const Seen&) const = default;
  };
  struct Load {
    enum class State : std::uint8_t {
      fencing,  // the source is not asked yet
      loading,
      loaded,   // to be stored
      storing,  // Redis is asked
      ended,
    };
    State state = State::fencing;
    Wanted wanted;
    Worker* worker = nullptr;
    Seen seen;
    std::vector<Take> takers;
    std::vector<Take> late;                // those of till_stored
    std::optional<LoadAnswer> answer;      // from loaded on
    std::optional<std::string> as_it_was;  // Redis's key, where it is loaded anew
    Time begun;                            // the source was asked
    bool leased = false;
    Time lease_wait{};                        // since then the lease is another's
    std::chrono::milliseconds lease_look{0};  // how long until the next look
    Time ended;
  };
  using LoadPtr = std::shared_ptr<Load>;

  static std::string name_of(const Wanted& wanted);
  Seen see(const Wanted& wanted) const;
  bool joinable(const Load& load, const Wanted& wanted) TC_REQUIRES(mutex_);
  static void join(Load& load, bool till_stored, Take take);
  void begin(Worker& worker, const LoadPtr& load);
  void on_as_it_was(const LoadPtr& load, std::string_view reply);
  // loads_lease.cpp
  void lease(const LoadPtr& load);
  void leave(const LoadPtr& load);
  void on_lease(const LoadPtr& load, std::string_view reply);
  void look(const LoadPtr& load);
  void on_look(const LoadPtr& load, std::string_view reply);
  void release(const LoadPtr& load);

  void fence(const LoadPtr& load);
  void ask(const LoadPtr& load);
  unsigned warm_percent(Heat& heat) TC_REQUIRES(mutex_);
  l2::LinkPtr link_for(const Load& load) const;
  l2::LinkPtr lease_link(const Load& load, std::string_view name) const;
  void heed(const Load& load, std::string_view reply) const;
  void on_loaded(const LoadPtr& load, l3::Loaded loaded, bool in_redis = false);
  void fail(const LoadPtr& load, std::string why, bool away = false);
  void store(const LoadPtr& load);
  std::string store_request(const Load& load) const;
  void on_stored(const LoadPtr& load, std::string_view reply);
  void forget(const LoadPtr& load) TC_REQUIRES(mutex_);
  void drop(const LoadPtr& load) TC_REQUIRES(mutex_);
  // `gone` gets those that are not remembered any more: they are destroyed without the mutex.
  void retire(const LoadPtr& load, std::vector<LoadPtr>& gone) TC_REQUIRES(mutex_);
  void put(const LoadPtr& load) TC_REQUIRES(mutex_);
  void remember_absent(const Load& load) TC_REQUIRES(mutex_);
  std::string error_frame(const Space& space, const std::string& why) const;

  // What loading a key took last; keys of a like hash share it.
  static constexpr std::size_t kLoadTimes = std::size_t{1} << 16U;
  std::atomic<std::uint32_t>& load_time_us(KeyHash hash) noexcept {
    return (*load_times_)[(hash >> 16U) % kLoadTimes];
  }

  // By stripes of keys: announced writes, and when a value was stored last, in Time's ticks.
  static constexpr std::size_t kStripes = std::size_t{1} << 16U;
  using Told = std::array<std::atomic<std::uint32_t>, kStripes>;
  using Stored = std::array<std::atomic<Time::rep>, kStripes>;

  Hub& hub_;
  const std::string lease_token_;     // of this process
  const std::unique_ptr<Told> told_;  // null: there is one node, whose cache knows
  const std::unique_ptr<Stored> stored_;
  // Null: no namespace refreshes ahead.
  std::unique_ptr<std::array<std::atomic<std::uint32_t>, kLoadTimes>> load_times_;
  std::vector<std::unique_ptr<Space>> spaces_;  // by index
  std::atomic<std::uint64_t> active_{0};
  std::atomic<std::uint64_t> wide_{0};  // writes that may have changed any key
  mutable Mutex mutex_;
  // The load of each key. Where it is told by the key's own hash, which lies beside the pointer: a
  // look at a load that ended a second ago is a wait for memory.
  struct Place {
    KeyHash hash;
    LoadPtr load;
  };
  struct PlaceHash {
    using is_transparent = void;
    using is_avalanching = void;
    template <class Of>  // Place, or Wanted
    std::size_t operator()(const Of& of) const noexcept {
      return of.hash;
    }
  };
  struct SamePlace {
    using is_transparent = void;
    static const Wanted& wanted(const Place& place) noexcept {
      return place.load->wanted;
    }
    static const Wanted& wanted(const Wanted& wanted) noexcept {
      return wanted;
    }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const noexcept {
      return a.hash == b.hash && wanted(a).db == wanted(b).db && wanted(a).key == wanted(b).key;
    }
  };
  boost::unordered_flat_set<Place, PlaceHash, SamePlace> loads_ TC_GUARDED_BY(mutex_);
  std::deque<LoadPtr> ended_ TC_GUARDED_BY(mutex_);
  std::size_t ended_bytes_ TC_GUARDED_BY(mutex_) = 0;
  using Marks = boost::unordered_flat_map<KeyHash, unsigned>;
  static void unmark(Marks& marks, KeyHash hash);
  Marks storing_ TC_GUARDED_BY(mutex_);
  Marks writing_ TC_GUARDED_BY(mutex_);
  std::vector<std::function<void()>> held_ TC_GUARDED_BY(mutex_);  // writes that wait
  std::unordered_set<std::string> leases_ TC_GUARDED_BY(mutex_);   // of this process
  l1::Store absent_ TC_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Heat>> heats_;  // their insides under the mutex
  // The last, so that it goes first: its threads call back.
  std::vector<std::unique_ptr<l3::Source>> sources_;
  std::shared_ptr<Writes> writes_;  // goes before all that it uses
};

// Null: no namespace has a source.
std::shared_ptr<Loads> make_loads(const config::Config& config, Hub& hub);

}  // namespace tiercache::proxy
