"""Redis's own test suite, straight and through tiercache; scripts/conformance is the way in.

Each unit runs on servers of its own, so that one cannot spoil the next. A test is the unit, the name, and the how
many'th of that name. What fails through the proxy is run once more there: what passes then is told apart as unsteady.

Exit status: 0 no difference but those that docs/commands.md lists, 1 there are others, 2 it could not run.
Standard library only.
"""

import argparse
import contextlib
import signal
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

import conformance_suite as suite  # noqa: E402
from conformance_list import Expected  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/commands.md"
L1 = {
    "on": [],
    "off": ["l1.enabled=false"],
    "tiny": ["l1.max_memory=1mb"],
}


def self_test():
    text = (ROOT / "tests/lint/conformance_sample.txt").read_text()
    straight, through = (suite.read_outcomes("unit/a", part) for part in text.split("====\n"))
    assert [(test.name, test.number, result.passed) for test, result in straight.items()] == [
        ("one (of two)", 1, True), ("one (of two)", 2, True), ("fails anyway", 1, False), ("| and [brackets]", 1, True),
        ("last", 1, True)], straight
    lost = missed(straight, through)
    assert {(test.name, test.number): result.why for test, result in lost.items()} == {
        ("one (of two)", 2): "Expected '1' to be equal to '2'\nand more", ("| and [brackets]", 1): "",
        ("last", 1): "not reached"}, lost
    expected = Expected.parse("| unit | test | reason |\n|---|---|---|\n| unit/a | `\\| and […` | why |\n"
                              "| unit/a | last | because |\n")
    assert [bool(expected.find(test)) for test in lost] == [False, True, True], expected.rows
    assert not expected.find(suite.Test("unit/b", "last", 1))
    assert expected.hanging("unit/a") == [], expected.rows
    hangs = Expected.parse("| unit/a | last | waits for ever: because |\n| unit/b | other | waits for ever: too |\n")
    assert hangs.hanging("unit/a") == ["last"], hangs.rows
    Expected.read(PAGE)
    return 0


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/conformance", description="Redis's own tests through tiercache")
    parser.add_argument("source", type=Path, metavar="REDIS_SOURCE_DIR")
    parser.add_argument("--build", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--unit", action="append", default=[], help="as ./runtest --list-tests names it")
    parser.add_argument("--l1", default="on", help="on, off, tiny (1 MB), or several with commas between them")
    parser.add_argument("--tags", default="", help="passed on to runtest, e.g. -slow")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the proxy")
    parser.add_argument("--timeout", type=int, default=300, help="seconds after which a test counts as hanging")
    parser.add_argument("--logs", type=Path, help="a folder for the whole output of each run")
    options = parser.parse_args(arguments)
    options.l1 = options.l1.split(",")
    if any(mode not in L1 for mode in options.l1):
        parser.error("--l1: on, off or tiny")
    if not (options.source / "tests/test_helper.tcl").is_file():
        parser.error(f"{options.source} is no source tree of Redis")
    return options


class Table:
    """What was found, unit by unit; printed while it comes."""

    def __init__(self, expected):
        self.expected = expected
        self.passed = {}  # "straight" or a mode of L1: how many tests
        self.different = []  # of no list
        self.listed = set()
        self.unsteady = []

    def count(self, side, results):
        passed = [test for test, result in results.items() if result.passed]
        self.passed[side] = self.passed.get(side, 0) + len(passed)
        return len(passed)

    def differ(self, mode, test, result, unsteady):
        row = self.expected.find(test)
        if unsteady:
            self.unsteady.append((mode, test, result))
            print(f"  unsteady   {test.name}")
        elif row is None:
            self.different.append((mode, test, result))
            print(f"  DIFFERENT  {test.name}")
        else:
            self.listed.add(row)
            print(f"  expected   {test.name}")
        if row is None and result.why:
            print("".join(f"               {line}\n" for line in result.why.splitlines()[:8]), end="")
        sys.stdout.flush()

    def show(self, whole):
        print()
        for side, count in self.passed.items():
            name = "straight" if side == "straight" else f"through tiercache, L1 {side}"
            print(f"{count:6} tests pass {name}")
        print(f"{len(self.listed):6} expected differences (docs/commands.md)")
        print(f"{len(self.unsteady):6} unsteady: failed once through the proxy, and not again")
        print(f"{len(self.different):6} unexpected differences")
        for mode, test, _ in self.different:
            print(f"         L1 {mode}: {test.unit}: {test.name}")
        if whole:
            for row in self.expected.rows:
                if row not in self.listed:
                    print(f"  listed, but does not differ: {row.unit}: {row.name}")


def missed(straight, through):
    """What passes straight and not through the proxy; a test that was never reached has not passed."""
    return {test: through.get(test, suite.NOT_REACHED) for test, result in straight.items()
            if result.passed and not through.get(test, suite.NOT_REACHED).passed}


def compare(options, runner, unit, table):
    straight = runner.run(unit, None)
    count = table.count("straight", straight)
    print(f"{unit}: {count} pass straight", flush=True)
    if count == 0:
        return
    for mode in options.l1:
        settings = L1[mode] + options.set
        skip = table.expected.hanging(unit)
        through = runner.run(unit, settings, skip)
        lost = missed(straight, through)
        again = missed(straight, runner.run(unit, settings, skip)) if lost else {}
        table.count(mode, {test: result for test, result in through.items() if test in straight})
        print(f"{unit}: {len(lost)} of them fail with L1 {mode}", flush=True)
        for test, result in lost.items():
            table.differ(mode, test, result, unsteady=test not in again)


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tiercache-conformance.")))
            runner = suite.Runner(options, folder)
            table = Table(Expected.read(PAGE))
            for unit in options.unit or runner.units():
                compare(options, runner, unit, table)
    except (RuntimeError, OSError, ValueError) as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    table.show(whole=not options.unit)
    return 1 if table.different else 0


if __name__ == "__main__":
    sys.exit(main())
