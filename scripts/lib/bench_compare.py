"""Scenarios that compare servers under the same load: runs alternate, the table shows medians, and each ratio is the
median of the ratios of runs that followed each other.
"""

import dataclasses
import statistics

import bench_load
from bench_report import Bar, Table, judged, median_ratio
from bench_servers import BenchError, Missing, Server, wait_until

KEYS = 1_000_000
FEW_KEYS = 100_000
MUST_HIT = 0.999
WARM_SECONDS = 600


@dataclasses.dataclass
class Target:
    server: Server
    name: str = ""
    bars: dict = dataclasses.field(default_factory=dict)  # depth -> Bar
    hits: bool = False  # it is a tiercache, and must answer from L1

    def __post_init__(self):
        self.name = self.name or self.server.name


class Comparison:
    """`targets` under the same load; the first is what the others are divided by."""

    def __init__(self, bench, title, targets, options, measured="cpu_us", depths=None, cores=None):
        self.bench = bench
        self.title = title
        self.targets = targets
        self.options = options
        self.measured = measured  # the field of Sample whose ratio counts
        self.depths = depths or bench.args.depths
        self.cores = cores or bench.load_cores

    def run(self):
        table = Table(self.title, ["depth", "server", "requests/s", "CPU µs/request", "p99 µs",
                                   "CPU ratio" if self.measured == "cpu_us" else "rate ratio", "bar", "verdict"])
        for depth in self.depths:
            self.add_rows(table, depth, self.samples(depth))
        return table

    def samples(self, depth):
        args = self.bench.args
        samples = {target.name: [] for target in self.targets}
        for target in self.targets:
            self.load(target, depth, min(args.seconds, 0.5))
        for turn in range(args.rounds):
            at = turn % len(self.targets)
            for target in self.targets[at:] + self.targets[:at]:
                samples[target.name].append(self.measure(target, depth, args.seconds))
        return samples

    def measure(self, target, depth, seconds):
        before = int(target.server.stats()["l1_hits"]) if target.hits else 0
        sample = self.load(target, depth, seconds)
        if target.hits:
            share = (int(target.server.stats()["l1_hits"]) - before) / sample.requests
            if share < MUST_HIT:
                raise BenchError("only %.1f %% of the requests to %s were hits" % (share * 100, target.name))
        if sample.nulls > 0:
            raise BenchError("%s does not have every key" % target.name)
        return sample

    def load(self, target, depth, seconds):
        return bench_load.measure(target.server, self.cores, "--pipeline", depth, "--connections",
                                  self.bench.args.connections, *self.options, seconds=seconds)

    def add_rows(self, table, depth, samples):
        def values(target, field):
            return [getattr(sample, field) for sample in samples[target.name]]
        for target in self.targets:
            ratio = None
            if target is not self.targets[0]:
                ratio = median_ratio(values(target, self.measured), values(self.targets[0], self.measured))
            table.add(depth, target.name, *(form % statistics.median(values(target, field)) for field, form in (
                ("rate", "%.0f"), ("cpu_us", "%.3f"), ("p99", "%.0f"))), *judged(ratio, target.bars.get(depth)))


def hit_one(bench):
    """GET of one key from L1, against the bare epoll loop"""
    redis = bench.redis()
    bench_load.fill(redis, bench.load_cores, 1)
    proxy = bench.tiercache(redis, "l1.max_ttl_ms=86400000")
    return [Comparison(bench, "GET of one key of 64 bytes.", [
        Target(bench.epoll_loop()),
        Target(proxy, bars={1: Bar(1.15), 16: Bar(1.25), 128: Bar(1.6)}, hits=True),
        Target(redis)], ["--keys", "one"]).run()]


def warmed(bench, redis, keys):
    proxy = bench.tiercache(redis, "l1.max_memory=2gb", "l1.max_ttl_ms=86400000")
    proxy.ask("CACHE", "WARM", "START", "key:*", "RATE", 1_000_000)
    wait_until(lambda: int(proxy.stats()["l1_entries"]) >= keys, "CACHE WARM does not end", WARM_SECONDS)
    return proxy


def hit_uniform(bench):
    """GET of 1 M keys, uniform, all in L1, against redis-server"""
    redis = bench.redis()
    bench_load.fill(redis, bench.load_cores, KEYS)
    proxy = warmed(bench, redis, KEYS)
    return [Comparison(bench, "GET of %d keys of 64 bytes, uniform; L1 was warmed by CACHE WARM." % KEYS, [
        Target(redis),
        Target(proxy, bars={1: Bar(1.0), 16: Bar(0.8), 128: Bar(0.5)}, hits=True)],
        ["--keys", "uniform:%d" % KEYS]).run()]


def miss(bench):
    """GET through the proxy with L1 off, against another proxy"""
    redis = bench.redis(cores=bench.back_cores)
    bench_load.fill(redis, bench.load_cores, FEW_KEYS)
    off = bench.tiercache(redis, "l1.enabled=false", name="tiercache, L1 off")
    tiny = bench.tiercache(redis, "l1.max_memory=64kb", name="tiercache, all misses")
    others = [Target(server) for server in bench.other_proxies(redis)]
    return [Comparison(bench, "GET of %d keys of 64 bytes, uniform, one redis-server behind all." % FEW_KEYS, [
        others[0],
        Target(off, bars={1: Bar(1.0), 16: Bar(0.9), 128: Bar(0.8)}),
        Target(tiny), *others[1:]], ["--keys", "uniform:%d" % FEW_KEYS]).run()]


