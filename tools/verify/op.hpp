// One command that a session has sent and whose reply it waits for, and how its reply is to be
// read. A command with several keys is one Op a key, the first of them carrying the count.
#pragma once

#include "book.hpp"
#include "judge.hpp"
#include "replies.hpp"

#include <cstdint>
#include <string_view>

namespace tiercache::verify {

enum class OpKind : std::uint8_t {
  // Reads.
  get,
  getrange,
  strlen,
  exists,
  mget,
  exec_get,     // EXEC of as many GETs
  watched_get,  // GET under WATCH
  hget,
  hmget,
  hgetall,
  hvals,
  hkeys,
  hlen,
  hexists,
  hstrlen,
  lindex,
  lrange,
  llen,
  smembers,
  scard,
  sismember,
  zscore,
  zrange,
  zrangebyscore,
  zcard,
  zcount,
  zrank,
  type,
  pttl,
  // Writes.
  set,
  set_get,  // SET ... GET, GETSET: the reply is the state before
  append,
  incr,
  del,
  hset,
  push,  // LPUSH, SADD: the reply is the new length
  pop,   // BLMPOP of all there is: the reply is the state before
  zadd,
  eval,
  mset,      // MSET, or MULTI SET ... EXEC, of as many keys
  exec_set,  // the same in a transaction
  exec_watch,
  // Neither.
  ok,      // +OK (MULTI, WATCH)
  queued,  // +QUEUED
  hello,
};
std::string_view name_of(OpKind kind) noexcept;
constexpr bool is_read(OpKind kind) noexcept {
  return kind <= OpKind::pttl;
}
constexpr bool is_write(OpKind kind) noexcept {
  return kind >= OpKind::set && kind <= OpKind::exec_watch;
}

struct Op {
  OpKind kind = OpKind::ok;
  std::uint8_t count = 1;  // the Ops of this command, this one included
  KeyId key = 0;
  Version version = 0;      // a write's state; a read's incarnation, number 0
  Version proxy_floor = 0;  // as they were when the command was sent
  Version direct_floor = 0;
  std::uint32_t ttl_ms = 0;  // a write with an expiry
  Version member = 0;        // SISMEMBER: whose record was asked for
};

// What a read of one key saw; of SISMEMBER without the member's number. REQUIRES: the reply is no
// error.
Seen interpret(OpKind kind, const KeyInfo& info, KeyId key, Version incarnation,
               const Reply& reply) noexcept;

// Is the reply the one that a write of this state must get, where its kind determines it?
// REQUIRES: the reply is no error.
bool is_write_reply(const KeyInfo& info, const Op& op, const Reply& reply) noexcept;

}  // namespace tiercache::verify
