// Which arguments are keys. The live test compares with a server; here stand the cases where a
// mistake would be easy, and those a server cannot confirm.
#include "arguments.hpp"

#include "tiercache/command/table.hpp"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace tiercache::command {
namespace {

// "a:r b:w c:w@3" in the order found, "malformed", or "unknown".
std::string keys_of(Args args) {
  const Command* command = find(args);
  if (command == nullptr) {
    return "unknown";
  }
  std::vector<KeyRef> found{{77, Access::write, 5}};
  if (!keys(*command, args, found)) {
    REQUIRE(found.size() == 1);
    return "malformed";
  }
  REQUIRE(found.front() == KeyRef{77, Access::write, 5});
  std::string out;
  for (const KeyRef& key : std::span(found).subspan(1)) {
    REQUIRE(key.index < args.size());
    out += out.empty() ? "" : " ";
    out += args[key.index];
    out += key.access == Access::read ? ":r" : ":w";
    if (key.db >= 0) {
      out.append("@").append(std::to_string(key.db));
    }
  }
  return out;
}

std::string keys_of(std::string_view line) {
  return keys_of(Args(Arguments(line)));
}

}  // namespace

TEST_CASE("keys at fixed places and in runs") {
  CHECK(keys_of("GET a") == "a:r");
  CHECK(keys_of("set a v EX 10") == "a:w");
  CHECK(keys_of("DEL a b c") == "a:w b:w c:w");
  CHECK(keys_of("MGET a b") == "a:r b:r");
  CHECK(keys_of("MSET a 1 b 2") == "a:w b:w");
  CHECK(keys_of("MSETNX a 1") == "a:w");
  CHECK(keys_of("BLPOP a b 0") == "a:w b:w");
  CHECK(keys_of("BLMOVE a b LEFT RIGHT 0") == "a:w b:w");
  CHECK(keys_of("RENAME a a") == "a:w a:w");
  CHECK(keys_of("BITOP AND d a b") == "d:w a:r b:r");
  CHECK(keys_of("SDIFFSTORE d a b") == "d:w a:r b:r");
  CHECK(keys_of("SMOVE a b m") == "a:w b:w");
  CHECK(keys_of("ZRANGESTORE d s 0 -1") == "d:w s:r");
  CHECK(keys_of("LCS a b LEN") == "a:r b:r");
  CHECK(keys_of("PFMERGE d") == "d:w");
  CHECK(keys_of("PFMERGE d a b") == "d:w a:r b:r");
  CHECK(keys_of("PFCOUNT a") == "a:w");
  CHECK(keys_of("PFCOUNT a b c") == "a:w b:r c:r");
  CHECK(keys_of("PFDEBUG TODENSE a") == "a:w");
  CHECK(keys_of("RESTORE-ASKING a 0 x") == "a:w");
  CHECK(keys_of("WATCH a b") == "a:r b:r");
}

TEST_CASE("keys of subcommands") {
  CHECK(keys_of("OBJECT ENCODING a") == "a:r");
  CHECK(keys_of("OBJECT HELP") == "");
  CHECK(keys_of("MEMORY USAGE a SAMPLES 5") == "a:r");
  CHECK(keys_of("XGROUP CREATE s g $ MKSTREAM") == "s:w");
  CHECK(keys_of("XINFO STREAM s FULL") == "s:r");
  CHECK(keys_of("CLIENT SETNAME a") == "");
}

TEST_CASE("channels, scripts' arguments and patterns are not keys") {
  CHECK(keys_of("SPUBLISH a b") == "");
  CHECK(keys_of("SSUBSCRIBE a b") == "");
  CHECK(keys_of("PUBLISH a b") == "");
  CHECK(keys_of("SUBSCRIBE a b") == "");
  CHECK(keys_of("SORT l BY w_* GET o_*") == "l:r");
  CHECK(keys_of("SCAN 0 MATCH a") == "");
}

TEST_CASE("counted keys") {
  CHECK(keys_of("EVAL s 2 a b c") == "a:w b:w");
  CHECK(keys_of("EVAL s 0 a") == "");
  CHECK(keys_of("EVALSHA_RO s 1 a b") == "a:r");
  CHECK(keys_of("FCALL f 1 a") == "a:w");
  CHECK(keys_of("ZUNIONSTORE d 2 a b WEIGHTS 1 2") == "d:w a:r b:r");
  CHECK(keys_of("ZDIFF 1 a WITHSCORES") == "a:r");
  CHECK(keys_of("SINTERCARD 2 a b LIMIT 1") == "a:r b:r");
  CHECK(keys_of("LMPOP 2 a b LEFT") == "a:w b:w");
  CHECK(keys_of("BLMPOP 0 2 a b LEFT COUNT 3") == "a:w b:w");
  CHECK(keys_of("BZMPOP 0.5 1 a MIN") == "a:w");
}

TEST_CASE("a count that the server refuses is malformed") {
  for (const char* count : {"-1", "3", "01", "+1", "1x", "x", "\"\"", "9223372036854775808",
                            "18446744073709551617", "-0", "1.0", "0x1"}) {
    CAPTURE(count);
    CHECK(keys_of("EVAL s " + std::string(count) + " a b") == "malformed");
    CHECK(keys_of("ZUNIONSTORE d " + std::string(count) + " a b") == "malformed");
  }
  CHECK(keys_of("ZUNIONSTORE d 0 a b") == "malformed");
  CHECK(keys_of("LMPOP 0 a LEFT") == "malformed");
  CHECK(keys_of("EVAL s 2 a") == "malformed");
}

