"""Builds the flavours of tiercache, runs their suites, and counts; scripts/test is the way in.

Each meson test of each build and each fuzz target counts as one. A build that fails counts as one failure. Results are read from meson's testlog.json, and a test that
meson should have run but has no record there has failed. The last line on stdout is "N passed, N failed".
Needs only the standard library. Every step has a time limit, and so has the whole.
"""

import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CORES = os.cpu_count() or 1
TOTAL_SECONDS = 84 * 60
BUILD_SECONDS = 40 * 60
SUITE_SECONDS = 20 * 60
FUZZ_GRACE_SECONDS = 60
TAIL_LINES = 60
# What a failed test says first, for the end of the run, where it is found.
ERROR_LINE = re.compile(r"ERROR:|FAILED:|VIOLATION|^ *(values|error replies|the first):?|Sanitizer"
                        r"|^[-+][^-+]|^compare:|^equal:|^Traceback|^\w*(Error|Exception)\b")
ERROR_LINES = 12
GOOD = {"OK", "EXPECTEDFAIL"}

SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


class Interrupted(BaseException):
    """SIGTERM or SIGINT: stop what runs, then leave."""


class Run:
    """The counters and the clock of one run. Counters belong to the main thread."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.deadline = time.monotonic() + TOTAL_SECONDS
        self.children = set()
        self.lock = threading.Lock()

    def ok(self, name, note=""):
        self.passed += 1
        print(f"  ok      {name} {note}".rstrip(), flush=True)

    def fail(self, name, reason, output=""):
        lines = output.splitlines()
        self.failed.append((name, [line for line in lines if ERROR_LINE.search(line)][:ERROR_LINES]))
        print(f"  FAILED  {name}: {reason}", flush=True)
        for line in lines[-TAIL_LINES:]:
            print(f"          | {line}")
        sys.stdout.flush()

    def command(self, argv, limit, log, env=None):
        """Runs argv with its output in the file `log`. Returns the exit status, or None if time ran out."""
        limit = min(limit, self.deadline - time.monotonic())
        if limit <= 0:
            log.write_text("the time for the whole run is used up\n")
            return None
        with log.open("wb") as out:
            child = subprocess.Popen([str(a) for a in argv], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=subprocess.STDOUT, env={**os.environ, **(env or {})},
                                     start_new_session=True)
        with self.lock:
            self.children.add(child)
        try:
            return child.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            self.stop(child)
            return None
        except Interrupted:
            self.stop(child)
            raise
        finally:
            with self.lock:
                self.children.discard(child)

    @staticmethod
    def stop(child):
        """Ends the child and what it started; meson and ninja get a moment to end theirs."""
        for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            try:
                os.killpg(child.pid, number)
                child.wait(timeout=patience)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue

    def stop_all(self):
        with self.lock:
            children = list(self.children)
        for child in children:
            self.stop(child)


def reason_for(status):
    if status is None:
        return "timed out"
    return f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"


def build(run, flavour, folder):
    print(f"build {flavour} ({folder.name})", flush=True)
    folder.mkdir(exist_ok=True)
    log = folder / "build.log"
    start = time.monotonic()
    status = run.command(["scripts/build", flavour], BUILD_SECONDS, log)
    if status != 0:
        text = log.read_text(errors="replace")
        errors = [line for line in text.splitlines() if "error:" in line.lower()]
        run.fail(f"{flavour}/build", reason_for(status), "\n".join(text.splitlines()[-40:] + errors[:20]))
        return False
    print(f"  built in {time.monotonic() - start:.0f} s", flush=True)
    return True


def sanitizer_prefix():
    """The sanitizers of gcc 12 and clang 14 cannot place their shadow where the kernel randomises 32 bits."""
    try:
        bits = int(Path("/proc/sys/vm/mmap_rnd_bits").read_text())
    except (OSError, ValueError):
        bits = 0
    prefix = ["setarch", "-R"]
    if bits > 28 and shutil.which("setarch") and subprocess.run([*prefix, "true"], check=False).returncode == 0:
        return prefix
    return []


def expected_tests(folder, excluded):
    """The names of the tests that meson should run."""
    listing = subprocess.run(["meson", "introspect", "--tests", str(folder)], check=True, capture_output=True,
                             stdin=subprocess.DEVNULL, timeout=120)
    return [test["name"] for test in json.loads(listing.stdout)
            if excluded.isdisjoint(suite.split(":")[-1] for suite in test["suite"])]


def run_suites(run, flavour, folder, excluded=(), multiplier=1, prefix=()):
    """Runs the meson tests of one build, but for the suites named in `excluded`."""
    records_file = folder / "meson-logs" / "testlog.json"
    records_file.unlink(missing_ok=True)
    argv = [*prefix, "meson", "test", "-C", folder, "--no-rebuild", "--num-processes", str(CORES),
            "--timeout-multiplier", str(multiplier)]
    for suite in excluded:
        argv += ["--no-suite", suite]
    try:
        waiting = expected_tests(folder, set(excluded))
    except (subprocess.SubprocessError, ValueError, KeyError) as error:
        run.fail(f"{flavour}/suites", f"meson does not list its tests: {error}")
        return
    log = folder / "suites.log"
    status = run.command(argv, SUITE_SECONDS, log, SANITIZER_OPTIONS)
    lines = records_file.read_text(errors="replace").splitlines() if records_file.exists() else []
    failures = 0
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue  # Cut off when meson was stopped: its test is still waiting, and so counts as failed.
        name = record["name"].split(" / ")[-1]  # meson may put "project:suite / " in front.
        if name in waiting:
            waiting.remove(name)
        result = record["result"]
        if result in GOOD:
            run.ok(f"{flavour}/{name}", f"({record['duration']:.1f} s)")
        elif result == "SKIP":
            print(f"  skipped {flavour}/{name}", flush=True)
        else:
            failures += 1
            run.fail(f"{flavour}/{name}", f"{result.lower()}, status {record['returncode']}",
                     f"{record.get('stdout') or ''}\n{record.get('stderr') or ''}".strip())
    for name in waiting:
        failures += 1
        run.fail(f"{flavour}/{name}", f"has no result ({reason_for(status)})",
                 log.read_text(errors="replace") if name is waiting[-1] else "")
    if status != 0 and failures == 0:
        run.fail(f"{flavour}/suites", reason_for(status), log.read_text(errors="replace"))


def fuzz_targets(folder):
    folder = folder / "tests" / "fuzz"
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and os.access(path, os.X_OK))


def corpus_of(target):
    """The seeds of <name>_fuzz lie in tests/fuzz/corpus/<name>."""
    return ROOT / "tests" / "fuzz" / "corpus" / target.name.removesuffix("_fuzz")


def fuzz_one(run, target, seconds, folder, prefix):
    """Runs one target on a copy of its corpus. Returns (status, log); what made it crash stays in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "fuzz.log"
    with tempfile.TemporaryDirectory(prefix="tiercache-fuzz.") as scratch:
        corpus = Path(scratch) / "corpus"
        seed = corpus_of(target)
        if seed.is_dir():
            shutil.copytree(seed, corpus)
        else:
            corpus.mkdir()
        length = [f"-max_total_time={seconds}"] if seconds > 0 else ["-runs=0"]
        status = run.command([*prefix, target, *length, "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
                              f"-artifact_prefix={folder}/", corpus], seconds + FUZZ_GRACE_SECONDS, log,
                             SANITIZER_OPTIONS)
    return status, log


