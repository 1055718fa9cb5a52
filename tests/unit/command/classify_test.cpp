// What a command does to L1 and which link may carry it, after a look at its arguments.
#include "arguments.hpp"

#include "tiercache/command/table.hpp"

#include <cstdlib>
#include <string_view>

#include <doctest/doctest.h>

namespace tiercache::command {
namespace {

Classified classified(std::string_view line) {
  const Arguments arguments(line);
  const Command* command = find(arguments);
  REQUIRE(command != nullptr);
  return classify(*command, arguments);
}

Kind kind(std::string_view line) {
  CAPTURE(line);
  return classified(line).kind;
}

Route route(std::string_view line) {
  CAPTURE(line);
  return classified(line).route;
}

}  // namespace

TEST_CASE("what L1 may answer reads the one key args[1], and the server says that it only reads") {
  std::size_t cacheable = 0;
  for (const Command& command : Table::builtin()->commands()) {
    if (command.kind == Kind::cacheable_read) {
      CAPTURE(command.name);
      cacheable++;
      CHECK((command.flags & kReadonly) != 0);
      CHECK((command.flags & (kWrite | kBlocking | kMovablekeys)) == 0);
      CHECK(command.route == Route::shared);
      CHECK(command.key_specs[0].find == KeySpec::Find::range);
      CHECK(command.key_specs[0].first == 1);
      CHECK(command.key_specs[1].find == KeySpec::Find::none);
      // EXISTS of several keys is a read of several.
      CHECK((command.key_specs[0].last == 1 || command.syntax == Syntax::exists));
      CHECK(std::abs(command.arity) >= 2);
    }
  }
  CHECK(cacheable == 47);
}

TEST_CASE("every read that L1 does not keep has its reason, and nothing else has one") {
  for (const Command& command : Table::builtin()->commands()) {
    CAPTURE(command.name);
    const bool reads_values =
        command.kind == Kind::read || command.syntax == Syntax::getex ||
        command.syntax == Syntax::bitfield || command.syntax == Syntax::sort ||
        command.syntax == Syntax::georadius || command.syntax == Syntax::georadius_member ||
        (command.kind == Kind::write && (command.flags & kReadonly) != 0);
    CHECK(command.not_kept.empty() == !reads_values);
  }
}

TEST_CASE("reads") {
  CHECK(kind("GET a") == Kind::cacheable_read);
  CHECK(kind("EXISTS a") == Kind::cacheable_read);
  CHECK(kind("EXISTS a a") == Kind::multi_read);
  CHECK(kind("MGET a") == Kind::multi_read);
  CHECK(kind("TTL a") == Kind::ttl_read);
  CHECK(kind("PTTL a") == Kind::ttl_read);
  CHECK(kind("EXPIRETIME a") == Kind::cacheable_read);
  CHECK(kind("HGET a f") == Kind::cacheable_read);
  CHECK(kind("ZRANGE a 0 -1 WITHSCORES") == Kind::cacheable_read);
  CHECK(kind("HRANDFIELD a") == Kind::read);
  CHECK(kind("SSCAN a 0") == Kind::read);
  CHECK(kind("SINTERCARD 1 a") == Kind::read);
  CHECK(kind("EVAL_RO s 0") == Kind::read);
  CHECK(kind("FCALL_RO f 0") == Kind::read);
  CHECK(kind("XREAD STREAMS a 0") == Kind::read);
  CHECK(kind("TOUCH a") == Kind::read);
}

TEST_CASE("writes") {
  CHECK(kind("SET a v") == Kind::write);
  CHECK(kind("RESTORE a 0 x") == Kind::write);
  CHECK(kind("PFCOUNT a") == Kind::write);
  CHECK(kind("LMPOP 1 a LEFT") == Kind::write);
  CHECK(kind("XREADGROUP GROUP g c STREAMS a >") == Kind::write);
  CHECK(kind("XACK a g 1-1") == Kind::write);
  CHECK(kind("XCLAIM a g c 0 1-1") == Kind::write);
  CHECK(kind("EVAL s 0") == Kind::unknown_write);
  CHECK(kind("EVALSHA s 0") == Kind::unknown_write);
  CHECK(kind("FCALL f 0") == Kind::unknown_write);
  CHECK(kind("XGROUP NEWSUB a") == Kind::unknown_write);
}

TEST_CASE("the arguments decide") {
  CHECK(kind("GETEX a") == Kind::read);
  CHECK(kind("GETEX a EX 1") == Kind::write);
  CHECK(kind("SORT a BY nosort") == Kind::read);
  CHECK(kind("SORT a store d") == Kind::write);
  CHECK(kind("GEORADIUS g 1 2 3 m") == Kind::read);
  CHECK(kind("GEORADIUS g 1 2 3 m STORE d") == Kind::write);
  CHECK(kind("GEORADIUSBYMEMBER g m 3 m STOREDIST d") == Kind::write);
  CHECK(kind("GEORADIUS_RO g 1 2 3 m") == Kind::read);
  CHECK(kind("BITFIELD a GET u8 0") == Kind::read);
  CHECK(kind("BITFIELD a") == Kind::read);
  CHECK(kind("BITFIELD a get u8 0 incrby u8 0 1") == Kind::write);
  CHECK(kind("BITFIELD a NEWOP u8") == Kind::write);
}

TEST_CASE("what replaces the keyspace") {
  for (const char* line :
       {"FLUSHDB", "FLUSHALL ASYNC", "SWAPDB 0 1", "DEBUG RELOAD", "debug loadaof",
        "DEBUG FLUSHALL", "DEBUG POPULATE 5", "DEBUG WHATEVER", "REPLICAOF h 1", "CLUSTER RESET"}) {
    CHECK(kind(line) == Kind::flush);
  }
  for (const char* line : {"DEBUG SLEEP 1", "DEBUG OBJECT a", "FUNCTION FLUSH", "SCRIPT FLUSH",
                           "CLUSTER INFO", "DEBUG"}) {
    CHECK(kind(line) == Kind::none);
  }
}

TEST_CASE("routes: waiting") {
  for (const char* line : {
           "BLPOP a 0",
           "BRPOP a 0",
           "BLMOVE a b LEFT LEFT 0",
           "BRPOPLPUSH a b 0",
           "BLMPOP 0 1 a LEFT",
           "BZPOPMIN a 0",
           "BZPOPMAX a 0",
           "BZMPOP 0 1 a MIN",
           "XREAD BLOCK 0 STREAMS a $",
           "XREADGROUP GROUP g c COUNT 1 BLOCK 5 STREAMS a >",
           "WAIT 1 0",
           "DEBUG SLEEP 1",
       }) {
    CHECK(route(line) == Route::blocking);
  }
  CHECK(route("XREAD STREAMS BLOCK 0") == Route::shared);
  CHECK(route("XREADGROUP GROUP BLOCK BLOCK STREAMS a >") == Route::shared);
}

TEST_CASE("routes: state, the proxy itself, both") {
  for (const char* line : {"MULTI",
                           "EXEC",
                           "DISCARD",
                           "WATCH a",
                           "UNWATCH",
                           "SUBSCRIBE a",
                           "PSUBSCRIBE a",
                           "SSUBSCRIBE a",
                           "UNSUBSCRIBE",
                           "PUNSUBSCRIBE",
                           "SUNSUBSCRIBE",
                           "MONITOR",
                           "CLIENT TRACKING ON",
                           "CLIENT REPLY OFF",
                           "CLIENT CACHING YES",
                           "CLIENT GETREDIR",
                           "CLIENT TRACKINGINFO",
                           "CLIENT NO-TOUCH ON",
                           "ASKING",
                           "READONLY",
                           "READWRITE",
                           "SCRIPT DEBUG YES",
                           "SYNC",
                           "PSYNC a 1",
                           "REPLCONF a b"}) {
    CHECK(route(line) == Route::stateful);
  }
  for (const char* line :
       {"AUTH p", "HELLO 3", "SELECT 1", "QUIT", "RESET", "PING", "client id", "CLIENT SETNAME a",
        "CLIENT GETNAME", "CLIENT LIST", "CLIENT PAUSE 1", "CLIENT UNPAUSE", "CLIENT KILL a",
        "CLIENT UNBLOCK 1", "CLIENT NO-EVICT ON", "CLIENT SETINFO LIB-NAME a", "CACHE STATS",
        "CACHE", "CACHE NOSUCH"}) {
    CHECK(route(line) == Route::local);
  }
  for (const char* line :
       {"INFO", "COMMAND", "COMMAND DOCS", "COMMAND COUNT", "COMMAND LIST", "COMMAND INFO get"}) {
    CHECK(route(line) == Route::augmented);
  }
  for (const char* line :
       {"GET a", "PING a", "ECHO a", "CLIENT HELP", "PUBLISH a b", "COMMAND GETKEYS GET a",
        "SCRIPT LOAD s", "SCRIPT KILL", "FUNCTION KILL", "FUNCTION STATS"}) {
    CHECK(route(line) == Route::shared);
  }
  for (const char* line :
       {"EVAL s 0", "EVAL_RO s 0", "EVALSHA s 0", "EVALSHA_RO s 0", "FCALL f 0", "FCALL_RO f 0"}) {
    CHECK(route(line) == Route::scripts);
  }
}

}  // namespace tiercache::command
