"""One unit of Redis's test suite before a server of ours: starts the servers, runs it, reads what it says.

Standard library only.
"""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections import namedtuple
from pathlib import Path

from resp import free_port
from servers import Servers

Test = namedtuple("Test", "unit name number")
Result = namedtuple("Result", "passed why")
NOT_REACHED = Result(False, "not reached")

# As Redis's own runs before an external server have it.
REDIS = ["--save", "", "--appendonly", "no", "--enable-protected-configs", "yes", "--enable-debug-command", "yes",
         "--enable-module-command", "yes"]
# Nothing is denied, since what a refusal says is no question. One thread: the suite counts on the order in which it sends
# requests on several connections, and between threads there is none.
PROXY = ["commands.deny=[]", "threads=1"]
OUTCOME = re.compile(r"^\[(ok|err|exception|ignore|skip|timeout)\]: (.*)$")
MILLISECONDS = re.compile(r" \(\d+ ms\)$")
WHERE = re.compile(r" in tests/[\w/.-]+\.tcl$")
# The suite ends hanging tests itself; this is for the suite.
HARD_LIMIT = 3600


def read_outcomes(unit, text):
    """Every test's result, by what the suite printed."""
    results, seen = {}, {}
    failed = None
    for line in text.splitlines():
        outcome = OUTCOME.match(line)
        if outcome is None:
            if failed is not None and line.strip() and not line.startswith(("[", "*** ", "!!!")):
                results[failed] = Result(False, (results[failed].why + "\n" + line).strip())
            continue
        kind, name = outcome[1], outcome[2]
        failed = None
        if kind not in ("ok", "err"):
            continue
        name = MILLISECONDS.sub("", name) if kind == "ok" else WHERE.sub("", name)
        number = seen[name] = seen.get(name, 0) + 1
        test = Test(unit, name, number)
        results[test] = Result(kind == "ok", "")
        if kind == "err":
            failed = test
    return results


def base_port():
    """The suite looks near it for a port whose 10,000th next is free too."""
    while True:
        port = free_port()
        if port <= 50000:
            return port


class Runner:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.tree = folder / "redis"
        self.runs = 0
        # The suite writes into its own folder.
        self.tree.mkdir()
        shutil.copytree(options.source / "tests", self.tree / "tests", symlinks=True)
        shutil.copy(options.source / "runtest", self.tree)
        # Some tests call the programs of the tree by their place in it.
        (self.tree / "src").mkdir()
        for program in ("redis-server", "redis-cli", "redis-benchmark", "redis-check-aof", "redis-check-rdb"):
            found = shutil.which(program)
            if found:
                (self.tree / "src" / program).symlink_to(found)

    def runtest(self, arguments, limit):
        # No colours, and no stream that a test could wait for.
        environment = {**os.environ, "TERM": "dumb"}
        child = subprocess.Popen(["./runtest", *map(str, arguments)], cwd=self.tree, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True,
                                 errors="replace", start_new_session=True)
        try:
            return child.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"runtest {' '.join(map(str, arguments))} does not end") from None
        finally:
            # Its clients too.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, 9)
            child.wait()

    def units(self):
        return self.runtest(["--list-tests"], 60).split()

    def run(self, unit, settings, skip=()):
        """Before a redis-server of its own; `settings` is None, or those of a proxy between them; without the tests
        `skip`."""
        self.runs += 1
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self.folder)))
            port = Servers.start(stack, folder, None, lambda port: [
                "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", folder, "--daemonize", "no", *REDIS])
            if settings is not None:
                sets = [word for setting in [f"upstream.address=127.0.0.1:{port}", *PROXY, *settings]
                        for word in ("--set", setting)]
                port = Servers.start(stack, folder, None, lambda port: [
                    self.options.build / "tiercache", "--set", f"listen.port={port}", *sets])
            arguments = ["--host", "127.0.0.1", "--port", port, "--baseport", base_port(), "--single", unit, "--durable",
                         "--timeout", self.options.timeout]
            for test in skip:
                arguments += ["--skiptest", test]
            if self.options.tags:
                arguments += ["--tags", self.options.tags]
            text = self.runtest(arguments, HARD_LIMIT)
            self.keep(unit, settings, text, folder)
            if "[ready]" not in text:
                raise RuntimeError(f"runtest does not start: {text}")
        return read_outcomes(unit, text)

    def keep(self, unit, settings, text, folder):
        if self.options.logs is None:
            return
        self.options.logs.mkdir(parents=True, exist_ok=True)
        side = "straight" if settings is None else "-".join(["through", *settings])
        name = f"{self.runs:03}-{unit.replace('/', '_')}-{side}"
        (self.options.logs / f"{name}.txt").write_text(text)
        for log in folder.glob("*.log"):
            shutil.copy(log, self.options.logs / f"{name}-{log.name}")
