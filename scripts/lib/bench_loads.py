"""What it is worth that loads of a source go together: cold keys from PostgreSQL, by a query for each and by arrays."""

import glob
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import bench_load
import resp
from bench_report import Bar, Table, judged, median_ratio
from bench_servers import BenchError, Missing, wait_until

MOST_ROUNDS = 3
KEYS = 100_000
FEW_KEYS = 20_000
CONNECTIONS = 10
DEPTH = 100
CONCURRENCIES = (1, 2)
BATCH = 100
TIMES = 10
# tiercache-load's keys are a prefix and twelve digits; with a 1 before these they are numbers.
FIRST = 10**12
SPACE = """[[namespace]]
name = "%(name)s"
match = ["%(name)s:*"]
tiers = "l1+l2+l3"
source = "db"
key = "%(name)s:{id:int}"
batch = %(batch)d
query = "%(query)s"
"""
SPACES = [
    {"name": "single", "batch": 1, "query": "select doc from t where id = :id"},
    {"name": "batched", "batch": BATCH, "query": "select id, doc from t where id = any(:id)"},
]
SOURCE = """[[source]]
name = "db"
dsn = "%s"
concurrency = %d
queue = 100000
timeout_ms = 60000
"""


class Postgres:
    """A private server on a Unix socket. As root, which it refuses to run as, it runs as the user postgres."""

    def __init__(self, cores):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not found:
            raise Missing("postgresql is not installed (scripts/install-deps --test)")
        self.programs = Path(found[-1])
        self.directory = Path(tempfile.mkdtemp(prefix="tiercache-bench-postgres-"))
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        self.process = None
        try:
            if self.user:
                shutil.chown(self.directory, "postgres", "postgres")
            data = self.directory / "data"
            self.call("initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
            with (self.directory / "log").open("wb") as log:
                self.process = subprocess.Popen(
                    [self.programs / "postgres", "-D", data, "-k", self.directory, "-c", "listen_addresses=", "-c",
                     "fsync=off"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                    cwd=self.directory, preexec_fn=lambda: os.sched_setaffinity(0, cores), **self.user)
            wait_until(self.answers, "PostgreSQL does not answer")
        except BaseException:
            self.stop()
            raise

    def call(self, program, *words):
        done = subprocess.run([self.programs / program, *map(str, words)], cwd=self.directory, capture_output=True,
                              text=True, check=False, **self.user)
        if done.returncode != 0:
            raise BenchError("%s: %s" % (program, done.stderr.strip()))
        return done.stdout.strip()

    def answers(self):
        if self.process.poll() is not None:
            raise BenchError("PostgreSQL ended: " + (self.directory / "log").read_text())
        try:
            return self.run("select 1") == "1"
        except BenchError:
            return False

    def run(self, sql):
        return self.call("psql", "-h", self.directory, "-U", "bench", "-d", "postgres", "-XAtqc", sql)

    def dsn(self):
        return "host=%s dbname=postgres user=bench" % self.directory

    def stop(self):
        if self.process is not None:
            resp.stop(self.process, 10)
        shutil.rmtree(self.directory, ignore_errors=True)


def loads(bench):
    """Cold keys loaded from PostgreSQL: by a query for each, and many by one query"""
    keys = KEYS if bench.args.seconds >= 2 else FEW_KEYS
    postgres = Postgres(bench.all_cores)
    try:
        postgres.run("create table t (id bigint primary key, doc text); insert into t select %d + i, 'doc ' || i "
                     "from generate_series(0, %d) i; analyze t" % (FIRST, keys - 1))
        postgres.run("vacuum t")
        redis = bench.redis(cores=bench.all_cores)
        tables = []
        for concurrency in CONCURRENCIES:
            proxy = bench.tiercache(redis, "threads=2", cores=bench.all_cores,
                                    config=SOURCE % (postgres.dsn(), concurrency) + "".join(SPACE % s for s in SPACES))
            tables.append(measured(bench, redis, proxy, keys, concurrency))
            proxy.stop()
        return tables
    finally:
        bench.stop_all()
        postgres.stop()


def measured(bench, redis, proxy, keys, concurrency):
    samples = {space["name"]: [] for space in SPACES}
    for _ in range(min(bench.args.rounds, MOST_ROUNDS)):
        for space in SPACES:
            samples[space["name"]].append(all_cold(bench, redis, proxy, space["name"], keys, concurrency))
    table = Table("GET of %d keys that only PostgreSQL has, each once, by %d connections of %d requests at a time; "
                  "%s at a time, and up to %d keys by one. All share the cores."
                  % (keys, CONNECTIONS, DEPTH, "one query" if concurrency == 1 else "%d queries" % concurrency, BATCH),
                  ["loads", "loads/s", "keys a query", "µs in queries, a key", "rate ratio", "bar", "verdict"])
    rates = {name: [sample[0] for sample in taken] for name, taken in samples.items()}
    for name, taken in samples.items():
        ratio = median_ratio(rates[name], rates["single"]) if name != "single" else None
        table.add(name, "%.0f" % statistics.median(rates[name]), "%.1f" % statistics.median(s[1] for s in taken),
                  "%.1f" % statistics.median(s[2] for s in taken),
                  *judged(ratio, Bar(TIMES, at_least=True) if ratio else None))
    return table


def all_cold(bench, redis, proxy, name, keys, concurrency):
    """Loads a second, keys a query, microseconds in queries for each."""
    redis.ask("FLUSHALL")
    # A flush is heard like any other change: what is asked behind it is not answered from L1.
    wait_until(lambda: int(proxy.stats()["l1_entries"]) == 0, "L1 is not emptied")
    before = figures(proxy)
    begun = time.monotonic()
    load = bench_load.start(proxy, bench.all_cores, "--keys", "sequence:%d" % keys, "--count", keys, "--key-prefix",
                            name + ":1", "--connections", CONNECTIONS, "--pipeline", DEPTH)
    result = bench_load.finish(load, proxy, 600)
    after = figures(proxy)
    queries = after["queries"] - before["queries"]
    if result["nulls"] > 0 or after["loads"] - before["loads"] != keys or after["most_running"] > concurrency:
        raise BenchError("%d keys were not found, %d loaded, by %d queries at a time" % (
            result["nulls"], after["loads"] - before["loads"], after["most_running"]))
    return result.get("rate") or keys / (time.monotonic() - begun), keys / queries, (
        after["busy_us"] - before["busy_us"]) / keys


def figures(proxy):
    """Of the source, from CACHE STATS."""
    return {word.split("=")[0]: int(word.split("=")[1]) for word in proxy.stats()["source_db"].split(",")}