TEST_CASE("too few or too many arguments are malformed") {
  CHECK(keys_of("GET") == "malformed");
  CHECK(keys_of("GET a b") == "malformed");
  CHECK(keys_of("MSET a 1 b") == "malformed");
  CHECK(keys_of("MSET a") == "malformed");
  CHECK(keys_of("BLPOP a") == "malformed");
  CHECK(keys_of("XREAD STREAMS a") == "malformed");
  CHECK(keys_of("OBJECT ENCODING") == "malformed");
}

TEST_CASE("streams stand behind STREAMS, and only an option counts as one") {
  CHECK(keys_of("XREAD STREAMS a b 0 0") == "a:r b:r");
  CHECK(keys_of("XREAD COUNT 2 BLOCK 0 streams a $") == "a:r");
  CHECK(keys_of("XREAD STREAMS STREAMS BLOCK 0 0") == "STREAMS:r BLOCK:r");
  CHECK(keys_of("XREADGROUP GROUP STREAMS STREAMS NOACK STREAMS a >") == "a:w");
  CHECK(keys_of("XREADGROUP GROUP g c STREAMS a b > >") == "a:w b:w");
  CHECK(keys_of("XREAD STREAMS a b 0") == "malformed");
  CHECK(keys_of("XREAD COUNT 1 a 0") == "malformed");
}

TEST_CASE("SORT has one destination, GEORADIUS many, and values are not options") {
  CHECK(keys_of("SORT l") == "l:r");
  CHECK(keys_of("SORT l LIMIT 0 5 ASC STORE d") == "l:r d:w");
  CHECK(keys_of("SORT l BY STORE GET STORE") == "l:r");
  CHECK(keys_of("SORT l STORE STORE STORE d") == "l:r d:w");
  CHECK(keys_of("SORT l GET STORE STORE d ALPHA") == "l:r d:w");
  CHECK(keys_of("SORT_RO l BY x") == "l:r");
  CHECK(keys_of("GEORADIUS g 1 2 3 m WITHDIST") == "g:r");
  CHECK(keys_of("GEORADIUS g 1 2 3 m COUNT 3 ANY STORE d") == "g:r d:w");
  CHECK(keys_of("GEORADIUS g 1 2 3 m STORE c STOREDIST d") == "g:r c:w d:w");
  CHECK(keys_of("GEORADIUSBYMEMBER g m 3 km STOREDIST d") == "g:r d:w");
  CHECK(keys_of("GEORADIUSBYMEMBER g STORE 3 km") == "g:r");
}

TEST_CASE("an unknown option does not hide a destination") {
  CHECK(keys_of("SORT l NEWOPTION STORE d") == "l:r d:w");
  CHECK(keys_of("GEORADIUS g 1 2 3 m NEWOPTION STORE d") == "g:r d:w");
}

TEST_CASE("an option word ends at a zero byte, as it does for the server") {
  using namespace std::string_view_literals;
  const std::string_view sort[] = {"SORT", "l", "STORE\0x"sv, "d"};
  CHECK(keys_of(Args(sort)) == "l:r d:w");
  const std::string_view longer[] = {"SORT", "l", "STOREx"sv, "d"};
  CHECK(keys_of(Args(longer)) == "l:r");
  const std::string_view name[] = {"GET\0"sv, "k"};
  CHECK(find(name) == nullptr);
}

TEST_CASE("keys in another db") {
  CHECK(keys_of("COPY a b") == "a:r b:w");
  CHECK(keys_of("COPY a b REPLACE DB 3") == "a:r b:w@3");
  CHECK(keys_of("COPY a b DB 3 DB 4") == "a:r b:w@4");
  CHECK(keys_of("COPY a b DB x") == "malformed");
  CHECK(keys_of("COPY a b DB -1") == "malformed");
  CHECK(keys_of("COPY a b DB 2147483648") == "malformed");
  CHECK(keys_of("COPY DB DB DB 2") == "DB:r DB:w@2");
  CHECK(keys_of("MOVE a 2") == "a:w a:w@2");
  CHECK(keys_of("MOVE a x") == "malformed");
}

TEST_CASE("MIGRATE moves one key or many") {
  CHECK(keys_of("MIGRATE h 1 a 0 100") == "a:w");
  CHECK(keys_of("MIGRATE h 1 a 0 100 COPY REPLACE") == "a:w");
  CHECK(keys_of("MIGRATE h 1 \"\" 0 100 KEYS a b") == "a:w b:w");
  CHECK(keys_of("MIGRATE h 1 \"\" 0 100 AUTH KEYS KEYS a b") == "a:w b:w");
  CHECK(keys_of("MIGRATE h 1 \"\" 0 100") == ":w");
  CHECK(keys_of("MIGRATE h 1 a 0 100 KEYS b") == "malformed");
  CHECK(keys_of("MIGRATE h 1 \"\" 0 100 KEYS") == "");
  CHECK(keys_of("MIGRATE h 1 \"\" 0 100 COPY AUTH2 KEYS p keys a") == "a:w");
}

TEST_CASE("access depends on the options") {
  CHECK(keys_of("GETEX a") == "a:r");
  CHECK(keys_of("GETEX a PERSIST") == "a:w");
  CHECK(keys_of("BITFIELD a GET u8 0 OVERFLOW SAT GET i4 2") == "a:r");
  CHECK(keys_of("BITFIELD a GET u8 0 SET u8 0 1") == "a:w");
  CHECK(keys_of("BITFIELD a OVERFLOW FAIL INCRBY u8 0 1") == "a:w");
}

}  // namespace tiercache::command
