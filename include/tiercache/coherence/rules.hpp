// The rules of the coherence protocol, one switch each. The product uses `Rules{}` and nothing
// else: a switch exists so that tests can instantiate the very same class with one rule off and
// show that the rule is needed (tests/model, tests/mutant). A structural type, so a mutant is a
// type and not an #ifdef. docs/architecture.md explains the protocol; each switch names what it
// guards.
#pragma once

namespace tiercache::coherence {

struct Rules {
  // Fills.
  // A fill commits only if nothing happened to its key since the read was sent.
  bool flight_identity = true;
  // A reader joins a flight only if nothing happened to the key since that was sent.
  bool epoch_join = true;
  // ... and only soon after, within max_staleness and before the key can have expired meanwhile: a
  // flight whose reply is held up is not joined for ever. With max_staleness = 0 nobody joins.
  bool bound_join = true;
  // A reply that was delivered but not committed drops the entry and refuses older flights.
  bool drop_uncommitted = true;
  // Replies of two links have no order: after one, older entries and flights of the key on other
  // links may be served only once a PING sent after it has been answered.
  bool fence_other_links = true;
  // A fill comes from the server process whose events are heard.
  bool same_source = true;
  // The deadline counts from the send of the read, not from its reply.
  bool ttl_from_send = true;
  // A reply and the PTTL behind it must agree on whether the key exists.
  bool pttl_agrees = true;
  // Where no events come an entry lives for max_staleness at most.
  bool age_cap = true;

  // Reads.
  // Nothing is served or committed unless the event link is live.
  bool live_only = true;
  // Nothing is served once the last acknowledged PING is older than max_staleness.
  bool bound_staleness = true;
  // With max_staleness = 0 each hit waits for a PING of its own.
  bool fence_each_hit = true;
  // An entry or a flight of an older generation is dead.
  bool check_generation = true;
  // An entry past its deadline is dead.
  bool expire_entries = true;
  // Several keys are answered from L1 all or none: what is missing is not asked for alone.
  bool undivided_multi = true;
  // What L1 answers of several keys is as of one acknowledged PING.
  bool whole_multi = true;
  // A read that was passed through drops the entry and refuses older flights.
  bool drop_pass_read = true;
  // No hit past an older read of the same key that the session still waits for.
  bool no_hit_past_read = true;
  // A session that joined a flight of another link sends nothing until it is answered.
  bool stall_on_foreign_join = true;
  // A session that watches or is in a transaction does not read L1.
  bool watch_bypasses = true;
  // A session changes its link only when nothing is owed to it on the one it leaves.
  bool drain_before_move = true;

  // Writes.
  // A write through the proxy bars its keys when it is sent ...
  bool bar_at_send = true;
  // ... and again when its reply arrives, before that is forwarded.
  bool bar_at_reply = true;
  // A write that blocks, and so is not barred when sent, bars its keys when its reply arrives.
  bool bar_blocking_reply = true;
  // The reply of a script is held until a PING sent after it has been answered.
  bool hold_scripts = true;
  // ... or, with coherence = "session", forwarded, and its session reads no L1 until then.
  bool session_fence = true;
  // A session with a script or a flush outstanding does not read L1.
  bool no_hit_past_wide_write = true;
  // A flush through the proxy empties L1 when its reply arrives, before that is forwarded.
  bool flush_at_reply = true;

  // The event link.
  // An event drops the entry of its key and refuses the flights under way.
  bool apply_events = true;
  // BCAST tracking: a fence is two PINGs, the second sent after the first PONG.
  bool two_pings = true;
  // A lost event link empties L1 at the moment of the loss, not at the reconnect ...
  bool flush_at_loss = true;
  // ... and again once the subscription stands: what was read before is not covered by it.
  bool flush_at_subscribe = true;
  // What waits for a fence that cannot come is let go only after L1 was emptied.
  bool flush_at_release = true;
  // The NULL payload (FLUSHALL, FLUSHDB, DEBUG RELOAD) empties L1.
  bool flush_on_null = true;
  // A canary whose event has not come by the next PONG ends the link: notifications are off.
  bool canary_heard = true;
  // A canary that finds another value than it left empties L1: a database was swapped or lost.
  bool canary_surprise = true;
};

}  // namespace tiercache::coherence
