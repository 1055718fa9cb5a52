"""Runs tiercache-load and takes the server's CPU time meanwhile."""

import dataclasses
import json
import os
import subprocess

from bench_servers import ROOT, BenchError

PROGRAM = ROOT / "build/tools/tiercache-load"
GRACE_SECONDS = 60


@dataclasses.dataclass
class Sample:
    requests: int
    rate: float    # requests a second
    cpu_us: float  # of the server process, per request
    p50: float     # microseconds
    p99: float
    nulls: int


def at_once(cores, urgent):
    """For a child: its cores; and, if it sleeps until a request is due, before others that run there."""
    def prepare():
        os.sched_setaffinity(0, cores)
        if urgent:
            try:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            except OSError:
                pass  # Not allowed: what shares its cores is then in the latencies.
    return prepare


def start(server, cores, *options, urgent=False):
    command = [str(PROGRAM), "--target", "127.0.0.1:%d" % server.port, "--json", *map(str, options)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, preexec_fn=at_once(cores, urgent))


def finish(process, server, seconds):
    try:
        out, err = process.communicate(timeout=seconds + GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise BenchError("the load on %s does not end" % server.name) from None
    if process.returncode != 0:
        raise BenchError("the load on %s failed: %s%s" % (server.name, out, err))
    return json.loads(out)


def measure(server, cores, *options, seconds, urgent=False):
    before = server.cpu_seconds()
    process = start(server, cores, "--seconds", seconds, *options, urgent=urgent)
    result = finish(process, server, seconds)
    used = server.cpu_seconds() - before
    if result["requests"] == 0:
        raise BenchError(server.name + " answered nothing")
    return Sample(result["requests"], result["rate"], used / result["requests"] * 1e6, result["p50"],
                  result["p99"], result["nulls"])


def fill(server, cores, keys, *options):
    """SET of each key once."""
    process = start(server, cores, "--command", "set", "--keys", "sequence:%d" % keys, "--count", keys,
                    "--connections", 10, "--pipeline", 128, *options)
    finish(process, server, 600)


def read_all(server, cores, keys, *options):
    """GET of each key once; all must be there."""
    process = start(server, cores, "--keys", "sequence:%d" % keys, "--count", keys, "--connections", 10,
                    "--pipeline", 64, *options)
    if finish(process, server, 600)["nulls"] > 0:
        raise BenchError("%s does not have every key" % server.name)
