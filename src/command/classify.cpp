#include "options.hpp"
#include "words.hpp"

#include "tiercache/command/command.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace tiercache::command {
namespace {

constexpr std::array<std::pair<std::string_view, std::uint32_t>, 19> kFlagNames{{
    {"write", kWrite},
    {"readonly", kReadonly},
    {"denyoom", kDenyoom},
    {"admin", kAdmin},
    {"pubsub", kPubsub},
    {"noscript", kNoscript},
    {"blocking", kBlocking},
    {"loading", kLoading},
    {"stale", kStale},
    {"skip_monitor", kSkipMonitor},
    {"skip_slowlog", kSkipSlowlog},
    {"asking", kAsking},
    {"fast", kFast},
    {"no_auth", kNoAuth},
    {"movablekeys", kMovablekeys},
    {"no_mandatory_keys", kNoMandatoryKeys},
    {"no_async_loading", kNoAsyncLoading},
    {"no_multi", kNoMulti},
    {"allow_busy", kAllowBusy},
}};

// What DEBUG does that leaves the keyspace as it is. Everything else counts as a flush: RELOAD,
// LOADAOF and RESTART replace it, POPULATE fills it, and servers differ in what they add.
constexpr std::string_view kHarmlessDebug[] = {"aof-flush-sleep",
                                               "change-repl-id",
                                               "client-eviction",
                                               "clusterlink",
                                               "config-rewrite-force-all",
                                               "digest",
                                               "digest-value",
                                               "drop-cluster-packet-filter",
                                               "error",
                                               "help",
                                               "htstats",
                                               "htstats-key",
                                               "leak",
                                               "listpack",
                                               "log",
                                               "mallctl",
                                               "mallctl-str",
                                               "object",
                                               "pause-cron",
                                               "protocol",
                                               "quicklist",
                                               "quicklist-packed-threshold",
                                               "replybuffer",
                                               "sdslen",
                                               "set-active-expire",
                                               "set-skip-checksum-validation",
                                               "sleep",
                                               "stringmatch-test",
                                               "structsize"};

Classified classify_debug(const Command& command, Args args) {
  if (args.size() < 2) {
    return {Kind::none, command.route};
  }
  const auto is = [&](std::string_view word) {
    return is_word(args[1], word);
  };
  const Route route = is("sleep") ? Route::blocking : command.route;
  return {std::ranges::any_of(kHarmlessDebug, is) ? Kind::none : Kind::flush, route};
}

}  // namespace

std::uint32_t flag_from_name(std::string_view name) {
  const auto* const found =
      std::ranges::find(kFlagNames, name, &std::pair<std::string_view, std::uint32_t>::first);
  return found != kFlagNames.end() ? found->second : 0;
}

Classified classify(const Command& command, Args args) {
  const auto kind = [&](Kind value) {
    return Classified{value, command.route};
  };
  const auto write_if = [&](bool writes) {
    return kind(writes ? Kind::write : Kind::read);
  };
  switch (command.syntax) {
    case Syntax::plain:
    case Syntax::pairs:
    case Syntax::copy:
    case Syntax::move:
    case Syntax::migrate:
      break;
    case Syntax::exists:
      return kind(args.size() == 2 ? Kind::cacheable_read : Kind::multi_read);
    case Syntax::getex:
      return write_if(args.size() > 2);
    case Syntax::bitfield:
      return write_if(bitfield_writes(args));
    case Syntax::sort:
      return write_if(sort_destination(args) != 0);
    case Syntax::georadius:
      return write_if(georadius_destination(args, kGeoradiusOptions) != 0);
    case Syntax::georadius_member:
      return write_if(georadius_destination(args, kGeoradiusMemberOptions) != 0);
    case Syntax::streams:
      return {command.kind, parse_streams(args).block ? Route::blocking : command.route};
    case Syntax::ping:
      return {Kind::none, args.size() == 1 ? Route::local : Route::shared};
    case Syntax::debug:
      return classify_debug(command, args);
  }
  return {command.kind, command.route};
}

}  // namespace tiercache::command
