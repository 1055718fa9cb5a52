// One shard of L1 with the protocol that keeps it true: entries, flights and epochs of the keys
// whose hash falls into it. Pure: no sockets, no clock, no lock. The owner (Cache) holds the
// shard's mutex around every call; the explorer in tests/model calls it directly.
//
// The idea, in five sentences. Every change of a key that the proxy can see (an event, an own
// write from send to reply) advances the epoch of the key's stripe, and a fill commits only if the
// epoch is still the one its read was sent under. Epochs are kept in stripes, not per key: a
// collision refuses a commit, never allows one, and a write to an uncached key costs no memory. A
// read that is delivered and not kept may be newer than all that is under way for its key: those
// fills are refused one by one, by their key and not by its stripe, or each that is refused would
// refuse those of other keys, and so on as long as there are many. A flush or a lost event link is
// a new generation, kept by LinkStatus; entries and flights remember theirs. Two replies that came
// over different links have no order, so after one, what another link brought earlier is fenced: it
// waits for a PING.
//
// Cost: a hit is one look-up; a write or event two memory accesses if the key is not cached.
#pragma once

#include "tiercache/base/hash.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/coherence/flights.hpp"
#include "tiercache/coherence/link_status.hpp"
#include "tiercache/coherence/rules.hpp"
#include "tiercache/coherence/session.hpp"
#include "tiercache/coherence/trace.hpp"
#include "tiercache/l1/store.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace tiercache::coherence {

struct ReadAsk {
  l1::Key key;
  // Entries that can answer, the one to be filled first. (STRLEN can be told from GET's reply.)
  std::span<const l1::Variant> answers;
  Reach reach;
  // A PING sent after this read arrived and acknowledged since; 0: none was waited for. Where
  // max_staleness is 0 each hit needs one.
  std::uint64_t fenced_by = 0;
  // The entry's TTL is asked for too. It was read a moment before the reply, so the two are of one
  // moment only as of a PING sent after both.
  bool settled = false;
  // A bound of this read's own, where it is stricter than the shard's.
  Duration max_staleness = Duration::max();
  Place place;
  Waiter waiter = 0;
};

struct ReadOutcome {
  enum class Kind : std::uint8_t {
    hit,     // `entry`, valid until the next call
    joined,  // an answer will come with `flight`
    send,    // send the read and PTTL now; the answer comes with `flight`
    wait,    // ask again when `ping` is acknowledged, with fenced_by = ping
    none,    // not here (on_probe)
  };
  Kind kind = Kind::none;
  l1::Entry* entry = nullptr;
  l1::Pin pin;  // hit: if the caller of Cache asked for it
  FlightId flight = 0;
  std::uint64_t flight_seq = 0;  // joined: its number on its link
  bool foreign = false;          // joined: a flight of another link
  std::uint64_t ping = 0;
};

// The replies of a read and of the PTTL sent right behind it.
struct Fill {
  std::string_view reply;
  bool cacheable = true;  // no error, complete, not too large
  bool missing = false;   // the reply says that the key does not exist
  std::int64_t pttl_ms = -1;
  std::uint64_t source = 0;  // the server process that sent them (LinkStatus::source)
  // It comes from a server that is ahead of the one whose events we hear (coherence/catch_up.hpp):
  // no PING proves anything of it and what others bring, so it is kept alone or not at all.
  bool sole = false;
  // The command whose variant it becomes; kAsAsked: the one the flight was started with. A nil of
  // MGET says less than a nil of GET, and which it is shows only with the reply.
  static constexpr std::uint16_t kAsAsked = 0xffff;
  std::uint16_t stored_as = kAsAsked;
  // How long it may live at most; kAsConfigured: what the shard's configuration says.
  static constexpr Duration kAsConfigured = Duration::min();
  Duration max_ttl = kAsConfigured;
  Duration negative_ttl = kAsConfigured;
};

struct ShardConfig {
  l1::Limits limits;
  l1::Eviction eviction = l1::Eviction::lru;  // read when the shard is made
  Duration max_ttl = std::chrono::hours(1);
  Duration negative_ttl = std::chrono::seconds(1);
  Duration max_staleness = std::chrono::seconds(1);  // 0: a fence before each hit
  // PTTL is answered from memory if the fill's round trip was at most its own unit.
  Duration exact_within = std::chrono::milliseconds(1);
  // A flight is joined for so long after its send: what a joined read may overstep an expiry by. A
  // few of Redis's own milliseconds, and longer than a round trip is as a rule.
  Duration join_within = std::chrono::milliseconds(2);
  std::uint32_t stripes = 1024;  // a power of two
  std::size_t trace = 0;         // records of each shard's Trace; 0: off
};

template <Rules R = Rules{}>
class BasicShard {
 public:
  // `shares`: those of l1::Store.
  explicit BasicShard(const ShardConfig& config,
                      std::shared_ptr<const l1::Shares> shares = nullptr);

  // A read of one key that may be answered from L1. A flight started here belongs to `waiter`.
  ReadOutcome on_read(const ReadAsk& ask, const View& view, Time now);

  // The first half of on_read: hit, wait or none; nothing is sent.
  ReadOutcome on_probe(const ReadAsk& ask, const View& view, Time now);

  // One key of a read of several. The caller takes one View for all keys and may answer from L1
  // only if it is fresh, each key has an entry, and no entry's seq() is above view.acked: then
  // all are as of that PING. Null: not here.
  l1::Entry* on_multi_part(const l1::Key& key, std::span<const l1::Variant> answers,
                           const View& view, Time now);
  // Whether any entry may be served now, as far as the event link knows.
  bool fresh(const View& view, Time now, Duration at_most = Duration::max()) const noexcept;

