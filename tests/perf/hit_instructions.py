#!/usr/bin/env python3
"""How many instructions of the program does a hit cost? A guard of the hot path that the machine's noise does not touch.

    tests/perf/hit_instructions.py --tiercache PROGRAM --load PROGRAM [--update]

The real program runs under callgrind, with a private redis-server behind it, and answers so many GETs from L1 on one
connection; the same run without them is subtracted, so that start and end cancel out. The kernel's work is not in it.
hit_instructions.json holds what was measured (release build, g++ 12) and the margin; more than that fails. After a
change that is worth it, and after one that made hits cheaper, --update writes what is measured now.
Exit status 77 (skipped) without valgrind or redis-server.
"""

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts/lib"))
import resp  # noqa: E402
from resp import free_port  # noqa: E402

BOUNDS = Path(__file__).with_suffix(".json")
HITS = {1: 8_000, 16: 48_000}  # pipeline depth -> requests
SKIPPED = 77
PATIENCE = 60  # seconds, for any wait


def ask(port, *words):
    return resp.ask(port, PATIENCE, *words)


def wait_until(done, what):
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            sys.exit("hit_instructions: waited in vain: " + what)
        time.sleep(0.05)


class Process:
    """Ended when it is left."""

    def __init__(self, command, log):
        with open(log, "wb") as out:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT)

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        resp.stop(self.process, PATIENCE)


def answers(port, process):
    if process.poll() is not None:
        sys.exit("hit_instructions: %s ended" % process.args[0])
    try:
        return ask(port, "PING") == "PONG"
    except (OSError, resp.ReplyError):
        return False


def reads_of(redis_port):
    calls = re.search(r"cmdstat_get:calls=(\d+)", ask(redis_port, "INFO", "commandstats"))
    return int(calls[1]) if calls else 0


def is_hit(port, redis_port):
    before = reads_of(redis_port)
    ask(port, "GET", "key:000000000000")
    return reads_of(redis_port) == before


def instructions(args, redis_port, directory, depth, requests):
    """Of a whole run of the program that answers so many requests at this depth."""
    port = free_port()
    out = Path(directory, "callgrind-%d-%d" % (depth, requests))
    # Nothing that is done by the clock, or as little of it as can be.
    settings = ["listen.port=%d" % port, "upstream.address=127.0.0.1:%d" % redis_port, "threads=1", "log.level=warn",
                "coherence.heartbeat_ms=600000", "coherence.max_staleness_ms=3600000",
                "coherence.canary_interval_ms=30000", "l1.max_ttl_ms=86400000"]
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=%s" % out, args.tiercache]
    for setting in settings:
        command += ["--set", setting]
    with Process(command, out.with_suffix(".log")) as process:
        wait_until(lambda: answers(port, process), "tiercache does not answer")
        wait_until(lambda: is_hit(port, redis_port), "L1 does not serve")
        before = reads_of(redis_port)
        if requests > 0:
            subprocess.run([args.load, "--target", "127.0.0.1:%d" % port, "--connections", "1", "--pipeline",
                            str(depth), "--count", str(requests)], check=True, timeout=PATIENCE,
                           stdout=subprocess.DEVNULL)
        if reads_of(redis_port) != before:
            sys.exit("hit_instructions: not all requests were hits")
        process.send_signal(signal.SIGTERM)
        if process.wait(PATIENCE) != 0:
            sys.exit("hit_instructions: " + out.with_suffix(".log").read_text(errors="replace"))
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(errors="replace"), re.MULTILINE)[1])


def measure(args):
    with tempfile.TemporaryDirectory(prefix="tiercache-test.") as directory:
        redis_port = free_port()
        redis = ["redis-server", "--port", redis_port, "--bind", "127.0.0.1", "--save", "", "--dir", directory]
        with Process(redis, Path(directory, "redis.log")) as process:
            wait_until(lambda: answers(redis_port, process), "redis-server does not answer")
            ask(redis_port, "SET", "key:000000000000", "x" * 64)
            start = instructions(args, redis_port, directory, 1, 0)
            return {depth: (instructions(args, redis_port, directory, depth, requests) - start) / requests
                    for depth, requests in HITS.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiercache", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args()
    if not shutil.which("valgrind") or not shutil.which("redis-server"):
        print("valgrind or redis-server is not installed (scripts/install-deps --test)", file=sys.stderr)
        return SKIPPED
    bounds = json.loads(BOUNDS.read_text())
    found = measure(args)
    failed = 0
    for depth, per_hit in found.items():
        measured = bounds["instructions_per_hit"][str(depth)]
        limit = measured * (1 + bounds["margin_percent"] / 100)
        failed += per_hit > limit
        print("depth %3d: %.0f instructions a hit; %d when last written down, at most %.0f: %s" % (
            depth, per_hit, measured, limit, "too many" if per_hit > limit else "good"))
    if args.update:
        bounds["instructions_per_hit"] = {str(depth): round(per_hit) for depth, per_hit in found.items()}
        BOUNDS.write_text(json.dumps(bounds, indent=2) + "\n")
        return 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
