"""The tail of hits while something is wrong elsewhere: an open loop, so a stall is charged to all that was due."""

import contextlib
import signal
import statistics

import bench_load
from bench_report import Bar, Table, judged, median_ratio
from bench_servers import BenchError, wait_until

RATE = 10_000
LARGE = 64 * 1024 * 1024
MUST_HIT = 0.999
LARGE_OPTIONS = ["--connections", 1, "--keys", "one", "--key-prefix", "large:"]


@contextlib.contextmanager
def stopped(redis, proxy):
    redis.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        redis.signal(signal.SIGCONT)
    wait_until(lambda: proxy.stats()["event_link_state"] == "live", "the event link does not come back", 60)


@contextlib.contextmanager
def reading_large(bench, server, seconds):
    """Somebody else reads the large value from `server` again and again."""
    reader = bench_load.start(server, bench.load_cores, *LARGE_OPTIONS, "--seconds", seconds)
    yield
    if bench_load.finish(reader, server, seconds)["nulls"] > 0:
        raise BenchError("the large value is not there")


def tail(bench):
    """p99 of hits with Redis stopped, and while 64 MB are relayed"""
    seconds = bench.args.seconds * 1.5
    redis = bench.redis(cores=bench.back_cores)
    bench_load.fill(redis, bench.load_cores, 1)
    bench_load.fill(redis, bench.load_cores, 1, "--value-sizes", LARGE, "--key-prefix", "large:")
    # The two bounds on what may be served while Redis says nothing.
    proxy = bench.tiercache(redis, "coherence.max_staleness_ms=600000", "coherence.acl_ttl_ms=600000",
                            "l1.max_ttl_ms=86400000")
    bench_load.read_all(proxy, bench.load_cores, 1)

    states = {
        "quiet": (contextlib.nullcontext, None),
        "Redis stopped (SIGSTOP)": (lambda: stopped(redis, proxy), Bar(2)),
        "64 MB relayed to another client": (lambda: reading_large(bench, proxy, seconds), Bar(2)),
        "64 MB read straight from Redis": (lambda: reading_large(bench, redis, seconds), None),
    }
    samples = {state: [] for state in states}
    for _ in range(bench.args.rounds):
        for state, (enter, _) in states.items():
            with enter():
                samples[state].append(hits(bench, proxy, seconds))
            # After a stop or a loss the key may have to be asked anew.
            bench_load.read_all(proxy, bench.load_cores, 1)

    table = Table("GET of one key in L1, %d a second on %d connections (open loop)." % (RATE, bench.args.connections),
                  ["meanwhile", "p50 µs", "p99 µs", "p99 ratio", "bar", "verdict"])
    quiet = [sample.p99 for sample in samples["quiet"]]
    for state, (_, bar) in states.items():
        p99 = [sample.p99 for sample in samples[state]]
        ratio = None if state == "quiet" else median_ratio(p99, quiet)
        table.add(state, "%.0f" % statistics.median(sample.p50 for sample in samples[state]),
                  "%.0f" % statistics.median(p99), *judged(ratio, bar))
    table.notes.append("The last line is what the 64 MB cost by sharing the machine, without the proxy's doing.")
    return [table]


def hits(bench, proxy, seconds):
    before = int(proxy.stats()["l1_hits"])
    sample = bench_load.measure(proxy, bench.load_cores, "--rate", RATE, "--connections", bench.args.connections,
                                seconds=seconds, urgent=True)
    share = (int(proxy.stats()["l1_hits"]) - before) / sample.requests
    if share < MUST_HIT:
        raise BenchError("only %.1f %% of the requests were hits" % (share * 100))
    return sample
