// Whole databases, scripts, transactions, eviction; and what is known to be told to nobody.
#include "event_table.hpp"

namespace tiercache::testing {
namespace {

using Why = KnownHole::Why;

#define LIBRARY                                                                       \
  "FUNCTION LOAD \"#!lua name=l\nredis.register_function('f1', function(keys, args) " \
  "return redis.call('set', keys[1], args[1]) end)\""

constexpr EventCase kCases[] = {
    {"FLUSHDB", "SET a 1", "FLUSHDB", "0:a"},
    {"FLUSHDB ASYNC", "SET a 1", "FLUSHDB ASYNC", "0:a"},
    {"FLUSHDB of another db", "SELECT 1 ; SET b 1", "FLUSHDB", "1:b"},
    {"FLUSHALL", "SET a 1 ; SELECT 1 ; SET b 1", "FLUSHALL", "0:a 1:b"},
    {"FLUSHALL ASYNC", "SET a 1", "FLUSHALL ASYNC", "0:a"},
    {"SWAPDB", "SET a 1", "SWAPDB 0 1", "0:a 1:a"},
    {"SWAPDB of two with the same key", "SET a 1 ; SELECT 1 ; SET a 2", "SWAPDB 1 0", "0:a 1:a"},
    {"DEBUG RELOAD", "SET a 1", "DEBUG RELOAD", ""},
    {"DEBUG RELOAD of an older file", "SET a 1 ; SAVE ; SET a 2", "DEBUG RELOAD NOSAVE", "0:a"},
    {"DEBUG POPULATE", "", "DEBUG POPULATE 1 k", "0:k:0"},
    {"REPLICAOF", "SET a 1 ; SET far near",
     "REPLICAOF 127.0.0.1 %port2 ; %until master_link_status:up", "0:a 0:far"},
    {"SLAVEOF", "SET a 1", "SLAVEOF 127.0.0.1 %port2 ; %until master_link_status:up", "0:a 0:far"},

    {"EVAL of an undeclared key", "", "EVAL \"redis.call('set','u','1') return 1\" 0", "0:u"},
    {"EVAL in another db", "",
     "EVAL \"redis.call('select',1) redis.call('set','u','1') return 1\" 0", "1:u"},
    {"EVAL that fails behind a write", "",
     "EVAL \"redis.call('set','u','1') redis.pcall('incr','u','x') return 1\" 0", "0:u"},
    {"EVAL of an expired key", "DEBUG SET-ACTIVE-EXPIRE 0 ; SET k v PX 1 ; DEBUG SLEEP 0.003",
     "EVAL \"return redis.call('get','k')\" 1 k", ""},
    {"EVAL that swaps", "SET a 1", "EVAL \"return redis.call('swapdb',0,1)\" 0", "0:a 1:a"},
    {"EVAL that flushes", "SET a 1", "EVAL \"return redis.call('flushdb')\" 0", "0:a"},
    {"EVALSHA", "", "EVALSHA %sha 0", "0:u"},
    {"FCALL", LIBRARY, "FCALL f1 1 k v", "0:k"},
    {"MULTI EXEC", "", "MULTI ; SET a 1 ; INCR a ; EXEC", "0:a"},
    {"MULTI EXEC with a flush", "SET a 1 ; SET b 1", "MULTI ; SET a 2 ; FLUSHDB ; SET b 2 ; EXEC",
     "0:a 0:b"},
    {"MULTI EXEC in two dbs", "SET a 1", "MULTI ; SET a 2 ; SELECT 1 ; SET a 3 ; EXEC", "0:a 1:a"},
    {"eviction", "SET a 1 ; CONFIG SET maxmemory-policy allkeys-random",
     "CONFIG SET maxmemory 1 ; %until evicted_keys:1\r", "0:a"},
};

#undef LIBRARY

constexpr std::string_view kGroupState =
    "what groups have read and owe: shown by XINFO, XPENDING and DUMP, none of them cached";

constexpr std::string_view kEncoding = "the encoding alone: shown by DUMP and OBJECT";

// What follows is a write of its key where it comes through the proxy. Past it, L1 keeps the older
// bytes until their time in L1 is over.
constexpr std::string_view kSameCount =
    "a note in the value's header, or another encoding: a GET of the older bytes is a value that "
    "counts the same";
constexpr std::string_view kPadding =
    "the string is made longer with zeros although nothing is stored, and Redis tells nobody: "
    "clients must not do this past the proxy";

constexpr KnownHole kHoles[] = {
    {"SWAPDB", Why::guarded, "its counter in INFO, or a canary, shows it: L1 is emptied"},
    {"SWAPDB of two with the same key", Why::guarded,
     "its counter in INFO, or a canary, shows it: L1 is emptied"},
    {"EVAL that swaps", Why::guarded, "its counter in INFO, or a canary, shows it: L1 is emptied"},
    {"PFCOUNT, first", Why::exposed, kSameCount},
    {"PFDEBUG TODENSE", Why::exposed, kSameCount},
    {"PFDEBUG GETREG", Why::exposed, kSameCount},
    {"BITFIELD OVERFLOW FAIL that grows", Why::exposed, kPadding},
    {"BITFIELD OVERFLOW FAIL of nothing", Why::exposed, kPadding},
    {"DEBUG POPULATE", Why::exposed, "a test data generator that only DEBUG has"},
    {"SORT BY of a sorted set", Why::unseen, kEncoding},
    {"XREADGROUP of a known consumer", Why::unseen, kGroupState},
    {"XACK", Why::unseen, kGroupState},
    {"XCLAIM by a known consumer", Why::unseen, kGroupState},
    {"XAUTOCLAIM by a known consumer", Why::unseen, kGroupState},
};

constexpr NoCase kNoCases[] = {
    {"cluster|failover", "needs a cluster; the roles are polled"},
    {"cluster|replicate", "needs a cluster; its full resync is REPLICAOF's, which has a case"},
    {"cluster|reset", "needs a cluster; the replica's flush is FLUSHALL's, which has a case"},
    {"failover", "changes roles, not data: the roles are polled"},
    {"module", "stands for a subcommand of a newer server"},
    {"xgroup", "stands for a subcommand of a newer server"},
};

}  // namespace

std::span<const EventCase> server_event_cases() {
  return kCases;
}

std::span<const KnownHole> known_holes() {
  return kHoles;
}

std::span<const NoCase> commands_without_case() {
  return kNoCases;
}

}  // namespace tiercache::testing
