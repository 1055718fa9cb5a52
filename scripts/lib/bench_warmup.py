"""What a warmup at start is worth: the first minute of a proxy that starts cold, and of one that reads its keys into L1
before it lets clients in.
"""

import time

import bench_load
from bench_report import Table
from bench_servers import BenchError, wait_until

RATE = 20_000  # requests a second
MINUTE = 60
WARM_SECONDS = 600
CONFIG = """[[warmup]]
name = "all"
strategy = "scan"
pattern = "key:*"
rate = 100000000
required = true
deadline_ms = %d
""" % (WARM_SECONDS * 1000)


def warmup(bench):
    """The first minute with a warmup of 1 M keys, and without"""
    keys = bench.args.entries
    seconds = MINUTE if bench.args.seconds >= 2 else MINUTE / 6
    redis = bench.redis(cores=bench.back_cores)
    bench_load.fill(redis, bench.load_cores, keys)
    table = Table("GET of %d keys of 64 bytes by Zipf's law (0.99), %d a second (open loop), from the start on."
                  % (keys, RATE),
                  ["start", "ready after s", "keys/s", "hits, first second", "hits, %d s" % seconds, "p99 µs",
                   "CPU µs/request of Redis"])
    for name, config in (("cold", ""), ("warmup", CONFIG)):
        begun = time.monotonic()
        proxy = bench.tiercache(redis, "l1.max_memory=4gb", "l1.max_ttl_ms=86400000", name=name, config=config,
                                start_seconds=WARM_SECONDS)
        ready = time.monotonic() - begun
        entries = int(proxy.stats()["l1_entries"])
        if config and entries < keys * 0.99:
            raise BenchError("only %d of %d keys were warmed" % (entries, keys))
        shares, sample, redis_us = first_minute(bench, redis, proxy, keys, seconds)
        table.add(name, "%.1f" % ready, "%.0f" % (entries / ready) if config else "", "%.1f %%" % (shares[0] * 100),
                  "%.1f %%" % (shares[1] * 100), "%.0f" % sample["p99"], "%.2f" % redis_us)
        proxy.stop()
        bench.started.remove(proxy)
    return [table]


def first_minute(bench, redis, proxy, keys, seconds):
    """The share of hits in the first second and in all of it, what the load says, Redis's CPU per request."""
    def counted():
        stats = proxy.stats()
        return int(stats["l1_hits"]), int(stats["l1_misses"])
    before = counted()
    cpu = redis.cpu_seconds()
    load = bench_load.start(proxy, bench.load_cores, "--rate", RATE, "--connections", bench.args.connections,
                            "--keys", "zipf:0.99:%d" % keys, "--seconds", seconds)
    wait_until(lambda: counted() != before, "the load does not begin")
    time.sleep(1)
    first = counted()
    result = bench_load.finish(load, proxy, seconds)
    if result["nulls"] > 0:
        raise BenchError("keys are missing")
    whole = counted()

    def share(since, until):
        hits, misses = until[0] - since[0], until[1] - since[1]
        return hits / max(1, hits + misses)
    used = (redis.cpu_seconds() - cpu) / result["requests"] * 1e6
    return (share(before, first), share(before, whole)), result, used
