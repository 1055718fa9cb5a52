"""The mutation gate: each rule of the coherence protocol is switched off in turn, and somebody must notice.

Two killers: the exploration (build/tests/model/explore) and the live checker (tiercache-verify) against
build/tests/mutant/tiercache_mutant, which is the proxy with rules that can be switched off. Prints one table,
rule x killer x how soon. Every mutant must be killed by the exploration; and by the live checker too where the
table LIVE says that it dies there at once. The others the live checker may miss: it sees what happens to happen.

Exit status: 0 all mutants were killed, 1 one survived, 2 it could not run. Standard library only.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from servers import Redis, Servers

CONTROL = "(all rules on)"
KEYS = 300  # few, so that they meet


# What is done to Redis while the checker runs, again and again: a pause in seconds, then the words.
FAULTS = {
    "": (),
    # What is left over is looked for twice, max_staleness apart, before it counts.
    "flush": ((2, "FLUSHALL"), (6, "FLUSHALL")),
    "swap": ((2, "SWAPDB 0 9"), (600, "SWAPDB 0 9")),
    "deaf": ((1, "CONFIG SET notify-keyspace-events {}"),),
}


class Way:
    """How the live checker kills a mutant: settings of the proxies, a fault, arguments of its own."""

    def __init__(self, settings="", fault="", checker="", seconds=30, short=False):
        self.settings = settings.split()
        self.fault = fault
        self.checker = checker.split()
        self.seconds = seconds  # the longest run
        self.short = short  # dies within a second: must, and is in the short form too


# A way, or why the live checker cannot.
LIVE = {
    "flight_identity": Way(short=True),
    "epoch_join": Way(short=True),
    "bound_join": "needs a reply that is held up for longer than max_staleness (the nemesis does that)",
    "drop_uncommitted": Way(seconds=120),
    "fence_other_links": Way(),
    "same_source": "needs two servers behind one address",
    "ttl_from_send": "a round trip here is shorter than the grain of an expiry",
    "pttl_agrees": "the event of what comes in between refuses the fill too",
    # Few writes: each script among them empties L1 where no fence can be had.
    "age_cap": Way("coherence.invalidation=ttl coherence.max_staleness_ms=100", checker="--write-rate 5"),
    "live_only": "what it lets through is younger than max_staleness",
    "bound_staleness": "where PONGs stay away the link is suspect, which ends hits too",
    "fence_each_hit": Way("coherence.max_staleness_ms=0", checker="--max-staleness 0", short=True),
    "check_generation": Way(fault="flush"),
    "expire_entries": Way(short=True),
    "undivided_multi": "the proxy has no way to ask for a part of an MGET",
    "whole_multi": "the events of one MSET are applied within microseconds of each other",
    "drop_pass_read": Way(),
    "no_hit_past_read": Way(),
    "stall_on_foreign_join": Way(),
    "watch_bypasses": "the relay of a pinned session has no way to L1",
    "drain_before_move": "needs a script or a login pipelined behind a read, where the checker waits for the reply",
    "bar_at_send": Way(short=True),
    "bar_at_reply": Way(short=True),
    "bar_blocking_reply": "a pop meets lists, which L1 would have to hold; the event follows at once",
    "hold_scripts": Way(),
    "session_fence": Way("coherence.mode=session"),
    "no_hit_past_wide_write": Way(short=True),
    "flush_at_reply": "the NULL payload follows within a millisecond",
    "apply_events": Way(short=True),
    "two_pings": "what it lets through lasts for one turn of Redis's loop",
    "flush_at_loss": "what it lets through is younger than max_staleness",
    "flush_at_subscribe": "needs a read answered and a write made within the milliseconds of a reconnect",
    "flush_at_release": "needs a script, a fill and the loss of the event link within a millisecond",
    "flush_on_null": Way("coherence.canary_interval_ms=30000", "flush"),
    "canary_heard": Way("coherence.canary=true coherence.canary_interval_ms=100", "deaf"),
    "canary_surprise": Way("coherence.canary=true coherence.canary_interval_ms=100", "swap"),
}


def trouble_redis(port, fault, ended):
    ask = Redis(port)
    steps = FAULTS[fault]
    while steps and not ended.is_set():
        for pause, words in steps:
            if ended.wait(pause):
                return
            ask(*("" if word == "{}" else word for word in words.split()))


def run_live(build, rule, way):
    """One run of the checker. Returns (the first violation, reads until then, seconds), or None: survived."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tiercache-gate."))
        off = "" if rule == CONTROL else rule
        servers = Servers(stack, folder, build / "tests/mutant/tiercache_mutant", way.settings,
                          {"MUTANT_RULES_OFF": off})
        ended = threading.Event()
        fault = threading.Thread(target=trouble_redis, args=(servers.redis, way.fault, ended))
        fault.start()
        stack.callback(fault.join)
        stack.callback(ended.set)
        command = [build / "tools/verify/tiercache-verify", "--redis", f"127.0.0.1:{servers.redis}", "--json",
                   "--seconds", way.seconds, "--until-violation", "--keys", KEYS, "--write-rate", 1000, *way.checker]
        for port in servers.proxies:
            command += ["--proxy", f"127.0.0.1:{port}"]
        if way.fault:
            command.append("--faults-expected")
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=way.seconds + 120, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"tiercache-verify ended with status {done.returncode}")
        report = json.loads(done.stdout)
        if report["violations"] == 0:
            return None
        return report["first_violation"], report["reads_until_violation"], report["seconds"]


