"""Shows that no promise is broken, part by part, and sums it up against the bars; scripts/verify is the way in.

Exit status: 0 all bars held, 1 one did not, 2 it could not run. Standard library only.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from servers import Servers

ROOT = Path(__file__).resolve().parent.parent.parent
PARTS = ("explore", "gate", "live", "nemesis", "twin")
NEMESIS_WAYS = ("keyspace", "tracking", "ttl")
CORES = str(os.cpu_count() or 1)


class Bars:
    """What was to be shown, what was found. The rows of the last table."""

    def __init__(self):
        self.rows = []

    def add(self, part, bar, found, holds):
        self.rows.append((part, bar, str(found), holds))

    def show(self):
        width = max(len(row[1]) for row in self.rows)
        print(f"\n{'part':<8} {'bar':<{width}} {'found':<34} result")
        for part, bar, found, holds in self.rows:
            print(f"{part:<8} {bar:<{width}} {found:<34} {'PASS' if holds else 'FAIL'}")
        return all(row[3] for row in self.rows)


def say(title):
    print(f"\n== {title}", flush=True)


def run(command, limit, environment=None):
    """Runs it, shows its output while it comes; returns (status, output, seconds)."""
    begin = time.monotonic()
    child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             text=True, errors="replace", env={**os.environ, **(environment or {})})
    lines = []
    try:
        for line in child.stdout:
            lines.append(line)
            print(line, end="", flush=True)
            if time.monotonic() - begin > limit:
                raise RuntimeError(f"{command[0]} takes longer than {limit} s")
        return child.wait(), "".join(lines), time.monotonic() - begin
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


def explore(options, bars):
    """Every interleaving; in the long form twice, for the count of states must be the same."""
    counts = []
    for _ in range(2 if options.long else 1):
        say("exploration of the coherence classes")
        command = [options.build / "tests/model/explore", "--only", "cases", "--jobs", CORES]
        status, output, seconds = run(command + (["--long"] if options.long else []), 3600)
        found = re.search(r"^(\d+) distinct states in (\d+) scripts, (\d+) violations", output, re.MULTILINE)
        if not found:
            raise RuntimeError("the exploration says nothing")
        counts.append(int(found[1]))
        bars.add("explore", "no violation", f"{found[3]} in {found[2]} scripts", status == 0)
        if options.long:
            bars.add("explore", "10,000,000 states in 15 minutes", f"{counts[-1]:,} in {seconds:.0f} s",
                     counts[-1] >= 10_000_000 and seconds < 900)
    if options.long:
        bars.add("explore", "as many states in each run", f"{counts[0]:,} and {counts[1]:,}", counts[0] == counts[1])


def gate(options, bars):
    say("mutation gate")
    command = [sys.executable, ROOT / "scripts/lib/mutation_gate.py", "--build", options.build, "--jobs", CORES]
    status, output, _ = run(command + (["--long"] if options.long else []), 7200)
    last = output.strip().splitlines()[-1] if output.strip() else "nothing"
    if status not in (0, 1):
        raise RuntimeError("the mutation gate could not run")
    bars.add("gate", "every mutant is killed", last.split(";")[0], status == 0)


def check(options, title, seconds, extra):
    """One run of the checker before two proxies; its text goes to the output, its report comes back."""
    say(title)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tiercache-verify."))
        servers = Servers(stack, folder, options.build / "tiercache", os.environ.get("PROXY_SETTINGS", "").split())
        report = Path(folder) / "report.json"
        command = [options.build / "tools/verify/tiercache-verify", "--redis", f"127.0.0.1:{servers.redis}",
                   "--seconds", seconds, "--report", report, *extra]
        for port in servers.proxies:
            command += ["--proxy", f"127.0.0.1:{port}"]
        status, _, _ = run(command, int(seconds) + 600)
        if status not in (0, 1):
            raise RuntimeError("the checker could not run")
        for log in Path(folder).glob("*.log"):
            for line in log.read_text(errors="replace").splitlines():
                if re.search(r"\b(error|critical)\b", line, re.IGNORECASE):
                    print(line, file=sys.stderr)
        return status, json.loads(report.read_text())


def add_staleness(bars, report, with_bar):
    times = report["staleness_us"]
    shown = f"{times['p50'] / 1000:.2f} / {times['p99'] / 1000:.2f} / {times['max'] / 1000:.2f} ms"
    if with_bar:
        bars.add("live", "idle: a direct write is seen, p99 < 2 ms (p50/p99/max)", shown, times["p99"] < 2000)
    bars.add("live", f"{'idle' if with_bar else 'loaded'}: never over {report['max_staleness_ms']} ms (p50/p99/max)",
             shown, times["max"] <= 1000 * report["max_staleness_ms"])


def live(options, bars):
    seconds = options.seconds or (600 if options.long else 20)
    if options.long:
        status, report = check(options, "an idle proxy: how late direct writes are seen", 20, ["--idle"])
        bars.add("live", "idle: no violation", report["violations"], status == 0)
        add_staleness(bars, report, True)
    status, report = check(options, f"the live checker, {seconds} s", seconds, options.checker)
    bars.add("live", "no violation", f"{report['violations']} {report['trouble']}".strip(), status == 0)
    if options.long:
        bars.add("live", "200,000,000 checked reads in 10 minutes", f"{report['reads']:,} in {report['seconds']:.0f} s",
                 report["reads"] >= 200_000_000)
    add_staleness(bars, report, False)


def nemesis(options, bars):
    seconds = os.environ.get("NEMESIS_SECONDS", "30" if options.long else "")
    environment = {"NEMESIS_SECONDS": seconds} if seconds else {}
    for way in NEMESIS_WAYS:
        say(f"nemesis, {way}")
        command = [options.build / "tests/live/test_live_nemesis", f"--test-case=nemesis with *{way}*"]
        status, output, _ = run(command, 7200, environment)
        # A fault's row: name, reads, hits, writes, failures, emptied, live ms, hit ms, stale, violations.
        rows = re.findall(r"^(\S.{35}) +\d+ +\d+ +\d+ +\d+ +\d+ +(\d+) +(\d+|never) +(\d+) +(\d+)$", output, re.MULTILINE)
        broken = sum(int(row[4]) for row in rows)
        slowest = max((int(row[2]) for row in rows if row[2] != "never"), default=0)
        bars.add("nemesis", f"{way}: no violation, {seconds or '1/4'} s a fault", f"{broken} in {len(rows)} faults",
                 status == 0 and broken == 0 and len(rows) > 0)
        bars.add("nemesis", f"{way}: serves again by itself after each", f"within {slowest} ms",
                 status == 0 and all(row[2] != "never" for row in rows))


def twin(options, bars):
    """The same commands through the proxy and to a plain Redis; half of them in each version of the protocol."""
    count = 500_000 if options.long else 10_000
    for level in ("on", "off", "tiny"):
        requests, hits, whole = 0, 0, True
        for protocol in (2, 3):
            say(f"twin, L1 {level}, RESP{protocol}")
            command = [options.build / "tests/live/twin", "--commands", count, "--protocol", protocol, "--l1", level]
            status, output, _ = run(command + ["--seed", os.environ.get("TWIN_SEED", "0")], 7200)
            found = re.search(r"^(\d+) requests in .* (\d+) from L1", output, re.MULTILINE)
            if status not in (0, 1):
                raise RuntimeError("twin could not run")
            whole = whole and status == 0
            if found:
                requests, hits = requests + int(found[1]), hits + int(found[2])
        bars.add("twin", f"L1 {level}: {2 * count:,} commands, no difference", f"{requests:,}, {hits:,} from L1",
                 whole and requests >= 2 * count)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/verify", add_help=False)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--build", type=Path, required=True)
    options, rest = parser.parse_known_args(arguments)
    options.parts = [word for word in rest if word in PARTS]
    options.checker = [word for word in rest if word not in PARTS]
    options.parts = options.parts or (list(PARTS) if options.long else ["live"])
    return options


def main():
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bars = Bars()
    try:
        for part in options.parts:
            globals()[part](options, bars)
    except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if bars.show() else 1


if __name__ == "__main__":
    sys.exit(main())
