#include "tiercache/config/schema.hpp"

#include "key_makers.hpp"

namespace tiercache::config {
namespace {

constexpr std::string_view kEvictions[] = {"lru", "s3fifo", "tinylfu"};
constexpr std::string_view kInvalidations[] = {"auto", "keyspace", "tracking", "ttl"};
constexpr std::string_view kFsyncs[] = {"always", "everysec"};
constexpr std::string_view kModes[] = {"strict", "session"};
constexpr std::string_view kAuths[] = {"upstream", "proxy"};
constexpr std::string_view kReadFroms[] = {"master", "replica"};
constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warn", "error", "off"};

constexpr auto kStart = Reload::at_start;
constexpr auto kLive = Reload::live;

using C = Config;

// A key is live only where every use reads the current Config; commands.deny is not, although it
// could be: a client that may lift the list is not kept from anything by it.
constexpr Key kSchema[] = {
    integer<&C::threads>("threads", 0, 256, kStart, "I/O threads; 0 = one per core"),

    integer<&C::listen, &Listen::port>("listen.port", 0, 65535, kStart,
                                       "TCP port for clients; 0 = none"),
    text<&C::listen, &Listen::address>("listen.address", 1, kMaxHost, kStart,
                                       "Address to bind the TCP port to"),
    text<&C::listen, &Listen::unix_socket>("listen.unix_socket", 0, kMaxSocketPath, kStart,
                                           "Path of a unix socket for clients; empty = none"),
    key<&C::listen, &Listen::unix_socket_mode>("listen.unix_socket_mode", Kind::mode, 0, 0777,
                                               kStart, "Permissions of the unix socket"),
    integer<&C::listen, &Listen::backlog>("listen.backlog", 1, 65535, kStart,
                                          "Connections the kernel queues before they are accepted"),
    integer<&C::listen, &Listen::max_clients>("listen.max_clients", 1, 1'000'000, kLive,
                                              "Clients at a time; further ones are turned away"),
    duration<&C::listen, &Listen::tcp_keepalive>(
        "listen.tcp_keepalive_s", 0, 86'400, kStart,
        "TCP keepalive interval of new client connections; 0 = off"),
    duration<&C::listen, &Listen::timeout>("listen.timeout_s", 0, 31'536'000, kLive,
                                           "Close a client idle for so long; 0 = never"),
    choice<&C::listen, &Listen::auth>("listen.auth", kAuths, kStart,
                                      "Clients that have not logged in are what Redis takes them "
                                      "for (upstream), or upstream.user (proxy)"),

    key<&C::upstream, &Upstream::address>(
        "upstream.address", Kind::endpoint, 0, 0, kStart,
        "The Redis behind the proxy; not used with nodes or sentinels"),
    text<&C::upstream, &Upstream::user>("upstream.user", 0, 1024, kStart,
                                        "ACL user for the proxy's own links; empty = default"),
    secret(text<&C::upstream, &Upstream::password>(
        "upstream.password", 0, 4096, kStart,
        "Password of that user; empty = none (prefer password_file)")),
    text<&C::upstream, &Upstream::password_file>(
        "upstream.password_file", 0, 4095, kStart,
        "File whose first line is the password; empty = none"),
    key<&C::upstream, &Upstream::nodes>(
        "upstream.nodes", Kind::words, 0, 32, kStart,
        "Some servers (host:port) of a Redis Cluster, which name the others; empty = none"),
    key<&C::upstream, &Upstream::sentinels>(
        "upstream.sentinels", Kind::words, 0, 32, kStart,
        "Sentinels (host:port) that know which Redis is the master; empty = none"),
    text<&C::upstream, &Upstream::master>("upstream.master", 0, 256, kStart,
                                          "The sentinels' name of the master"),
    text<&C::upstream, &Upstream::sentinel_user>("upstream.sentinel_user", 0, 1024, kStart,
                                                 "ACL user at the sentinels; empty = default"),
    secret(text<&C::upstream, &Upstream::sentinel_password>(
        "upstream.sentinel_password", 0, 4096, kStart, "Password at the sentinels; empty = none")),
    duration<&C::upstream, &Upstream::connect_timeout>(
        "upstream.connect_timeout_ms", 1, kDayMs, kStart,
        "Give up a connection attempt, handshake included, after this time"),
    duration<&C::upstream, &Upstream::response_timeout>(
        "upstream.response_timeout_ms", 0, kDayMs, kStart,
        "End a link shared by clients that owes a reply and has brought nothing for so long, or "
        "a quarter longer; 0 = never"),
    duration<&C::upstream, &Upstream::reconnect_min>("upstream.reconnect_min_ms", 1, kDayMs, kStart,
                                                     "First delay before connecting again"),
    duration<&C::upstream, &Upstream::reconnect_max>("upstream.reconnect_max_ms", 1, kDayMs, kStart,
                                                     "The delay doubles up to this"),
    integer<&C::upstream, &Upstream::max_pending>(
        "upstream.max_pending", 1, 16'777'216, kStart,
        "Requests outstanding on one link; beyond it clients are not read"),
    integer<&C::upstream, &Upstream::max_connections>(
        "upstream.max_connections", 0, 1'000'000, kStart,
        "Connections to one server for clients' requests; beyond it an error; 0 = no limit"),
    integer<&C::upstream, &Upstream::retry_percent>(
        "upstream.retry_percent", 0, 100, kLive,
        "Reads whose connection broke are sent once more, so many of the requests; 0 = none"),
    duration<&C::upstream, &Upstream::retry_wait>(
        "upstream.retry_wait_ms", 0, kDayMs, kLive,
        "How long such a read waits for a connection before its client gets the error"),
    choice<&C::upstream, &Upstream::read_from>(
        "upstream.read_from", kReadFroms, kStart,
        "What answers the reads that L1 keeps, and fills it: the master, or a replica of it"),
    duration<&C::upstream, &Upstream::max_replica_lag>(
        "upstream.max_replica_lag_ms", 1, kDayMs, kStart,
        "A read from a replica, or a hit, is so far behind the master at most; else it asks that"),

    boolean<&C::cluster, &Cluster::split>(
        "cluster.split", kLive,
        "MGET, MSET, DEL, UNLINK, EXISTS, TOUCH of several slots: a part to each (not atomic); "
        "else CROSSSLOT"),

    boolean<&C::l1, &L1::enabled>("l1.enabled", kStart, "Keep replies in the proxy's own memory"),
    size<&C::l1, &L1::max_memory>("l1.max_memory", 64 * 1024, kTib, kLive,
                                  "Memory for cached replies, bookkeeping included"),
    integer<&C::l1, &L1::max_entries>("l1.max_entries", 0, kTib, kLive,
                                      "Cached replies; 0 = only memory limits them"),
    integer<&C::l1, &L1::shards>(
        "l1.shards", 0, 4096, kStart,
        "Parts with a lock of their own, a thousand entries at least each; "
        "0 = several per thread"),
    duration<&C::l1, &L1::max_ttl>("l1.max_ttl_ms", 1, 365 * kDayMs, kLive,
                                   "The longest a reply is kept, whatever its key's TTL"),
    duration<&C::l1, &L1::negative_ttl>("l1.negative_ttl_ms", 0, kDayMs, kLive,
                                        "How long a missing key is remembered; 0 = not at all"),
    size<&C::l1, &L1::max_value>("l1.max_value", 0, kTib, kLive,
                                 "Larger replies are passed on but not kept"),
    integer<&C::l1, &L1::max_variants>("l1.max_variants", 1, 65536, kLive,
                                       "Replies to different commands kept under one key"),
    listed<&C::l1, &L1::commands>("l1.commands", kL1Commands, kLive,
                                  "The reads that are answered from L1: all, names, and -name to "
                                  "leave one out"),
    choice<&C::l1, &L1::eviction>("l1.eviction", kEvictions, kStart, "What leaves when L1 is full"),
    boolean<&C::l1, &L1::bypass>(
        "l1.bypass", kLive,
        "While L1 is full and fewer than one read in 16 hits, most misses do not fill it"),

    choice<&C::coherence, &Coherence::invalidation>("coherence.invalidation", kInvalidations,
                                                    kStart,
                                                    "How changes of keys come to be known; auto = "
                                                    "the best of the others that works"),
    key<&C::coherence, &Coherence::tracking_prefixes>(
        "coherence.tracking_prefixes", Kind::words, 0, 64, kStart,
        "With auto and tracking: keep only keys that begin so; empty = all"),
    choice<&C::coherence, &Coherence::mode>(
        "coherence.mode", kModes, kStart,
        "After a script's write: hold the reply (strict) or fence only its session"),
    duration<&C::coherence, &Coherence::max_staleness>(
        "coherence.max_staleness_ms", 0, kDayMs, kLive,
        "No hits once Redis has been silent so long; 0 = a fence before each hit"),
    duration<&C::coherence, &Coherence::heartbeat>("coherence.heartbeat_ms", 1, kDayMs, kLive,
                                                   "Interval of PINGs on the event link"),
    boolean<&C::coherence, &Coherence::canary>(
        "coherence.canary", kStart,
        "Write a key in each db to see that events come, instead of watching Redis's statistics"),
    duration<&C::coherence, &Coherence::canary_interval>(
        "coherence.canary_interval_ms", 1, 30'000, kLive,
        "Interval of canaries, or of looks at the statistics"),
    text<&C::coherence, &Coherence::canary_prefix>("coherence.canary_prefix", 1, 128, kStart,
                                                   "What the names of canary keys begin with"),
    boolean<&C::coherence, &Coherence::manage_notifications>(
        "coherence.manage_notifications", kStart,
        "Set notify-keyspace-events on Redis if it does not suffice"),
    duration<&C::coherence, &Coherence::hold_limit>(
        "coherence.hold_limit_ms", 1, kDayMs, kStart,
        "The longest a reply is held back for its invalidations"),
    duration<&C::coherence, &Coherence::acl_ttl>(
        "coherence.acl_ttl_ms", 0, kDayMs, kLive,
        "How long what Redis allowed a user holds for answers from L1; 0 = ask each time"),
    integer<&C::coherence, &Coherence::audit_per_s>(
        "coherence.audit_per_s", 0, 10'000, kLive,
        "Kept replies a second that are read again and compared; 0 = none"),
    integer<&C::coherence, &Coherence::audit_trace>(
        "coherence.audit_trace", 0, 1'048'576, kLive,
        "Transitions each shard remembers for the audit's log, 32 bytes each; 0 = none"),

    size<&C::limits, &Limits::max_request>("limits.max_request", 1024, kTib, kLive,
                                           "A whole request; the client is closed beyond it"),
    size<&C::limits, &Limits::max_inline>("limits.max_inline", 64, 1 << 30, kLive,
                                          "An inline request or a protocol header line"),
    integer<&C::limits, &Limits::client_pending>(
        "limits.client_pending", 1, 1'048'576, kLive,
        "Requests outstanding per client before it is not read any more"),
    size<&C::limits, &Limits::client_output>(
        "limits.client_output", 1024, kTib, kLive,
        "Replies buffered for a client, beside the largest one; beyond it the client is closed"),
    size<&C::limits, &Limits::client_output_pause>(
        "limits.client_output_pause", 1024, kTib, kLive,
        "Replies buffered for a client before it is not read any more"),
    integer<&C::limits, &Limits::users>(
        "limits.users", 0, 100'000, kLive,
        "Logged-in users at a time that share connections and L1; others get past both"),
    duration<&C::limits, &Limits::drain_timeout>("limits.drain_timeout_ms", 0, kDayMs, kLive,
                                                 "How long a stop waits for requests under way"),

    key<&C::commands, &Commands::deny>("commands.deny", Kind::words, 0, 1024, kStart,
                                       "Commands that clients may not send"),

    integer<&C::warm, &Warm::rate>("warm.rate", 1, kManyU32, kLive,
                                   "Keys per second while warming up"),
    integer<&C::warm, &Warm::batch>("warm.batch", 1, 65536, kLive,
                                    "Keys per round trip while warming up"),

    text<&C::journal, &Journal::dir>(
        "journal.dir", 0, 4000, kStart,
        "Directory of what write-back has promised and its source has not yet; empty = none"),
    choice<&C::journal, &Journal::fsync>(
        "journal.fsync", kFsyncs, kStart,
        "When a write is on the disk: before it is answered (always), or a second later"),
    size<&C::journal, &Journal::max_bytes>(
        "journal.max_bytes", 1 << 20, kTib, kStart,
        "What it may hold, on disk and twice in memory; beyond it writes go through"),
    integer<&C::journal, &Journal::batch>("journal.batch", 1, 65'536, kStart,
                                          "Writes that go to a source in one transaction"),
    duration<&C::journal, &Journal::retry_min>("journal.retry_min_ms", 1, kDayMs, kStart,
                                               "The first pause where a source does not take them"),
    duration<&C::journal, &Journal::retry_max>("journal.retry_max_ms", 1, kDayMs, kStart,
                                               "The longest; each is twice the one before"),

    text<&C::handlers, &Handlers::webhook>(
        "handlers.webhook", 0, 4096, kStart,
        "URL (http or https) that is told of invalidations with POST; empty = none"),
    text<&C::handlers, &Handlers::channel>(
        "handlers.channel", 0, 255, kStart,
        "Channel of Redis that is told of them with PUBLISH; empty = none"),
    key<&C::handlers, &Handlers::of>(
        "handlers.of", Kind::words, 0, 3, kStart,
        "What is told: command (CACHE INVALIDATE), notify (a source's notifications), event (each "
        "change of a key that Redis tells)"),
    integer<&C::handlers, &Handlers::queue>("handlers.queue", 1, 1'000'000, kStart,
                                            "Invalidations that wait to be told to each; the "
                                            "oldest go first, and that is told"),
    integer<&C::handlers, &Handlers::batch>("handlers.batch", 1, 10'000, kStart,
                                            "Invalidations told at a time"),
    duration<&C::handlers, &Handlers::timeout>("handlers.timeout_ms", 1, 60'000, kStart,
                                               "One request to the webhook"),
    integer<&C::handlers, &Handlers::attempts>(
        "handlers.attempts", 1, 1000, kStart,
        "How often they are told at most where the receiver does not take them"),

    integer<&C::slowlog, &Slowlog::slower_than_us>(
        "slowlog.slower_than_us", -1, kDayMs * 1000, kLive,
        "CACHE SLOWLOG keeps requests that took so long; -1 = none"),
    integer<&C::slowlog, &Slowlog::max_len>("slowlog.max_len", 1, 65536, kLive,
                                            "Requests that CACHE SLOWLOG keeps"),

    choice<&C::log, &Log::level>("log.level", kLevels, kLive, "What is logged at least"),
    text<&C::log, &Log::file>("log.file", 0, 4095, kStart, "File to log to; empty = stderr"),
};

}  // namespace

std::string_view KeyFacts::section() const noexcept {
  const auto dot = name.find('.');
  return dot == name.npos ? std::string_view{} : name.substr(0, dot);
}

std::string_view KeyFacts::leaf() const noexcept {
  return name.substr(name.find('.') + 1);  // npos + 1 is 0
}

std::span<const Key> schema() noexcept {
  return kSchema;
}

const Key* find_key(std::string_view name) noexcept {
  for (const Key& candidate : kSchema) {
    if (candidate.name == name) {
      return &candidate;
    }
  }
  return nullptr;
}

}  // namespace tiercache::config