def explored(build, jobs):
    """rule -> what killed it in the exploration."""
    with tempfile.TemporaryDirectory(prefix="tiercache-gate.") as folder:
        table = Path(folder) / "mutants"
        subprocess.run([str(build / "tests/model/explore"), "--only", "mutants", "--jobs", str(jobs), "--table",
                        str(table)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False, timeout=1800)
        rows = [line.split("\t") for line in table.read_text().splitlines()]
    return {rule: (script, violation, int(steps)) for rule, script, violation, steps in rows}


def rules_of(root):
    text = (root / "include/tiercache/coherence/rules.hpp").read_text()
    return [line.split()[1] for line in text.splitlines() if line.startswith("  bool ") and line.endswith("= true;")]


def show(rule, by_exploration, by_live):
    print(f"{rule:<24} {by_exploration:<40} {by_live}", flush=True)


def gate(options):
    # A rule without a line in LIVE, or the other way round, is a mistake.
    if set(rules_of(options.root)) != set(LIVE):
        raise RuntimeError(f"not in both: {', '.join(sorted(set(rules_of(options.root)) ^ set(LIVE)))}")
    rules = [rule for rule in rules_of(options.root) if not options.rules or rule in options.rules]
    survivors = []
    found = {} if options.live_only else explored(options.build, options.jobs)
    show("rule off", "exploration: violation, steps, script", "live checker: violation, reads until it")
    control = [] if options.rules else [CONTROL]
    for rule in control + rules:
        script, violation, steps = found.get(rule, ("", "-", 0))
        by_exploration = f"{violation}, {steps} steps, {script}" if violation != "-" else "SURVIVES"
        if options.live_only:
            by_exploration = "(not asked)"
        if rule == CONTROL:
            by_exploration = "see explore --only cases"
        elif violation == "-" and not options.live_only:
            survivors.append(f"{rule} (exploration)")
        way = LIVE[rule] if rule != CONTROL else Way(seconds=5)
        if isinstance(way, str):
            by_live = f"- {way}"
        elif not (options.long or way.short or rule == CONTROL):
            by_live = "(long form)"
        else:
            result = run_live(options.build, rule, way)
            if result is None and way.short:
                result = run_live(options.build, rule, way)
            if result is not None if rule == CONTROL else result is None and way.short:
                survivors.append(f"{rule} (live)")
            by_live = "{}, {:,} reads, {:.1f} s".format(*result) if result else f"none in {way.seconds} s"
        show(rule, by_exploration, by_live)
    killed = len(rules) - len({name.split()[0] for name in survivors if name.split()[0] in rules})
    print(f"{len(rules)} mutants, {killed} killed" + (f"; SURVIVING: {', '.join(survivors)}" if survivors else ""))
    return 1 if survivors else 0


def main():
    root = Path(__file__).resolve().parent.parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=root / "build")
    parser.add_argument("--long", action="store_true", help="the live checker tries all that it can kill")
    parser.add_argument("--live-only", action="store_true", help="without the exploration")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("rules", nargs="*", help="only these")
    options = parser.parse_args()
    options.root = root
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return gate(options)
    except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"mutation gate: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
