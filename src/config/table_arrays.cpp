// The arrays of tables: what stands in their elements, and what must hold between them.
#include "key_makers.hpp"
#include "text.hpp"

#include "tiercache/config/http_target.hpp"
#include "tiercache/config/key_pattern.hpp"

#include <algorithm>
#include <string>

namespace tiercache::config {
namespace {

constexpr auto kStart = Reload::at_start;
constexpr std::size_t kLeastLocalMemory = 64 * kKib;

constexpr std::string_view kTiers[] = {"l1+l2", "l2", "l1", "l1+l2+l3"};
constexpr std::string_view kSourceErrors[] = {"error", "absent"};
constexpr std::string_view kLoadResults[] = {"value", "hash"};
constexpr std::string_view kStrategies[] = {"cache-aside", "write-through", "write-back"};

using N = Namespace;

constexpr ElementKey kNamespaceKeys[] = {
    text<&N::name>("namespace.name", 1, 64, kStart,
                   "What it is called in statistics and errors: letters, digits, - and _"),
    key<&N::match>("namespace.match", Kind::patterns, 0, 64, kStart,
                   "The keys it is for, as globs; a key belongs to the first namespace that fits"),
    choice<&N::tiers>(
        "namespace.tiers", kTiers, kStart,
        "Where its data lives: l1+l2 = kept in L1 too, l2 = always asked of Redis, "
        "l1 = in the proxy alone, l1+l2+l3 = loaded from a source if Redis has it not"),
    listed<&N::commands>("namespace.commands", kL1Commands, kStart,
                         "The reads that are answered from L1, as l1.commands; empty = those"),
    duration<&N::ttl>(
        "namespace.ttl_ms", 0, 365 * kDayMs, kStart,
        "The longest a reply is kept in L1; 0 = l1.max_ttl_ms, with tiers l1: for ever"),
    boolean<&N::ask_ttl>(
        "namespace.ask_ttl", kStart,
        "With tiers l1+l2: a miss asks Redis for the key's TTL too; false = it does not, and a "
        "reply is kept for ttl_ms though the key may expire in Redis before that"),
    integer<&N::jitter_percent>(
        "namespace.jitter_percent", 0, 90, kStart,
        "Each reply is kept in L1 for up to so much less than ttl_ms, and what a source gave in "
        "Redis "
        "for up to so much less than l2_ttl_ms, so that they do not expire together"),
    duration<&N::negative_ttl>("namespace.negative_ttl_ms", -1, kDayMs, kStart,
                               "How long a missing key is remembered; -1 = l1.negative_ttl_ms"),
    size<&N::max_value>("namespace.max_value", 0, kTib, kStart,
                        "Larger replies are passed on but not kept; 0 = l1.max_value"),
    duration<&N::max_staleness>(
        "namespace.max_staleness_ms", -1, kDayMs, kStart,
        "As coherence.max_staleness_ms where it is less than that; -1 = that"),
    integer<&N::l1_share_percent>(
        "namespace.l1_share_percent", 0, 100, kStart,
        "Percent of L1: when L1 is full, who has filled the most of its share makes room (keys "
        "without one have the whole as theirs); 0 = no share"),
    size<&N::max_memory>("namespace.max_memory", 0, kTib, kStart,
                         "With tiers l1: memory for its keys, bookkeeping included; 0 = 64mb"),
    text<&N::source>("namespace.source", 0, 64, kStart,
                     "With tiers l1+l2+l3: the name of the source that GET loads from"),
    text<&N::key>("namespace.key", 0, 256, kStart,
                  "How keys are made, such as account:{id:int}; their parts are the query's "
                  "parameters"),
    text<&N::query>(
        "namespace.query", 0, 4096, kStart,
        "What the source is asked: SQL that yields one column, with parameters by name (:id), or "
        "a path (/users/{id})"),
    choice<&N::result>("namespace.result", kLoadResults, kStart,
                       "What a row becomes in Redis: value = a string, of its one column, hash = a "
                       "hash with a field for each column (of HTTP: for each member of a JSON "
                       "object), which HGET, HGETALL and the like load"),
    integer<&N::batch>("namespace.batch", 1, 10'000, kStart,
                       "PostgreSQL: so many keys go in one query, whose parameter is then an array "
                       "(= ANY(:id)) and which yields two columns, the key's part and the value "
                       "(with result = hash all but the first are fields)"),
    duration<&N::l2_ttl>("namespace.l2_ttl_ms", 0, 365 * kDayMs, kStart,
                         "The TTL in Redis of what was loaded; 0 = none"),
    choice<&N::source_error>("namespace.source_error", kSourceErrors, kStart,
                             "What a failed load answers: error, or absent = nil"),
    choice<&N::strategy>(
        "namespace.strategy", kStrategies, kStart,
        "With tiers l1+l2+l3: cache-aside = a client's write goes to Redis alone, "
        "write-through = SET, MSET, DEL and the like are in the source before they are in Redis, "
        "write-back = they are in the journal before, and in the source later"),
    text<&N::write>("namespace.write", 0, 4096, kStart,
                    "The statement that puts a value into the source; its parameters are the parts "
                    "of the key by name (:id), and :value"),
    text<&N::remove>("namespace.remove", 0, 4096, kStart,
                     "The statement that removes a key from the source; empty = DEL is refused"),
    boolean<&N::coalesce>("namespace.coalesce", kStart,
                          "With strategy write-back: of the writes of a key that go in one "
                          "transaction only the last is applied; not for a table that logs them"),
    duration<&N::stale_while_revalidate>(
        "namespace.stale_while_revalidate_ms", 0, 365 * kDayMs, kStart,
        "So long past l2_ttl_ms what was loaded is still served, and loaded anew meanwhile"),
    duration<&N::stale_if_error>(
        "namespace.stale_if_error_ms", 0, 365 * kDayMs, kStart,
        "So long past l2_ttl_ms what was loaded is served if it cannot be loaded anew"),
    integer<&N::refresh_ahead_percent>(
        "namespace.refresh_ahead_percent", 0, 10'000, kStart,
        "Loaded anew at random before l2_ttl_ms is over, the earlier the longer its load takes "
        "(XFetch's beta times 100); 0 = not"),
    boolean<&N::lease>("namespace.lease", kStart,
                       "One proxy of all that share a Redis loads a key, the others wait for it"),
};

using S = Source;

constexpr ElementKey kSourceKeys[] = {
    text<&S::name>("source.name", 1, 64, kStart,
                   "What namespaces call it: letters, digits, - and _"),
    text<&S::path>(
        "source.path", 0, 4095, kStart,
        "An SQLite database, opened for reading only unless a namespace writes; or dsn, or "
        "url"),
    secret(
        text<&S::dsn>("source.dsn", 0, 4095, kStart,
                      "A PostgreSQL database as libpq names it: host=... dbname=... user=..., or "
                      "a URI; or path, or url")),
    text<&S::url>(
        "source.url", 0, 4095, kStart,
        "A server of HTTP, http[s]://host:port/path, which is asked with GET; or path, or dsn"),
    size<&S::validated>("source.validated", 0, kTib, kStart,
                        "With url: memory for answers that have an ETag or a Last-Modified, which "
                        "are asked for conditionally; 0 = none"),
    text<&S::listen>("source.listen", 0, 63, kStart,
                     "With dsn: a channel whose notifications (NOTIFY channel, 'key') invalidate"),
    integer<&S::concurrency>("source.concurrency", 1, 256, kStart, "Queries at a time"),
    integer<&S::cold_concurrency>(
        "source.cold_concurrency", 0, 256, kStart,
        "So many to begin with and after it was left alone; more as they are answered, the faster "
        "the more reads need none; 0 = concurrency"),
    integer<&S::queue>("source.queue", 0, 1'048'576, kStart,
                       "Loads that wait for their turn; beyond it loads fail at once"),
    duration<&S::timeout>("source.timeout_ms", 1, kDayMs, kStart,
                          "How long a load may take, waiting included; then it fails"),
    integer<&S::batch_window_us>("source.batch_window_us", 0, 100'000, kStart,
                                 "How long a load waits for others to go with, where its "
                                 "namespace has a batch"),
};

constexpr std::string_view kWarmupStrategies[] = {"scan", "keys", "query", "hot", "peer"};
constexpr std::uint64_t kMostHot = 100'000;  // what CACHE HOT lists at most

using W = Warmup;

constexpr ElementKey kWarmupKeys[] = {
    text<&W::name>("warmup.name", 1, 64, kStart,
                   "What it is called in CACHE WARM STATUS and the log: letters, digits, - and _"),
    choice<&W::strategy>("warmup.strategy", kWarmupStrategies, kStart,
                         "Which keys: those that a scan of Redis finds (scan), a list or a file "
                         "(keys), what a source is asked for (query), the hot ones that the last "
                         "run has saved (hot), or those of another tiercache (peer)"),
    integer<&W::db>("warmup.db", 0, 65'535, kStart, "The database of Redis that is read"),
    text<&W::pattern>("warmup.pattern", 0, 256, kStart,
                      "With strategy scan: the keys, as Redis's glob"),
    key<&W::keys>("warmup.keys", Kind::words, 0, 1024, kStart,
                  "With strategy keys: these (one with white space needs the file)"),
    text<&W::file>("warmup.file", 0, 4095, kStart,
                   "With strategy keys: a file of one key a line, which is read at each run; "
                   "with hot: where they are saved"),
    duration<&W::save_interval>("warmup.save_interval_ms", 1000, kDayMs, kStart,
                                "With strategy hot: the hot keys are saved so often, and at the "
                                "end"),
    text<&W::peer>("warmup.peer", 0, 300, kStart,
                   "With strategy peer: the host:port of the tiercache that is asked"),
    text<&W::source>("warmup.source", 0, 64, kStart,
                     "With strategy query: the name of the source that is asked"),
    text<&W::query>("warmup.query", 0, 4096, kStart,
                    "With strategy query: it yields keys in its first column, without parameters"),
    duration<&W::query_timeout>("warmup.query_timeout_ms", 1, kDayMs, kStart,
                                "With strategy query or peer: how long that may take"),
    integer<&W::limit>("warmup.limit", 0, kTib, kStart,
                       "Keys of one run at most; 0 = all, with strategy hot or peer 10000"),
    integer<&W::rate>("warmup.rate", 0, kManyU32, kStart, "Keys per second; 0 = warm.rate"),
    integer<&W::priority>("warmup.priority", 0, 1000, kStart,
                          "Where more are due than run at a time the highest goes first"),
    duration<&W::refresh_interval>("warmup.refresh_interval_ms", 0, 365 * kDayMs, kStart,
                                   "It runs again so long after it began; 0 = once, at start"),
    boolean<&W::load>("warmup.load", kStart,
                      "What Redis has not is loaded from the source of its namespace, and stored "
                      "in Redis"),
    boolean<&W::required>("warmup.required", kStart,
                          "Clients are let in only when its first run has ended"),
    duration<&W::deadline>("warmup.deadline_ms", 1, kDayMs, kStart,
                           "If required: clients wait no longer than this from the start"),
};

bool is_name(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  });
}

template <class T>
std::string wrong_with_name(const std::vector<T>& all, std::size_t index, std::string_view table) {
  const std::string& name = all[index].name;
  if (name.empty()) {
    return concat({table, ".name is missing"});
  }
  if (!is_name(name)) {
    return concat({table, ".name may hold letters, digits, - and _ only"});
  }
  for (std::size_t i = 0; i < index; ++i) {
    if (all[i].name == name) {
      return concat({"there is a ", table, " '", name, "' already"});
    }
  }
  return {};
}

bool any_stale(const Namespace& one) {
  return one.stale_while_revalidate.count() > 0 || one.stale_if_error.count() > 0 ||
         one.refresh_ahead_percent > 0;
}

// Of one that lives in the proxy alone, or not: the first key that means nothing there.
std::string_view meaningless(const Namespace& one) {
  if (one.l1_share_percent != 0 && (one.tiers == Tiers::l1 || one.tiers == Tiers::l2)) {
    return "l1_share_percent";
  }
  if (!one.ask_ttl && one.tiers != Tiers::l1_l2) {
    return "ask_ttl";
  }
  if (one.tiers != Tiers::l1_l2_l3) {
    const std::string_view key = !one.source.empty()                     ? "source"
                                 : !one.key.empty()                      ? "key"
                                 : !one.query.empty()                    ? "query"
                                 : one.batch != 1                        ? "batch"
                                 : one.result != LoadResult::value       ? "result"
                                 : one.strategy != Strategy::cache_aside ? "strategy"
                                 : one.lease                             ? "lease"
                                 : any_stale(one) ? "stale_while_revalidate_ms"
                                                  : "";
    if (!key.empty()) {
      return key;
    }
  }
  if (one.strategy == Strategy::cache_aside && (!one.write.empty() || !one.remove.empty())) {
    return one.write.empty() ? "remove" : "write";
  }
  if (one.strategy != Strategy::write_back && one.coalesce) {
    return "coalesce";
  }
  if (one.tiers != Tiers::l1) {
    return one.max_memory != 0 ? "max_memory" : "";
  }
  return !one.commands.empty()                                       ? "commands"
         : one.jitter_percent != 0                                   ? "jitter_percent"
         : one.negative_ttl.count() >= 0                             ? "negative_ttl_ms"
         : one.max_staleness.count() >= 0                            ? "max_staleness_ms"
         : one.max_memory != 0 && one.max_memory < kLeastLocalMemory ? "max_memory below 64kb"
                                                                     : "";
}

std::string wrong_with_writing(const Namespace& one, const Source& source,
                               const std::vector<std::string>& parts) {
  if (source.path.empty() && source.dsn.empty()) {
    return concat({"namespace '", one.name, "': source '", source.name, "' cannot be written to"});
  }
  if (one.write.empty()) {
    return concat({"namespace '", one.name, "': namespace.write is missing"});
  }
  if (std::ranges::find(parts, "value") != parts.end()) {
    return concat({"namespace '", one.name,
                   "': a part of namespace.key is called value, as what is written is"});
  }
  return {};
}

std::string wrong_with_loading(const Config& config, const Namespace& one) {
  const auto source = std::ranges::find(config.sources, one.source, &Source::name);
  if (source == config.sources.end()) {
    return concat({"namespace '", one.name, "': there is no source '", one.source, "'"});
  }
  const auto pattern = KeyPattern::parse(one.key);
  if (!pattern) {
    return concat({"namespace '", one.name, "': namespace.key: ", pattern.error().detail});
  }
  if (one.batch > 1 && (source->dsn.empty() || pattern.value().names().size() != 1)) {
    return concat(
        {"namespace '", one.name, "': namespace.batch needs PostgreSQL and a key of one part"});
  }
  if (one.query.empty()) {
    return concat({"namespace '", one.name, "': namespace.query is missing"});
  }
  if (!source->url.empty()) {
    const auto path = PathPattern::parse(one.query, pattern.value().names());
    if (!path) {
      return concat({"namespace '", one.name, "': namespace.query: ", path.error().detail});
    }
  }
  if (one.l2_ttl.count() == 0 && any_stale(one)) {
    return concat(
        {"namespace '", one.name, "': what is loaded never grows stale: namespace.l2_ttl_ms is 0"});
  }
  if (one.strategy != Strategy::cache_aside && one.result == LoadResult::hash) {
    return concat({"namespace '", one.name,
                   "': a hash can only be read: namespace.result hash needs the strategy "
                   "cache-aside"});
  }
  if (one.strategy != Strategy::cache_aside) {
    return wrong_with_writing(one, *source, pattern.value().names());
  }
  return {};
}

std::string wrong_with_source(const Config& config, std::size_t index) {
  const Source& one = config.sources[index];
  if (std::string wrong = wrong_with_name(config.sources, index, "source"); !wrong.empty()) {
    return wrong;
  }
  if ((one.path.empty() ? 0 : 1) + (one.dsn.empty() ? 0 : 1) + (one.url.empty() ? 0 : 1) != 1) {
    return concat({"source '", one.name,
                   "': it needs one of source.path, source.dsn and source.url, and no other"});
  }
  if (!one.url.empty()) {
    if (const auto url = parse_base_url(one.url); !url) {
      return concat({"source '", one.name, "': source.url: ", url.error().detail});
    }
  }
  if (one.cold_concurrency > one.concurrency) {
    return concat(
        {"source '", one.name, "': source.cold_concurrency must not exceed source.concurrency"});
  }
  if (!one.listen.empty() && one.dsn.empty()) {
    return concat({"source '", one.name, "': source.listen needs PostgreSQL"});
  }
  return {};
}

std::string wrong_with_namespace(const Config& config, std::size_t index) {
  const Namespace& one = config.namespaces[index];
  if (std::string wrong = wrong_with_name(config.namespaces, index, "namespace"); !wrong.empty()) {
    return wrong;
  }
  if (one.match.empty()) {
    return concat({"namespace '", one.name, "' matches nothing: namespace.match is missing"});
  }
  if (const std::string_view key = meaningless(one); !key.empty()) {
    const bool write = key == "write" || key == "remove" || key == "coalesce";
    return concat({"namespace '", one.name, "': namespace.", key, " means nothing with its ",
                   write ? "strategy" : "tiers"});
  }
  if (!one.ask_ttl && one.ttl.count() == 0) {
    return concat({"namespace '", one.name,
                   "': with ask_ttl false namespace.ttl_ms says how long a reply is kept: it is "
                   "missing"});
  }
  if (one.tiers == Tiers::l1_l2_l3) {
    return wrong_with_loading(config, one);
  }
  return {};
}

// The first key that is of another strategy than its own.
std::string_view meaningless(const Warmup& one) {
  const bool scan = one.strategy == WarmupStrategy::scan;
  const bool keys = one.strategy == WarmupStrategy::keys;
  const bool query = one.strategy == WarmupStrategy::query;
  const bool hot = one.strategy == WarmupStrategy::hot;
  const bool peer = one.strategy == WarmupStrategy::peer;
  return !scan && !one.pattern.empty()                         ? "pattern"
         : !keys && !one.keys.empty()                          ? "keys"
         : !keys && !hot && !one.file.empty()                  ? "file"
         : !hot && one.save_interval != Warmup().save_interval ? "save_interval_ms"
         : !peer && !one.peer.empty()                          ? "peer"
         : !query && !one.source.empty()                       ? "source"
         : !query && !one.query.empty()                        ? "query"
         : scan && one.load                                    ? "load"
                                                               : "";
}

// The strategy's own keys.
std::string wrong_with_strategy(const Config& config, const Warmup& one) {
  const auto source = std::ranges::find(config.sources, one.source, &Source::name);
  switch (one.strategy) {
    case WarmupStrategy::scan:
      return one.pattern.empty() ? "warmup.pattern is missing" : "";
    case WarmupStrategy::keys:
      return one.keys.empty() && one.file.empty() ? "it needs warmup.keys or warmup.file" : "";
    case WarmupStrategy::query:
      if (source == config.sources.end()) {
        return concat({"there is no source '", one.source, "'"});
      }
      if (!source->url.empty()) {
        return concat(
            {"source '", one.source, "' is of HTTP, which has no queries that list keys"});
      }
      return one.query.empty() ? "warmup.query is missing" : "";
    case WarmupStrategy::hot:
      return one.file.empty() ? "warmup.file is missing"
             : one.limit > kMostHot
                 ? "warmup.limit is beyond 100000, which its strategy has at most"
                 : "";
    case WarmupStrategy::peer: {
      if (one.peer.empty()) {
        return "warmup.peer is missing";
      }
      const auto peer = parse_endpoint(one.peer);
      return !peer ? concat({"warmup.peer: ", peer.error().detail})
             : peer.value().kind != EndpointKind::tcp ? "warmup.peer: it is no host:port"
             : one.limit > kMostHot
                 ? "warmup.limit is beyond 100000, which its strategy has at most"
                 : "";
    }
  }
  return {};
}

std::string wrong_with_warmup(const Config& config, std::size_t index) {
  const Warmup& one = config.warmups[index];
  if (std::string wrong = wrong_with_name(config.warmups, index, "warmup"); !wrong.empty()) {
    return wrong;
  }
  if (const std::string_view key = meaningless(one); !key.empty()) {
    return concat({"warmup '", one.name, "': warmup.", key, " means nothing with its strategy"});
  }
  for (std::size_t i = 0; i < index; ++i) {
    const Warmup& other = config.warmups[i];
    if (one.strategy == WarmupStrategy::hot && other.strategy == WarmupStrategy::hot &&
        one.file == other.file) {
      return concat({"warmup '", one.name, "': warmup.file is that of '", other.name, "' too"});
    }
  }
  if (one.load && std::ranges::none_of(config.namespaces, [](const Namespace& space) {
        return space.tiers == Tiers::l1_l2_l3;
      })) {
    return concat({"warmup '", one.name, "': warmup.load: no namespace has a source"});
  }
  const std::string wrong = wrong_with_strategy(config, one);
  return wrong.empty() ? wrong : concat({"warmup '", one.name, "': ", wrong});
}

constexpr TableArray kTableArrays[] = {
    {"source",
     "Databases and servers that namespaces of tiers l1+l2+l3 load from, and warmups ask for keys",
     16, kSourceKeys, [](const Config& config) { return config.sources.size(); },
     [](const Config& config, std::size_t index) -> const void* { return &config.sources[index]; },
     [](Config& config) -> void* { return &config.sources.emplace_back(); },
     [](Config& config) { config.sources.clear(); },
     [](const Config& one, const Config& other) { return one.sources == other.sources; },
     [](Config& to, const Config& from) { to.sources = from.sources; }, &wrong_with_source},
    {"namespace", "Keys that are treated alike, and how", 256, kNamespaceKeys,
     [](const Config& config) { return config.namespaces.size(); },
     [](const Config& config, std::size_t index) -> const void* {
       return &config.namespaces[index];
     },
     [](Config& config) -> void* { return &config.namespaces.emplace_back(); },
     [](Config& config) { config.namespaces.clear(); },
     [](const Config& one, const Config& other) { return one.namespaces == other.namespaces; },
     [](Config& to, const Config& from) { to.namespaces = from.namespaces; },
     &wrong_with_namespace},
    {"warmup", "Keys that are read into L1 before clients ask for them", 64, kWarmupKeys,
     [](const Config& config) { return config.warmups.size(); },
     [](const Config& config, std::size_t index) -> const void* { return &config.warmups[index]; },
     [](Config& config) -> void* { return &config.warmups.emplace_back(); },
     [](Config& config) { config.warmups.clear(); },
     [](const Config& one, const Config& other) { return one.warmups == other.warmups; },
     [](Config& to, const Config& from) { to.warmups = from.warmups; }, &wrong_with_warmup},
};

}  // namespace

std::span<const TableArray> table_arrays() noexcept {
  return kTableArrays;
}

const TableArray* find_table_array(std::string_view name) noexcept {
  for (const TableArray& array : kTableArrays) {
    if (array.name == name) {
      return &array;
    }
  }
  return nullptr;
}

}  // namespace tiercache::config
