#!/usr/bin/env python3
"""Runs one client program against a redis-server and against a redis-server behind tiercache; what it says must be equal.

  compare.py --tiercache PROGRAM [--node FOLDER] [--min-hits N] CLIENT [ARGUMENT...]

Both servers are private ones, on free ports. CLIENT gets the host, the port that clients connect to and the port of the
Redis behind it; what it prints on stdout is its transcript. It leaves out, or makes alike, what no two servers have in
common (ids, ports, times), and exits with status 0. --node: a folder with package-lock.json whose packages are installed
first, once for all builds. Exit status: 0 equal, 1 not, 2 it could not run, 77 (skipped) if the packages cannot be had.
Standard library only.
"""

import argparse
import contextlib
import difflib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts" / "lib"))

from resp import ask  # noqa: E402
from servers import Servers  # noqa: E402

CLIENT_SECONDS = 120
INSTALL_SECONDS = 300
SKIPPED = 77


def install(folder):
    """The packages of a lock file, in a folder of their own."""
    lock = (folder / "package-lock.json").read_bytes()
    home = ROOT / "build-node" / hashlib.sha256(lock).hexdigest()[:16]
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "lock", "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not (home / "installed").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(folder / name, home / name)
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], cwd=home,
                           check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, timeout=INSTALL_SECONDS)
            (home / "installed").touch()
    return home


def transcript(client, port, behind, environment):
    run = subprocess.run([*client, "127.0.0.1", str(port), str(behind)], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, timeout=CLIENT_SECONDS, env=environment, check=False)
    text = run.stdout.decode(errors="backslashreplace")
    if run.returncode != 0:
        raise RuntimeError(f"{client[-1]} on port {port}: exit status {run.returncode}; it said:\n{text[-3000:]}")
    return text.splitlines(keepends=True)


def stat(port, name):
    flat = ask(port, 60, "CACHE", "STATS")
    return dict(zip(flat[::2], flat[1::2]))[name]


def compare(options, environment):
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tiercache-clients."))
        servers = Servers(stack, folder, options.tiercache, [])
        plain = Servers.start_redis(stack, folder)
        expected = transcript(options.client, plain, plain, environment)
        proxy = servers.proxies[0]
        actual = transcript(options.client, proxy, servers.redis, environment)
        hits = stat(proxy, "l1_hits")
    print("".join(expected), end="")
    if expected != actual:
        print("\nwhat redis-server (-) and tiercache (+) say differs:", file=sys.stderr)
        sys.stderr.writelines(difflib.unified_diff(expected, actual, "redis-server", "tiercache", n=2))
        return 1
    if not expected:
        print("the client says nothing", file=sys.stderr)
        return 1
    print(f"\nequal: {len(expected)} lines, {hits} replies from L1")
    return 0 if hits >= options.min_hits else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiercache", required=True)
    parser.add_argument("--node", type=Path)
    parser.add_argument("--min-hits", type=int, default=0)
    parser.add_argument("client", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    environment = dict(os.environ)
    try:
        if options.node:
            try:
                environment["PACKAGES"] = str(install(options.node))
            except (OSError, subprocess.SubprocessError) as error:
                print(f"compare: npm cannot install the client's packages: {error}", file=sys.stderr)
                return SKIPPED
        return compare(options, environment)
    except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