def set_through(bench):
    """SET through the proxy, against another proxy"""
    redis = bench.redis(cores=bench.back_cores)
    bench_load.fill(redis, bench.load_cores, FEW_KEYS)
    bars = {depth: Bar(1.0) for depth in bench.args.depths}
    proxies = [Target(bench.tiercache(redis), bars=bars),
               Target(bench.tiercache(redis, "l1.enabled=false", name="tiercache, L1 off"), bars=bars)]
    others = [Target(server) for server in bench.other_proxies(redis)]
    return [Comparison(bench, "SET of %d keys of 64 bytes, uniform, one redis-server behind all. With L1 on, tiercache "
                       "hears of every write that any of them makes." % FEW_KEYS,
                       [others[0], *proxies, *others[1:]],
                       ["--command", "set", "--keys", "uniform:%d" % FEW_KEYS]).run()]


def threads2(bench):
    """Throughput of hits with two threads, the load on the same two cores, against redis-server with io-threads 2"""
    cores = set(sorted(bench.all_cores)[:2])
    redis = bench.redis("--io-threads", "2", cores=cores, name="redis, io-threads 2")
    reads = bench.redis("--io-threads", "2", "--io-threads-do-reads", "yes", cores=cores,
                        name="redis, io-threads 2, reads too")
    for server in (redis, reads):
        bench_load.fill(server, cores, FEW_KEYS)
    proxy = bench.tiercache(redis, "threads=2", "l1.max_ttl_ms=86400000", cores=cores)
    bench_load.read_all(proxy, cores, FEW_KEYS)
    tables = []
    for keys in ("uniform:%d" % FEW_KEYS, "one"):
        tables.append(Comparison(bench, "GET, keys %s, two threads of load." % keys, [
            Target(redis), Target(proxy, bars={16: Bar(1.5, at_least=True)}, hits=True), Target(reads)],
            ["--keys", keys, "--threads", 2], measured="rate", depths=[16], cores=cores).run())
    return tables


def cluster(bench):
    """GET and SET through the proxy over a Cluster of three masters, against the same over one server"""
    redis = bench.redis(cores=bench.back_cores)
    nodes = bench.cluster(3, cores=bench.back_cores)
    try:
        others = [Target(bench.predixy(redis, "predixy, one server")), Target(bench.predixy(nodes, "predixy, three nodes"))]
    except Missing:
        others = []
    tables = []
    for title, command, settings, keys, bar in (
            ("GET of %d keys, L1 off" % FEW_KEYS, "get", ["l1.enabled=false"], "uniform:%d" % FEW_KEYS, Bar(1 / 0.9)),
            ("SET of %d keys, L1 off" % FEW_KEYS, "set", ["l1.enabled=false"], "uniform:%d" % FEW_KEYS, Bar(1 / 0.9)),
            ("GET of 1000 keys, all hits", "get", ["l1.max_ttl_ms=86400000"], "uniform:1000", Bar(1.05))):
        one = bench.tiercache(redis, *settings, name="tiercache, one server")
        three = bench.tiercache(nodes, *settings, name="tiercache, three nodes")
        hits = "l1.enabled=false" not in settings
        for proxy in (one, three):
            bench_load.fill(proxy, bench.load_cores, FEW_KEYS)
            if hits:
                bench_load.read_all(proxy, bench.load_cores, 1000)
        tables.append(Comparison(bench, title + ", values of 64 bytes. Ratios are to the first.", [
            Target(one, hits=hits), Target(three, bars={16: bar}, hits=hits), *([] if hits else others)],
            ["--command", command, "--keys", keys], depths=[16]).run())
    return tables


# The last is told of nothing: no key that is written begins so.
WAYS = {
    "keyspace": ["coherence.invalidation=keyspace"],
    "tracking": ["coherence.invalidation=tracking"],
    "tracking of another prefix": ["coherence.invalidation=tracking",
                                   'coherence.tracking_prefixes=["elsewhere:"]'],
    "ttl": ["coherence.invalidation=ttl"],
}


def invalidation(bench):
    """What each way of invalidation costs the Redis behind: SET straight to redis-server"""
    targets = [Target(bench.redis(), "nobody listens")]
    for way, settings in WAYS.items():
        redis = bench.redis()
        proxy = bench.tiercache(redis, *settings, cores=bench.back_cores)
        active = settings[0].split("=")[1]
        wait_until(lambda proxy=proxy, active=active: proxy.stats()["invalidation_active"] == active,
                   "tiercache does not come up with " + way)
        targets.append(Target(redis, way))
    options = ["--command", "set", "--keys", "uniform:%d" % FEW_KEYS]
    return [Comparison(bench, "SET of %d keys straight to redis-server, while a tiercache listens that holds nothing. "
                       "CPU is redis-server's." % FEW_KEYS, targets, options, depths=[16]).run()]
