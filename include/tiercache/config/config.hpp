// The configuration as the rest of the program sees it: a plain struct with complete defaults, made
// at start or reload and then only read (share it as `std::shared_ptr<const Config>`). The members
// are named after the keys without the unit suffix; schema.hpp holds what is known about each key.
#pragma once

#include "tiercache/config/endpoint.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tiercache::config {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr std::size_t kKib = 1024;
inline constexpr std::size_t kMib = 1024 * kKib;
inline constexpr std::size_t kGib = 1024 * kMib;

// The enumerators stand in the order of their names in the schema, counted from 0.
enum class Eviction { lru, s3fifo, tinylfu };
enum class Invalidation { automatic, keyspace, tracking, ttl };
enum class CoherenceMode { strict, session };
enum class Tiers { l1_l2, l2, l1, l1_l2_l3 };
enum class SourceError { error, absent };
enum class LoadResult { value, hash };
enum class Strategy { cache_aside, write_through, write_back };
enum class Fsync { always, everysec };
enum class WarmupStrategy { scan, keys, query, hot, peer };
enum class Auth { upstream, proxy };
enum class ReadFrom { master, replica };
enum class LogLevel { trace, debug, info, warn, error, off };

struct Listen {
  std::uint16_t port = 6380;
  std::string address = "127.0.0.1";
  std::string unix_socket;
  std::uint32_t unix_socket_mode = 0770;
  std::uint32_t backlog = 511;
  std::uint32_t max_clients = 10000;
  seconds tcp_keepalive{300};
  seconds timeout{0};
  Auth auth = Auth::upstream;

  bool operator==(const Listen&) const = default;
};

struct Upstream {
  Endpoint address{EndpointKind::tcp, "127.0.0.1", 6379, ""};
  std::string user;
  std::string password;
  std::string password_file;
  std::vector<std::string> nodes;      // each an Endpoint of kind tcp
  std::vector<std::string> sentinels;  // likewise
  std::string master;
  std::string sentinel_user;
  std::string sentinel_password;
  milliseconds connect_timeout{1000};
  milliseconds response_timeout{60'000};  // 0: none
  milliseconds reconnect_min{50};
  milliseconds reconnect_max{5000};
  std::uint32_t max_pending = 65536;
  // Redis takes 10000 (maxclients) unless it is told otherwise. The rest is for the connections
  // that keep L1 true, other proxies, replicas, and whoever has to look after the server.
  std::uint32_t max_connections = 8000;
  std::uint32_t retry_percent = 20;
  milliseconds retry_wait{1000};
  ReadFrom read_from = ReadFrom::master;
  milliseconds max_replica_lag{1000};

  bool operator==(const Upstream&) const = default;
};

// Where upstream.nodes are set.
struct Cluster {
  bool split = true;

  bool operator==(const Cluster&) const = default;
};

struct L1 {
  bool enabled = true;
  std::size_t max_memory = 256 * kMib;
  std::size_t max_entries = 0;
  std::uint32_t shards = 0;
  milliseconds max_ttl{3'600'000};
  milliseconds negative_ttl{1000};
  std::size_t max_value = 1 * kMib;
  std::uint32_t max_variants = 64;
  std::vector<std::string> commands = {"all"};
  Eviction eviction = Eviction::lru;
  bool bypass = true;

  bool operator==(const L1&) const = default;
};

struct Coherence {
  Invalidation invalidation = Invalidation::automatic;
  std::vector<std::string> tracking_prefixes;
  CoherenceMode mode = CoherenceMode::strict;
  milliseconds max_staleness{1000};
  milliseconds heartbeat{20};
  bool canary = false;
  milliseconds canary_interval{1000};
  std::string canary_prefix = "tiercache";
  bool manage_notifications = true;
  milliseconds hold_limit{1000};
  milliseconds acl_ttl{1000};
  std::uint32_t audit_per_s = 1;
  std::uint32_t audit_trace = 512;

  bool operator==(const Coherence&) const = default;
};

struct Limits {
  std::size_t max_request = 512 * kMib;
  std::size_t max_inline = 64 * kKib;
  std::uint32_t client_pending = 1024;
  std::size_t client_output = 64 * kMib;
  std::size_t client_output_pause = 1 * kMib;
  std::uint32_t users = 256;
  milliseconds drain_timeout{10'000};

  bool operator==(const Limits&) const = default;
};

struct Commands {
  std::vector<std::string> deny = {"SHUTDOWN", "REPLICAOF", "SLAVEOF", "FAILOVER", "SYNC", "PSYNC"};

  bool operator==(const Commands&) const = default;
};

struct Warm {
  std::uint32_t rate = 10'000;
  std::uint32_t batch = 64;

  bool operator==(const Warm&) const = default;
};

// What write-back has acknowledged and the source does not have yet.
struct Journal {
  std::string dir;  // empty: no namespace writes back
  Fsync fsync = Fsync::always;
  std::size_t max_bytes = kGib;  // beyond it writes go through
  std::uint32_t batch = 256;     // writes of one transaction
  milliseconds retry_min{100};
  milliseconds retry_max{10'000};

  bool operator==(const Journal&) const = default;
};

// Who is told of invalidations besides L1.
struct Handlers {
  std::string webhook;                        // an http:// or https:// URL; empty: none
  std::string channel;                        // what Redis's PUBLISH gets; empty: none
  std::vector<std::string> of = {"command"};  // what is told
  std::uint32_t queue = 10'000;               // invalidations that wait to be told
  std::uint32_t batch = 100;                  // of one request of the webhook
  milliseconds timeout{1000};
  std::uint32_t attempts = 3;