  // A read that is sent upstream whatever L1 holds and whose reply may fill it; nobody joins it.
  // For MGET's parts and for warming.
  FlightId begin_fill(const l1::Key& key, const l1::Variant& variant, const Place& place,
                      const View& view, Time now);

  // The flight's reply. Appends its waiters, whom the caller answers after this call with the
  // same bytes. Returns whether L1 has it now.
  bool on_reply(KeyHash hash, FlightId flight, const Fill& fill, const View& view, Time now,
                Waiters& waiters);
  // The flight's link is gone: nothing was delivered. Appends its waiters, who get an error.
  void on_flight_lost(KeyHash hash, FlightId flight, Waiters& waiters);

  // Of fills under way those of keys for which matches(std::string_view key) is true are neither
  // kept nor joined from here on. Looks at each fill under way.
  template <class Matches>
  void refuse_flights(Matches&& matches) {
    flights_.for_each([&](KeyHash, Flight& flight) {
      if (matches(flight.key())) {
        flight.epoch = kRefused;
      }
    });
  }

  // Redis says that the key changed.
  void on_event(KeyHash hash);
  // A write through the proxy: before it is sent, and at its reply, error or loss before that is
  // forwarded. A blocking command has no begin: its session reads upstream, and nobody can know
  // of the write before the reply.
  void on_write_begin(KeyHash hash);
  void on_write_end(KeyHash hash);
  void on_blocking_write_reply(KeyHash hash);
  // A read that went past L1 is about to be delivered.
  void on_pass_read(KeyHash hash);

  // Another number than before, soon or at once, if the key has changed: an event, or a write
  // through the proxy. Nothing here depends on it.
  std::uint32_t changes(KeyHash hash) const noexcept {
    return stripe(hash).changes;
  }

  l1::Store& store() noexcept {
    return store_;
  }
  const l1::Store& store() const noexcept {
    return store_;
  }
  ShardConfig& config() noexcept {
    return config_;
  }
  std::size_t flights() const noexcept {
    return flights_.size();
  }
  Trace& trace() noexcept {
    return trace_;
  }
  // Into the trace, if it is on. By itself the shard does so with what it knows the time of.
  void note(Transition what, KeyHash hash, const View& view, Time at) noexcept {
    if (trace_.on()) {
      trace_.add({hash, at, static_cast<std::uint32_t>(view.sent),
                  static_cast<std::uint32_t>(stripe(hash).epoch),
                  static_cast<std::uint32_t>(view.generation), what});
    }
  }
  // Entries dropped because their key changed, or might have.
  std::uint64_t invalidated() const noexcept {
    return invalidated_;
  }
  // Fills that were delivered but not kept.
  std::uint64_t refused() const noexcept {
    return refused_;
  }

  // For the explorer: whether an entry would be served, and a digest of everything that decides
  // about the future, with unbounded counters reduced to what is compared.
  template <class Sink>
  void digest(Sink&& sink, const View& view);

 private:
  struct Stripe {
    std::uint64_t epoch = 0;
    std::uint32_t writes_pending = 0;
    std::uint32_t changes = 0;
  };
  // No stripe's epoch.
  static constexpr std::uint64_t kRefused = ~std::uint64_t{0};

  Stripe& stripe(KeyHash hash) noexcept {
    return stripes_[(hash >> 16) & (stripes_.size() - 1)];
  }
  const Stripe& stripe(KeyHash hash) const noexcept {
    return stripes_[(hash >> 16) & (stripes_.size() - 1)];
  }
  void advance(KeyHash hash) {
    stripe(hash).epoch++;
    invalidated_ += store_.erase(hash);
  }
  // Something is delivered that may be newer than what L1 has of the key, or is about to have.
  void overtake(KeyHash hash) {
    flights_.for_each(hash, [](Flight& flight) { flight.epoch = kRefused; });
    invalidated_ += store_.erase(hash);
  }
  std::uint64_t generation(const View& view) const noexcept {
    return R.check_generation ? view.generation : 0;
  }
  bool unchanged(const Flight& flight, const Stripe& at) const noexcept {
    return flight.epoch == at.epoch && at.writes_pending == 0;
  }
  bool may_join(const Flight& flight, const ReadAsk& ask, const View& view,
                Time now) const noexcept;
  bool may_commit(KeyHash hash, const Flight& flight, const Fill& fill,
                  const View& view) const noexcept;
  // How long an entry may live at most.
  Duration cap(Duration limit, const View& view) const noexcept {
    return R.age_cap && view.proof == Proof::age ? std::min(limit, config_.max_staleness) : limit;
  }
  void commit(KeyHash hash, const Flight& flight, const Fill& fill, const View& view, Time now);
  void fence_others(KeyHash hash, const Flight& delivered, const View& view, Time now);
  Flight& start(const l1::Key& key, const l1::Variant& variant, const Place& place,
                const View& view, Time now);
  // REQUIRES: it is under way.
  Flight& flight_of(KeyHash hash, FlightId id);

  ShardConfig config_;
  l1::Store store_;
  std::vector<Stripe> stripes_;
  Trace trace_;
  Flights flights_;
  std::uint64_t refused_ = 0;
  std::uint64_t invalidated_ = 0;
};

using Shard = BasicShard<>;
extern template class BasicShard<Rules{}>;

}  // namespace tiercache::coherence

#include "tiercache/coherence/shard_impl.hpp"
