#include "tiercache/command/cache_docs.hpp"

namespace tiercache::command {
namespace {

using Type = ArgDoc::Type;

constexpr std::string_view kSince = "0.1.0";

constexpr ArgDoc kKeyArgs[] = {{.name = "key", .type = Type::key}};

constexpr ArgDoc kHotArgs[] = {
    {.name = "count", .type = Type::integer, .token = "COUNT", .optional = true}};

constexpr ArgDoc kInvalidateKeyArgs[] = {
    {.name = "key", .type = Type::pure_token, .token = "KEY"},
    {.name = "key", .type = Type::key, .multiple = true},
};
constexpr ArgDoc kInvalidateTagArgs[] = {
    {.name = "part", .token = "TAG"},
    {.name = "value"},
};
constexpr ArgDoc kInvalidateActions[] = {
    {.name = "key-block", .type = Type::block, .arguments = kInvalidateKeyArgs},
    {.name = "prefix", .token = "PREFIX"},
    {.name = "namespace", .token = "NAMESPACE"},
    {.name = "tag-block", .type = Type::block, .arguments = kInvalidateTagArgs},
};
constexpr ArgDoc kInvalidateArgs[] = {
    {.name = "soft", .type = Type::pure_token, .token = "SOFT", .optional = true},
    {.name = "selection", .type = Type::oneof, .arguments = kInvalidateActions},
    {.name = "wait", .type = Type::pure_token, .token = "WAIT", .optional = true}};

constexpr ArgDoc kMarkActions[] = {
    {.name = "on", .type = Type::pure_token, .token = "ON"},
    {.name = "off", .type = Type::pure_token, .token = "OFF"},
};
constexpr ArgDoc kMarkArgs[] = {{.name = "switch", .type = Type::oneof, .arguments = kMarkActions}};

constexpr ArgDoc kFlushArgs[] = {{.name = "pattern", .type = Type::pattern, .optional = true}};

constexpr ArgDoc kStartArgs[] = {
    {.name = "start", .type = Type::pure_token, .token = "START"},
    {.name = "pattern", .type = Type::pattern},
    {.name = "limit", .type = Type::integer, .token = "LIMIT", .optional = true},
    {.name = "rate", .type = Type::integer, .token = "RATE", .optional = true},
};
constexpr ArgDoc kWarmActions[] = {
    {.name = "start-block", .type = Type::block, .arguments = kStartArgs},
    {.name = "status", .type = Type::pure_token, .token = "STATUS"},
    {.name = "stop", .type = Type::pure_token, .token = "STOP"},
};
constexpr ArgDoc kWarmArgs[] = {{.name = "action", .type = Type::oneof, .arguments = kWarmActions}};

constexpr ArgDoc kLatencyArgs[] = {
    {.name = "reset", .type = Type::pure_token, .token = "RESET", .optional = true}};

constexpr ArgDoc kSlowGetArgs[] = {
    {.name = "get", .type = Type::pure_token, .token = "GET"},
    {.name = "count", .type = Type::integer, .optional = true},
};
constexpr ArgDoc kSlowActions[] = {
    {.name = "get-block", .type = Type::block, .arguments = kSlowGetArgs},
    {.name = "len", .type = Type::pure_token, .token = "LEN"},
    {.name = "reset", .type = Type::pure_token, .token = "RESET"},
};
constexpr ArgDoc kSlowArgs[] = {{.name = "action", .type = Type::oneof, .arguments = kSlowActions}};

constexpr ArgDoc kSettingArgs[] = {{.name = "name"}, {.name = "value"}};
constexpr ArgDoc kGetArgs[] = {
    {.name = "get", .type = Type::pure_token, .token = "GET"},
    {.name = "pattern", .type = Type::pattern, .multiple = true},
};
constexpr ArgDoc kSetArgs[] = {
    {.name = "set", .type = Type::pure_token, .token = "SET"},
    {.name = "setting", .type = Type::block, .multiple = true, .arguments = kSettingArgs},
};
constexpr ArgDoc kConfigActions[] = {
    {.name = "get-block", .type = Type::block, .arguments = kGetArgs},
    {.name = "set-block", .type = Type::block, .arguments = kSetArgs},
};
constexpr ArgDoc kConfigArgs[] = {
    {.name = "action", .type = Type::oneof, .arguments = kConfigActions}};

constexpr CommandDoc kContainer{
    .name = "cache",
    .summary = "A container for the commands of the caching proxy.",
    .syntax = "CACHE <subcommand> [<arg> ...]",
    .since = kSince,
};

constexpr CommandDoc kSubcommands[] = {
    {
        .name = "cache|clients",
        .summary = "Lists the clients that are connected to the proxy.",
        .syntax = "CACHE CLIENTS",
        .since = kSince,
    },
    {
        .name = "cache|config",
        .summary = "Reads or changes settings of the proxy.",
        .syntax = "CACHE CONFIG GET <pattern> [<pattern> ...] | SET <name> <value> "
                  "[<name> <value> ...]",
        .since = kSince,
        .arguments = kConfigArgs,
    },
    {
        .name = "cache|explain",
        .summary = "Shows how the proxy treats a key, and what happened to it last.",
        .syntax = "CACHE EXPLAIN <key>",
        .since = kSince,
        .arguments = kKeyArgs,
    },
    {
        .name = "cache|flush",
        .summary = "Empties the proxy's own memory; Redis keeps its data.",
        .syntax = "CACHE FLUSH [<pattern>]",
        .since = kSince,
        .arguments = kFlushArgs,
    },
    {
        .name = "cache|help",
        .summary = "Shows the subcommands of CACHE.",
        .syntax = "CACHE HELP",
        .since = kSince,
    },
    {
        .name = "cache|hot",
        .summary = "Lists the keys of the client's db that the proxy's memory would keep longest.",
        .syntax = "CACHE HOT [COUNT <n>]",
        .since = kSince,
        .arguments = kHotArgs,
    },
    {
        .name = "cache|invalidate",
        .summary = "Removes the copies of keys: the proxy's, and Redis's where a source is behind.",
        .syntax = "CACHE INVALIDATE [SOFT] KEY <key> [<key> ...] | PREFIX <prefix> [WAIT] | "
                  "NAMESPACE <name> [WAIT] | TAG <part> <value> [WAIT]",
        .since = kSince,
        .arguments = kInvalidateArgs,
    },
    {
        .name = "cache|key",
        .summary = "Shows what the proxy holds and knows of a key.",
        .syntax = "CACHE KEY <key>",
        .since = kSince,
        .arguments = kKeyArgs,
    },
    {
        .name = "cache|latency",
        .summary = "Shows or forgets how long answers took, by who gave them.",
        .syntax = "CACHE LATENCY [RESET]",
        .since = kSince,
        .arguments = kLatencyArgs,
    },
    {
        .name = "cache|mark",
        .summary = "Precedes what is served stale to this client by an attribute of RESP3.",
        .syntax = "CACHE MARK ON | OFF",
        .since = kSince,
        .arguments = kMarkArgs,
    },
    {
        .name = "cache|slowlog",
        .summary = "Shows or forgets the requests that took longest through the proxy.",
        .syntax = "CACHE SLOWLOG GET [<count>] | LEN | RESET",
        .since = kSince,
        .arguments = kSlowArgs,
    },
    {
        .name = "cache|stats",
        .summary = "Returns the counters of the proxy as fields and values.",
        .syntax = "CACHE STATS",
        .since = kSince,
    },
    {
        .name = "cache|topology",
        .summary = "Shows the servers behind the proxy: roles, links, event link, generation.",
        .syntax = "CACHE TOPOLOGY",
        .since = kSince,
    },
    {
        .name = "cache|warm",
        .summary = "Starts, stops or shows the warmup of the proxy's memory.",
        .syntax = "CACHE WARM START <pattern> [LIMIT <n>] [RATE <n>] | STATUS | STOP",
        .since = kSince,
        .arguments = kWarmArgs,
    },
};

}  // namespace

std::string_view arg_type_name(ArgDoc::Type type) {
  switch (type) {
    case Type::string:
      return "string";
    case Type::integer:
      return "integer";
    case Type::key:
      return "key";
    case Type::pattern:
      return "pattern";
    case Type::pure_token:
      return "pure-token";
    case Type::oneof:
      return "oneof";
    case Type::block:
      return "block";
  }
  return "string";
}

const CommandDoc& cache_doc() {
  return kContainer;
}

std::span<const CommandDoc> cache_subcommand_docs() {
  return kSubcommands;
}

}  // namespace tiercache::command