def report_fuzz(run, target, folder, seconds, status, log):
    if status == 0:
        run.ok(f"fuzz/{target.name}", f"({seconds} s)")
        return
    kept = ", ".join(str(path.relative_to(ROOT)) for path in folder.iterdir() if path != log) or "no artifact"
    run.fail(f"fuzz/{target.name}", f"{reason_for(status)}; {kept}", log.read_text(errors="replace"))


def run_fuzz(run, prefix):
    folder = ROOT / "build-fuzz"
    if not build(run, "fuzz", folder):
        return
    targets = fuzz_targets(folder)
    if not targets:
        print("  no fuzz targets", flush=True)
        return
    seconds = int(os.environ.get("FUZZ_SECONDS", "60"))
    with concurrent.futures.ThreadPoolExecutor(max_workers=CORES) as pool:
        jobs = {}
        for target in targets:
            artifacts = folder / "artifacts" / target.name
            jobs[pool.submit(fuzz_one, run, target, seconds, artifacts, prefix)] = target, artifacts
        try:
            for job in concurrent.futures.as_completed(jobs):
                target, artifacts = jobs[job]
                report_fuzz(run, target, artifacts, seconds, *job.result())
        except Interrupted:
            pool.shutdown(wait=False, cancel_futures=True)
            run.stop_all()
            raise


def run_everything(run, fast):
    release = ROOT / "build"
    if build(run, "release", release):
        run_suites(run, "release", release)
    if fast:
        return
    prefix = sanitizer_prefix()
    # Lint says the same in every build, and the thread sanitizer is too slow for what is slow already.
    for flavour, excluded, multiplier in (("asan", ["lint"], 4), ("tsan", ["lint", "slow"], 8)):
        folder = ROOT / f"build-{flavour}"
        if build(run, flavour, folder):
            run_suites(run, flavour, folder, excluded, multiplier, prefix)
    run_fuzz(run, prefix)


def interrupt(number, _frame):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Interrupted(number)


def main():
    mode = sys.argv[1] if len(sys.argv) == 2 else "all" if len(sys.argv) == 1 else ""
    if mode not in ("fast", "all"):
        print("usage: scripts/test [fast|all]", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    run = Run()
    start = time.monotonic()
    try:
        run_everything(run, mode == "fast")
    except Interrupted as stop:
        run.stop_all()
        run.fail("run", f"interrupted by {signal.Signals(stop.args[0]).name}")
    for name, errors in run.failed:
        print(f"failed: {name}")
        for line in errors:
            print(f"          | {line}")
    print(f"took {time.monotonic() - start:.0f} s")
    print(f"{run.passed} passed, {len(run.failed)} failed", flush=True)
    return 0 if run.passed > 0 and not run.failed else 1


if __name__ == "__main__":
    sys.exit(main())
