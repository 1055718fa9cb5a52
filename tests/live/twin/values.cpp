#include "values.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace tiercache::twin {
namespace {

using Choices = std::vector<std::string_view>;

constexpr std::string_view kScripts[] = {
    "return 1",
    "return redis.call('set', KEYS[1] or 'undeclared', ARGV[1] or 'v')",
    "return redis.call('get', KEYS[1])",
    "return {1, 2.5, 'x', false, true, {ok='fine'}, {err='ERR bad'}, {1, {2}}}",
    "redis.call('select', 1) return redis.call('get', 's1')",
    "return redis.pcall('incr', KEYS[1])",
    "redis.setresp(3) return redis.call('zscore', 'z1', 'a')",
    "redis.setresp(3) return {true, false, {double=1.5}, {map={a=1}}}",
    "return redis.error_reply('MY own error')",
    "return redis.status_reply('SURE')",
    "return redis.call('rpush', 'l1', ARGV[1] or 'x')",
    "return redis.call('del', 's1', 's2', 'h1')",
    "return redis.call('nosuch')",
    "return redis.call('lrange', 'l1', 0, -1)",
    "#!lua flags=no-writes\nreturn redis.call('get', 's1')",
    "#!lua flags=no-writes\nreturn redis.call('set', 's1', '1')",
    "return nil",
    "x x",
    "error('thrown')",
};

constexpr std::string_view kFunctions[] = {
    "#!lua name=twin\nredis.register_function('f2', function(k, a) "
    "return redis.call('incr', k[1] or 'counter') end)",
    "#!lua name=samples\nredis.register_function{function_name='f1', "
    "callback=function() return 1 end, flags={'no-writes'}}",
    "#!lua name=broken\nx x",
    "return 1",
};

using Forms = std::map<std::string_view, std::vector<Words>, std::less<>>;

const Forms& forms() {
  static const Forms kForms{
      {"acl|deluser", {{"ACL", "DELUSER", "u9"}, {"ACL", "DELUSER", "nobody"}}},
      {"acl|dryrun",
       {{"ACL", "DRYRUN", "u2", "GET", "s1"}, {"ACL", "DRYRUN", "u2", "LPUSH", "l1", "x"}}},
      {"acl|getuser", {{"ACL", "GETUSER", "u2"}, {"ACL", "GETUSER", "nobody"}}},
      {"acl|setuser",
       {{"ACL", "SETUSER", "u9", "on", ">p", "~*", "+@all"},
        {"ACL", "SETUSER", "u9", "-get", "resetkeys"},
        {"ACL", "SETUSER", "u9", "nonsense"}}},
      {"auth",
       {{"AUTH", "u1", "pw"},
        {"AUTH", "u2", "pw"},
        {"AUTH", "default", "x"},
        {"AUTH", "u1", "wrong"},
        {"AUTH", "x"}}},
      {"client|caching", {{"CLIENT", "CACHING", "YES"}, {"CLIENT", "CACHING", "x"}}},
      {"client|getredir", {{"CLIENT", "GETREDIR"}}},
      {"client|kill", {{"CLIENT", "KILL", "ID", "999999"}, {"CLIENT", "KILL", "1.2.3.4:5"}}},
      {"client|pause", {{"CLIENT", "PAUSE", "1"}, {"CLIENT", "PAUSE", "1", "WRITE"}}},
      {"client|reply",
       {{"CLIENT", "REPLY", "ON"}, {"CLIENT", "REPLY", "OFF"}, {"CLIENT", "REPLY", "SKIP"}}},
      {"client|setname", {{"CLIENT", "SETNAME", "n1"}, {"CLIENT", "SETNAME", "a b"}}},
      {"client|tracking",
       {{"CLIENT", "TRACKING", "ON"},
        {"CLIENT", "TRACKING", "ON", "OPTIN"},
        {"CLIENT", "TRACKING", "ON", "NOLOOP"},
        {"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "s"},
        {"CLIENT", "TRACKING", "OFF"},
        {"CLIENT", "TRACKING", "OFF"},
        {"CLIENT", "TRACKING", "ON", "x"}}},
      {"client|unblock", {{"CLIENT", "UNBLOCK", "999999"}, {"CLIENT", "UNBLOCK", "x"}}},
      {"command|docs", {{"COMMAND", "DOCS", "GET"}, {"COMMAND", "DOCS", "nosuch"}}},
      {"command|getkeys",
       {{"COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"}, {"COMMAND", "GETKEYS", "PING", "x"}}},
      {"command|getkeysandflags",
       {{"COMMAND", "GETKEYSANDFLAGS", "LMOVE", "a", "b", "LEFT", "LEFT"},
        {"COMMAND", "GETKEYSANDFLAGS", "x", "y"}}},
      {"command|info", {{"COMMAND", "INFO", "GET", "nosuch"}, {"COMMAND", "INFO", "client|id"}}},
      {"config|get",
       {{"CONFIG", "GET", "maxmemory-policy"},
        {"CONFIG", "GET", "hash-max-*", "appendonly"},
        {"CONFIG", "GET", "nosuch"}}},
      {"config|set",
       {{"CONFIG", "SET", "hash-max-listpack-entries", "64"},
        {"CONFIG", "SET", "hash-max-listpack-entries", "128"},
        {"CONFIG", "SET", "slowlog-max-len", "128"},
        {"CONFIG", "SET", "port", "x"},
        {"CONFIG", "SET", "nosuch", "1"}}},
      {"debug",
       {{"DEBUG", "SLEEP", "0"},
        {"DEBUG", "RELOAD"},
        {"DEBUG", "JMAP"},
        {"DEBUG", "DIGEST-VALUE", "s1", "h1", "none1"},
        {"DEBUG", "STRINGMATCH-LEN", "10", "a*"},
        {"DEBUG", "CHANGE-REPL-ID"},
        {"DEBUG", "PROTOCOL", "string"},
        {"DEBUG", "PROTOCOL", "integer"},
        {"DEBUG", "PROTOCOL", "double"},
        {"DEBUG", "PROTOCOL", "null"},
        {"DEBUG", "PROTOCOL", "array"},
        {"DEBUG", "PROTOCOL", "set"},
        {"DEBUG", "PROTOCOL", "map"},
        {"DEBUG", "PROTOCOL", "attrib"},
        {"DEBUG", "PROTOCOL", "bignum"},
        {"DEBUG", "PROTOCOL", "true"},
        {"DEBUG", "PROTOCOL", "verbatim"},
        {"DEBUG", "nosuch"}}},
      {"hello",
       {{"HELLO"},
        {"HELLO", "2"},
        {"HELLO", "3"},
        {"HELLO", "4"},
        {"HELLO", "x"},
        {"HELLO", "3", "SETNAME", "n2"},
        {"HELLO", "3", "AUTH", "u1", "pw"},
        {"HELLO", "2", "AUTH", "u1", "wrong"}}},
      {"module|load", {{"MODULE", "LOAD", "/nonexistent"}}},
      {"module|loadex", {{"MODULE", "LOADEX", "/nonexistent"}}},
      {"pubsub|channels", {{"PUBSUB", "CHANNELS", "?"}, {"PUBSUB", "CHANNELS", "STORE"}}},
      {"quit", {{"QUIT"}}},
      {"swapdb", {{"SWAPDB", "0", "1"}, {"SWAPDB", "1", "2"}, {"SWAPDB", "0", "x"}}},
      // Members of different scores have no order by name, and what a skip list then says is
      // chance.
      {"zlexcount", {{"ZLEXCOUNT", "lex1", "[m1", "(m5"}, {"ZLEXCOUNT", "s1", "-", "+"}}},
      {"zrangebylex",
       {{"ZRANGEBYLEX", "lex1", "[m1", "+", "LIMIT", "1", "5"}, {"ZRANGEBYLEX", "z1", "x", "+"}}},
      {"zremrangebylex",
       {{"ZREMRANGEBYLEX", "lex1", "[m11", "[m12"}, {"ZREMRANGEBYLEX", "none1", "-", "+"}}},
      {"zrevrangebylex",
       {{"ZREVRANGEBYLEX", "lex1", "[m15", "-"}, {"ZREVRANGEBYLEX", "l1", "+", "-"}}},
      {"wait", {{"WAIT", "0", "1"}, {"WAIT", "1", "1"}, {"WAIT", "x", "1"}}},
  };
  return kForms;
}

bool is_blocking_read(std::string_view command) {
  return command == "xread" || command == "xreadgroup";
}

}  // namespace

std::string Values::pick(std::span<const std::string_view> choices) {
  return std::string(choices[below(static_cast<std::uint32_t>(choices.size()))]);
}

std::string Values::value() {
  static constexpr std::string_view kSmall[] = {"a",  "b",   "c",     "3", "10",
                                                "-1", "1.5", "STORE", "",  "f1"};
  const std::uint32_t n = below(100);
  if (n < 88) {
    return pick(kSmall);
  }
  if (n < 92) {
    // Not the NUL first: SORT ALPHA compares up to it, and the empty string would be equal.
    return std::string("q\0\r\n$5\r\n*\xff", 10);
  }
  if (n < 99) {
    return std::string(40 + below(60), 'v') + std::to_string(below(10));
  }
  return std::string(below(10) == 0 ? 100'000 : 5'000, 'L');
}

std::string Values::stream_id() {
  if (percent(10)) {
    return "1-1";
  }
  ++last_id_;
  return std::to_string(last_id_) + (percent(20) ? "-*" : "-1");
}

std::optional<std::string> Values::choose(std::string_view command, std::string_view name,
                                          std::string_view type) {
  static constexpr std::string_view kSeconds[] = {"1000", "100000", "100000", "0", "-1", "x"};
  static constexpr std::string_view kMillis[] = {"1000000", "100000000", "0", "-1", "x"};
  static constexpr std::string_view kPast[] = {"1", "99999999999", "99999999999999"};
  static constexpr std::string_view kDb[] = {"0", "0", "0", "1", "1", "15", "16", "x"};
  static constexpr std::string_view kPatterns[] = {"*", "s*", "[hl]?", "x", "?1"};
  static constexpr std::string_view kChannels[] = {"a*", "?", "x"};
  static constexpr std::string_view kCounts[] = {"1", "2", "3", "-3", "1000", "0"};
  static constexpr std::string_view kPlaces[] = {"0", "1", "-1", "2", "100", "-3"};
  if (name == "timeout") {
    return type == "double" ? "0.001" : "1";
  }
  if (name == "milliseconds" && is_blocking_read(command)) {
    return "1";
  }
  if (name == "seconds") {
    return pick(kSeconds);
  }
  if (name == "milliseconds" || name == "ttl") {
    return pick(kMillis);
  }
  if (type == "unix-time") {
    return pick(kPast);
  }
  if (name == "index" || name == "destination-db" || name == "index1" || name == "index2") {
    return command == "lindex" || command == "lset" ? pick(kPlaces) : pick(kDb);
  }
  if (type == "pattern" && (command == "psubscribe" || command == "punsubscribe")) {
    return pick(kChannels);
  }
  if (type == "pattern" && (command == "keys" || command.ends_with("scan"))) {
    return pick(kPatterns);
  }
  if (name == "script") {
    return pick(kScripts);
  }
  if (name == "function-code") {
    return pick(kFunctions);
  }
  if (name == "function" || name == "library-name") {
    return name == "function" ? (percent(50) ? "f1" : "f2") : (percent(50) ? "twin" : "samples");
  }
  if (name == "value" || name == "element" || name == "member" || name == "field" ||
      name == "message") {
    return value();
  }
  if (name == "count" && !is_blocking_read(command)) {
    return pick(kCounts);
  }
  if (type == "integer" && (name == "start" || name == "stop" || name == "end")) {
    return pick(kPlaces);
  }
  return std::nullopt;
}

std::optional<Words> Values::form(const std::string& command) {
  const auto found = forms().find(command);
  if (found == forms().end()) {
    return std::nullopt;
  }
  return found->second[below(static_cast<std::uint32_t>(found->second.size()))];
}

void Values::refine(const std::string& command, Words& words) {
  if (command == "xadd") {
    // An id of the server's own choice would be the time.
    std::ranges::replace(words, "*", stream_id());
  } else if (command == "spop") {
    // Everything, or the rest would be another on each server.
    words.resize(2);
    words.emplace_back("1000");
  } else if (std::ranges::find(words, "BYLEX") != words.end()) {
    words[command == "zrangestore" ? 2 : 1] = "lex1";  // as the forms say
  } else if (command.ends_with("scan")) {
    // In one go: cursors are places in a hash table.
    words.emplace_back("COUNT");
    words.emplace_back("10000");
  } else if (command.starts_with("sort") && std::ranges::find(words, "BY") != words.end()) {
    // What is equal by its weight has no order, and so LIMIT no meaning.
    std::erase(words, "ALPHA");
    const auto limit = std::ranges::find(words, "LIMIT");
    if (words.end() - limit > 2) {
      words.erase(limit, limit + 3);
    }
  }
}

void Values::spoil(Words& words) {
  static constexpr std::string_view kJunk[] = {"",   "-1",  "x",     "01",
                                               " 1", "1.5", "STORE", "99999999999999999999"};
  const std::uint32_t how = below(10);
  if (how == 0 && words.size() > 1) {
    words.pop_back();
  } else if (how == 1) {
    words.push_back(value());
  } else if (how == 2) {
    words[0] = "NOSUCH" + words[0];
  } else if (words.size() > 1) {
    words[1 + below(static_cast<std::uint32_t>(words.size()) - 1)] = pick(kJunk);
  }
}

}  // namespace tiercache::twin