  bool operator==(const Handlers&) const = default;
};

struct Slowlog {
  std::int64_t slower_than_us = 10'000;
  std::uint32_t max_len = 128;

  bool operator==(const Slowlog&) const = default;
};

struct Log {
  LogLevel level = LogLevel::info;
  std::string file;

  bool operator==(const Log&) const = default;
};

inline constexpr std::size_t kLocalMemory = 64 * kMib;

// [[namespace]]: the keys that one of `match` fits and no earlier namespace took.
struct Namespace {
  std::string name;
  std::vector<std::string> match;  // globs
  Tiers tiers = Tiers::l1_l2;
  std::vector<std::string> commands;  // empty: those of L1
  milliseconds ttl{0};                // 0: L1's max_ttl; of Tiers::l1: for ever
  std::uint32_t jitter_percent = 0;
  milliseconds negative_ttl{-1};       // -1: L1's
  std::size_t max_value = 0;           // 0: L1's
  milliseconds max_staleness{-1};      // -1: that of coherence, which it cannot exceed
  std::size_t max_memory = 0;          // of Tiers::l1; 0: kLocalMemory
  std::uint32_t l1_share_percent = 0;  // of L1's limits: more is evicted first; 0: no share
  bool ask_ttl = true;                 // of Tiers::l1_l2: a fill asks Redis for the key's TTL
  // Of Tiers::l1_l2_l3.
  std::string source;  // a Source's name
  std::string key;     // a KeyPattern
  std::string query;
  std::uint32_t batch = 1;                // more: the query takes an array
  LoadResult result = LoadResult::value;  // what a row becomes in Redis
  milliseconds l2_ttl{300'000};           // 0: none
  SourceError source_error = SourceError::error;
  milliseconds stale_while_revalidate{0};   // so long past l2_ttl it is served and loaded anew
  milliseconds stale_if_error{0};           // so long past l2_ttl it is served if a load fails
  std::uint32_t refresh_ahead_percent = 0;  // XFetch's beta times 100; 0: none
  bool lease = false;                       // one load of a key a fleet
  Strategy strategy = Strategy::cache_aside;
  std::string write;      // of the other strategies: the statement that puts a value
  std::string remove;     // and the one that removes a key
  bool coalesce = false;  // of write-back: of a key's adjacent writes only the last is applied

  bool operator==(const Namespace&) const = default;
};

// [[source]]: a database that namespaces load from.
struct Source {
  std::string name;
  std::string path;    // SQLite
  std::string dsn;     // PostgreSQL
  std::string url;     // HTTP
  std::string listen;  // a channel of its notifications; empty: none
  std::uint32_t concurrency = 4;
  std::uint32_t queue = 1024;
  milliseconds timeout{1000};
  std::uint32_t batch_window_us = 300;
  std::size_t validated = 16 * kMib;   // of HTTP: answers kept for conditional requests
  std::uint32_t cold_concurrency = 0;  // so many loads at a time while L1 is cold; 0: concurrency

  bool operator==(const Source&) const = default;
};

// [[warmup]]: keys that are read into L1 at start and again from time to time.
struct Warmup {
  std::string name;
  WarmupStrategy strategy = WarmupStrategy::scan;
  std::uint32_t db = 0;
  std::string pattern;            // of scan: Redis's glob
  std::vector<std::string> keys;  // of keys
  std::string file;               // of keys: one a line, behind those; of hot: where they are saved
  milliseconds save_interval{60'000};  // of hot
  std::string peer;                    // of peer: another tiercache's host:port
  std::string source;                  // of query: a Source's name
  std::string query;                   // yields keys in its first column
  milliseconds query_timeout{60'000};
  std::uint64_t limit = 0;           // keys of one run; 0: all
  std::uint32_t rate = 0;            // keys per second; 0: Warm's
  std::uint32_t priority = 0;        // the highest first
  milliseconds refresh_interval{0};  // between the beginnings of runs; 0: one run
  bool load = false;                 // what Redis lacks is loaded from its namespace's source
  bool required = false;             // clients wait for its first run,
  milliseconds deadline{30'000};     // but no longer than this

  bool operator==(const Warmup&) const = default;
};

struct Config {
  Config();  // out of line: all these defaults need not be inlined wherever one is made

  std::uint32_t threads = 0;
  Listen listen;
  Upstream upstream;
  Cluster cluster;
  L1 l1;
  Coherence coherence;
  Limits limits;
  Commands commands;
  Warm warm;
  Journal journal;
  Handlers handlers;
  Slowlog slowlog;
  Log log;
  std::vector<Source> sources;
  std::vector<Namespace> namespaces;
  std::vector<Warmup> warmups;

  bool operator==(const Config&) const = default;
};

}  // namespace tiercache::config
