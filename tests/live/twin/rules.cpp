#include "rules.hpp"

#include <algorithm>
#include <cstdlib>

namespace tiercache::twin {
namespace {

using testing::Value;

struct Rule {
  std::string_view command;
  Compare compare = Compare::exact;
  std::string_view why;
  std::string_view with{};  // if not empty: only of requests with this word
  bool bare = false;        // only of requests without arguments
};

struct Skipped {
  std::string_view command;
  std::string_view why;
};

constexpr std::string_view kHashOrder = "the order of a hash table, whose seed is random";
constexpr std::string_view kRandom = "a random choice";
constexpr std::string_view kClock = "shows the time";
constexpr std::string_view kSoon = "both servers set the deadline a little apart";
constexpr std::string_view kProcess = "speaks of the process";
constexpr std::string_view kId = "shows a client's id";
constexpr std::string_view kOurs = "the proxy adds CACHE and its sections";

constexpr Rule kRules[] = {
    {"acl|genpass", Compare::shape, kRandom},
    {"acl|log", Compare::any, "shows ages and clients"},
    {"bgrewriteaof", Compare::any, "depends on what the server is writing"},
    {"bgsave", Compare::any, "depends on what the server is writing"},
    {"client|id", Compare::masked, kId},
    {"client|info", Compare::any, kId},
    {"client|list", Compare::any, kId},
    {"command", Compare::any, kOurs},
    {"command|count", Compare::masked, kOurs},
    {"command|list", Compare::any, kOurs},
    {"config|get", Compare::pairs, kHashOrder},
    {"dump", Compare::length, kHashOrder},
    {"expiretime", Compare::seconds, kSoon},
    {"function|dump", Compare::length, kHashOrder},
    {"function|list", Compare::unordered, kHashOrder},
    {"hello", Compare::masked, kId},
    {"hgetall", Compare::pairs, kHashOrder},
    {"hkeys", Compare::unordered, kHashOrder},
    {"hrandfield", Compare::shape, kRandom},
    {"hscan", Compare::pairs, kHashOrder},
    {"hvals", Compare::unordered, kHashOrder},
    {"info", Compare::any, kProcess},
    {"keys", Compare::unordered, kHashOrder},
    {"lastsave", Compare::masked, kClock},
    {"latency|histogram", Compare::any, kProcess},
    {"latency|latest", Compare::any, kProcess},
    {"lolwut", Compare::any, kRandom},
    {"memory|doctor", Compare::any, kProcess},
    {"memory|malloc-stats", Compare::any, kProcess},
    {"memory|stats", Compare::any, kProcess},
    {"memory|usage", Compare::masked, "what the allocator gives"},
    {"object|idletime", Compare::masked, kClock},
    {"pexpiretime", Compare::millis, kSoon},
    {"pttl", Compare::millis, kSoon},
    {"pubsub|channels", Compare::unordered, kHashOrder},
    {"pubsub|numpat", Compare::masked, "the event link holds a pattern"},
    {"pubsub|shardchannels", Compare::unordered, kHashOrder},
    {"punsubscribe", Compare::shape, kHashOrder, {}, true},
    {"randomkey", Compare::shape, kRandom},
    {"role", Compare::masked, "shows an offset of replication"},
    {"save", Compare::any, "depends on what the server is writing"},
    {"scan", Compare::unordered, kHashOrder},
    {"sdiff", Compare::unordered, kHashOrder},
    {"sinter", Compare::unordered, kHashOrder},
    {"slowlog|get", Compare::any, kProcess},
    {"slowlog|len", Compare::masked, kProcess},
    {"smembers", Compare::unordered, kHashOrder},
    {"sort", Compare::unordered, kHashOrder, "BY"},
    {"sort_ro", Compare::unordered, kHashOrder, "BY"},
    {"spop", Compare::unordered, "all that there is, in random order"},
    {"srandmember", Compare::shape, kRandom},
    {"sscan", Compare::unordered, kHashOrder},
    {"sunion", Compare::unordered, kHashOrder},
    {"sunsubscribe", Compare::shape, kHashOrder, {}, true},
    {"time", Compare::shape, kClock},
    {"ttl", Compare::seconds, kSoon},
    {"unsubscribe", Compare::shape, kHashOrder, {}, true},
    {"xinfo|consumers", Compare::masked, kClock},
    {"xinfo|stream", Compare::masked, kClock},
    {"xpending", Compare::masked, "shows how long ago"},
    {"zrandmember", Compare::shape, kRandom},
    {"zscan", Compare::pairs, kHashOrder},
};

constexpr std::string_view kDenied = "commands.deny lists it by default";

constexpr Skipped kSkipped[] = {
    {"client|setinfo", "of Redis 7.2: an error of 7.0, which the proxy knows"},
    {"failover", kDenied},
    {"monitor",
     "shows the commands of all connections, the proxy's own too (tests/clients has it)"},
    {"pfselftest", "takes seconds and has nothing to do with clients"},
    {"psync", kDenied},
    {"replconf", "makes the connection one of a replica"},
    {"replicaof", kDenied},
    {"script|debug", "refuses if it stands in a pipeline, and the twin gets none"},
    {"shutdown", kDenied},
    {"slaveof", kDenied},
    {"sync", kDenied},
};

constexpr std::string_view kManyReplies = "writes more replies than EXEC announces";

constexpr Skipped kNotInMulti[] = {
    {"client|id", kId},
    {"client|reply", "cuts EXEC's reply in the middle"},
    {"hello", "changes the version in the middle of EXEC's reply"},
    {"psubscribe", kManyReplies},
    {"punsubscribe", kManyReplies},
    {"quit", "ends the connection in the middle of EXEC's reply"},
    {"reset", "ends the transaction"},
    {"ssubscribe", kManyReplies},
    {"subscribe", kManyReplies},
    {"sunsubscribe", kManyReplies},
    {"unsubscribe", kManyReplies},
};

void sort_items(Value& value, std::size_t step) {
  for (Value& item : value.items) {
    sort_items(item, step);
  }
  step = value.type == Value::Type::map ? 2 : step;
  std::vector<std::vector<Value>> groups;
  for (std::size_t i = 0; i < value.items.size(); i += step) {
    const auto begin = value.items.begin() + static_cast<std::ptrdiff_t>(i);
    const auto end =
        value.items.begin() + static_cast<std::ptrdiff_t>(std::min(i + step, value.items.size()));
    groups.emplace_back(begin, end);
  }
  const auto text_of = [](const std::vector<Value>& group) {
    std::string text;
    for (const Value& item : group) {
      text += item.to_string();
    }
    return text;
  };
  std::ranges::sort(groups, {}, text_of);
  value.items.clear();
  for (std::vector<Value>& group : groups) {
    value.items.insert(value.items.end(), group.begin(), group.end());
  }
}

enum class Hide : std::uint8_t { numbers, contents, strings };

void hide(Value& value, Hide what) {
  value.integer = 0;
  if (what == Hide::contents && !value.is_error()) {
    value.text.clear();
  }
  if (what == Hide::strings && value.type == Value::Type::bulk) {
    value.text = std::to_string(value.text.size());
  }
  for (Value& item : value.items) {
    hide(item, what);
  }
}

bool close(const Value& expected, const Value& actual, std::int64_t tolerance) {
  if (expected.type != Value::Type::integer || actual.type != Value::Type::integer) {
    return expected == actual;
  }
  return (expected.integer < 0) == (actual.integer < 0) &&
         std::abs(expected.integer - actual.integer) <= tolerance;
}

template <class Rows>
auto find_row(const Rows& rows, std::string_view command) {
  return std::ranges::find_if(rows, [&](const auto& row) { return row.command == command; });
}

}  // namespace

bool is_skipped(std::string_view command) {
  return command == "cache" || command.starts_with("cache|") ||
         find_row(kSkipped, command) != std::end(kSkipped);
}

bool is_not_in_multi(std::string_view command) {
  return find_row(kNotInMulti, command) != std::end(kNotInMulti);
}

Compare compare_of(std::string_view command, const Words& words) {
  const auto* row = find_row(kRules, command);
  if (row == std::end(kRules) || (row->bare && words.size() > 1) ||
      (!row->with.empty() && std::ranges::find(words, row->with) == words.end())) {
    return Compare::exact;
  }
  return row->compare;
}

bool equal(Compare compare, Value expected, Value actual) {
  switch (compare) {
    case Compare::exact:
      return false;
    case Compare::unordered:
    case Compare::pairs:
      sort_items(expected, compare == Compare::pairs ? 2 : 1);
      sort_items(actual, compare == Compare::pairs ? 2 : 1);
      break;
    case Compare::masked:
      hide(expected, Hide::numbers);
      hide(actual, Hide::numbers);
      break;
    case Compare::shape:
      hide(expected, Hide::contents);
      hide(actual, Hide::contents);
      break;
    case Compare::length:
      hide(expected, Hide::strings);
      hide(actual, Hide::strings);
      break;
    case Compare::seconds:
      return close(expected, actual, 60);
    case Compare::millis:
      return close(expected, actual, 60'000);
    case Compare::any:
      return true;
  }
  return expected == actual;
}

}  // namespace tiercache::twin
