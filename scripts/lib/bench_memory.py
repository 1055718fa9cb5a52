"""Memory: of entries, in tiercache and in redis-server, and of idle connections."""

import socket

import bench_load
from bench_report import Bar, Table, judged
from bench_servers import BenchError, wait_until
from resp import encode

KEY_BYTES = 16
TTL_SECONDS = 86400
IDLE = 10_000
BUSY = 1_000
ANSWER_SECONDS = 30


def overhead(before, after, entries, value):
    return (after - before) / entries - KEY_BYTES - value


def redis_overhead(bench, entries, value, ttl):
    redis = bench.redis()
    before = redis.settled_rss()
    bench_load.fill(redis, bench.load_cores, entries, "--value-sizes", value, "--ttl", ttl)
    return redis, overhead(before, redis.settled_rss(), entries, value)


def tiercache_overhead(bench, redis, entries, value):
    """Filled through the proxy, by asking every key. What the start and the connections cost is in `before`, since a
    few keys were asked by then."""
    proxy = bench.tiercache(redis, "l1.max_memory=4gb", "l1.max_ttl_ms=%d" % (TTL_SECONDS * 1000))
    bench_load.read_all(proxy, bench.load_cores, 1000)
    proxy.ask("CACHE", "FLUSH")
    before = proxy.settled_rss()
    bench_load.read_all(proxy, bench.load_cores, entries)
    stats = proxy.stats()
    if int(stats["l1_entries"]) < entries:
        raise BenchError("only %s of %d keys are in L1" % (stats["l1_entries"], entries))
    return overhead(before, proxy.settled_rss(), entries, value), int(stats["l1_bytes"]) / entries


def memory(bench):
    """Memory per entry beyond the bytes of key and value"""
    entries = bench.args.entries
    table = Table("RSS beyond key and value, bytes per entry; %d entries, read through the proxy from a Redis where they "
                  "have a TTL." % entries, ["key + value", "server", "bytes", "bar", "verdict"])
    for value, limit in ((64, 64), (512, 150)):
        size = "%d + %d" % (KEY_BYTES, value)
        _, plain = redis_overhead(bench, entries, value, 0)
        bench.stop_all()
        redis, with_ttl = redis_overhead(bench, entries, value, TTL_SECONDS)
        ours, accounted = tiercache_overhead(bench, redis, entries, value)
        bench.stop_all()
        table.add(size, "tiercache, TTL", *judged(ours, Bar(limit, " B"), "%.1f"))
        table.add(size, "redis-server, TTL", *judged(with_ttl, None, "%.1f"))
        table.add(size, "redis-server, no TTL", *judged(plain, None, "%.1f"))
        table.notes.append("%s: tiercache itself accounts for %.1f bytes per entry, key and value included (l1_bytes)."
                           % (size, accounted))
    return [table]


def open_connections(server, count, request):
    """Connections on each of which one request was answered."""
    sockets = []
    try:
        for _ in range(count):
            sockets.append(socket.create_connection(("127.0.0.1", server.port), ANSWER_SECONDS))
            sockets[-1].sendall(request)
            if not sockets[-1].recv(4096).startswith(b"$"):
                raise BenchError("connection %d of %d was not served" % (len(sockets), count))
    except OSError as error:
        raise BenchError("connection %d of %d: %s" % (len(sockets), count, error)) from None
    finally:
        if len(sockets) < count:
            close_all(sockets)
    return sockets


def close_all(sockets):
    for one in sockets:
        one.close()


def idle(bench):
    """Memory of an idle connection, and many busy ones"""
    redis = bench.redis("--maxclients", "20000", cores=bench.back_cores)
    bench_load.fill(redis, bench.load_cores, 1)
    proxy = bench.tiercache(redis, "listen.max_clients=20000", "l1.max_ttl_ms=86400000")
    table = Table("%d idle connections, each of which has asked for a key of 64 bytes once." % IDLE,
                  ["server", "bytes per idle connection", "bar", "verdict"])
    for server, bar in ((proxy, Bar(4096, " B")), (redis, None)):
        request = encode("GET", "key:000000000000")
        close_all(open_connections(server, 100, request))
        before = server.settled_rss()
        sockets = open_connections(server, IDLE, request)
        try:
            per_connection = (server.settled_rss() - before) / IDLE
        finally:
            close_all(sockets)
        table.add(server.name, *judged(per_connection, bar, "%.0f"))
    wait_until(lambda: int(proxy.stats().get("clients", 0)) < 100, "the idle clients do not go")
    return [table, busy(bench, proxy)]


def busy(bench, proxy):
    table = Table("Hits, depth 1: the same load from few connections and from many.",
                  ["connections", "requests/s", "CPU µs/request", "p99 µs"])
    for connections in (bench.args.connections, BUSY):
        sample = bench_load.measure(proxy, bench.load_cores, "--connections", connections,
                                    seconds=bench.args.seconds)
        table.add(connections, "%.0f" % sample.rate, "%.3f" % sample.cpu_us, "%.0f" % sample.p99)
    table.notes.append("Every request of the %d was answered without an error." % BUSY)
    return table
