// The rules of the coherence protocol, one switch each. The product uses `Rules{}` and nothing
// else: a switch exists so that tests can instantiate the very same class with one rule off and
// show that the rule is needed (tests/model). A structural type, so a mutant is a type and not an
// #ifdef. docs/architecture.md explains the protocol; each switch names what it guards.
#pragma once

namespace tiercache::coherence {

struct Rules {
  // A fill commits only if nothing happened to its key since the read was sent.
  bool flight_identity = true;
  // A write through the proxy bars its keys when it is sent ...
  bool bar_at_send = true;
  // ... and again when its reply arrives, before that is forwarded.
  bool bar_at_reply = true;
  // A reader joins a flight only if nothing happened to the key since that was sent.
  bool epoch_join = true;
  // A reply that was delivered but not committed drops the entry and refuses older flights.
  bool drop_uncommitted = true;
  // The same for a read that was passed through.
  bool drop_pass_read = true;
  // Replies of two links have no order: after one, older entries and flights of the key on other
  // links may be served only once a PING sent after it has been answered.
  bool fence_other_links = true;
  // The reply of a script is held until a PING sent after it has been answered.
  bool hold_scripts = true;
  // A session with a script or a flush outstanding does not read L1.
  bool no_hit_past_wide_write = true;
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
  // A flush through the proxy empties L1 when sent and again at its reply.
  bool flush_on_own_flush = true;
  // An entry or a flight of an older generation is dead.
  bool check_generation = true;
  // The deadline counts from the send of the read, not from its reply.
  bool ttl_from_send = true;
  // Several keys are answered from L1 all or none, as of one acknowledged PING.
  bool whole_multi = true;
  // A session that watches or is in a transaction does not read L1.
  bool watch_bypasses = true;
  // A session changes its link only when nothing is owed to it on the one it leaves.
  bool drain_before_move = true;
  // No hit past an older read of the same key that the session still waits for.
  bool no_hit_past_read = true;
  // A session that joined a flight of another link sends nothing until it is answered.
  bool stall_on_foreign_join = true;
};

}  // namespace tiercache::coherence
