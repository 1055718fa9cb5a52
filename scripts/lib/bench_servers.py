"""What scripts/bench measures: server processes, pinned to cores, their CPU time and memory, and a few words of RESP
to ask them. Linux only. Every wait has a limit and raises BenchError at it.
"""

import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import resp
from resp import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 20
STOP_SECONDS = 10
ASK_SECONDS = 60
FILES = 40000
SLOTS = 16384


class BenchError(Exception):
    """What prevents a measurement; the scenario ends with it."""


class Missing(BenchError):
    """A program that is not installed: the scenario is not available."""


def wait_until(done, what, seconds=START_SECONDS):
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise BenchError("waited %d s in vain: %s" % (seconds, what))
        time.sleep(0.02)


class Server:
    """A process that listens on a port of 127.0.0.1."""

    def __init__(self, name, port, process):
        self.name = name
        self.port = port
        self.process = process

    def ask(self, *words):
        try:
            return resp.ask(self.port, ASK_SECONDS, *words)
        except resp.ReplyError as error:
            raise BenchError("the server says: %s" % error) from error
        except ConnectionError as error:
            raise BenchError("%s: %s" % (self.name, error)) from error

    def answers(self):
        if self.process.poll() is not None:
            raise BenchError("%s ended with status %d" % (self.name, self.process.returncode))
        try:
            return self.ask("PING") is not None
        except (OSError, BenchError):
            return False

    def stats(self):
        """CACHE STATS, as a dictionary of texts."""
        words = self.ask("CACHE", "STATS")
        return dict(zip(words[::2], words[1::2]))

    def cpu_seconds(self):
        """User and system time of all its threads, in nanoseconds as the scheduler counts them."""
        total = 0
        tasks = "/proc/%d/task" % self.process.pid
        for task in os.listdir(tasks):
            try:
                total += int(Path(tasks, task, "schedstat").read_text().split()[0])
            except FileNotFoundError:  # The thread has ended.
                pass
        return total / 1e9

    def rss(self):
        for line in Path("/proc/%d/status" % self.process.pid).read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise BenchError(self.name + " has no VmRSS")

    def settled_rss(self):
        """The allocator gives pages back some time after they were freed: the smallest of a few seconds."""
        values = []
        for _ in range(12):
            values.append(self.rss())
            time.sleep(0.25)
        return min(values)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        resp.stop(self.process, STOP_SECONDS)


class Bench:
    """Starts servers and ends them all when it is left. The measured server has a core of its own; the load has the
    rest, and so has the Redis behind a proxy (its own, if there are three cores)."""

    def __init__(self, args):
        self.args = args
        self.directory = Path(tempfile.mkdtemp(prefix="tiercache-bench-"))
        self.started = []
        cores = sorted(os.sched_getaffinity(0))
        self.all_cores = set(cores)
        self.server_cores = {cores[0]}
        self.load_cores = set(cores[-1:]) if len(cores) < 4 else set(cores[2:])
        self.back_cores = {cores[1]} if len(cores) > 1 else {cores[0]}

    def __enter__(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, max(FILES, hard)))
        except (ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return self

    def __exit__(self, *_):
        self.stop_all()
        shutil.rmtree(self.directory, ignore_errors=True)

    def stop_all(self):
        for server in reversed(self.started):
            server.stop()
        self.started.clear()

    def start(self, name, port, command, cores):
        log = self.directory / ("%s-%d.log" % (Path(command[0]).name, port))
        with log.open("wb") as out:
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, cwd=self.directory,
                                       preexec_fn=lambda: os.sched_setaffinity(0, cores))
        server = Server(name, port, process)
        self.started.append(server)
        return server

    def redis(self, *settings, name="redis-server", cores=None):
        port = free_port()
        command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", self.directory]
        server = self.start(name, port, [*command, *settings], cores or self.server_cores)
        wait_until(server.answers, name + " does not answer")
        return server

    def cluster(self, masters, cores=None):
        """A Redis Cluster of so many masters that share the slots evenly."""
        nodes = []
        for number in range(masters):
            nodes.append(self.redis("--cluster-enabled", "yes", "--cluster-port", free_port(), "--cluster-config-file",
                                    "nodes-%d.conf" % len(self.started), name="node %d" % number, cores=cores))
        for number, node in enumerate(nodes):
            node.ask("CLUSTER", "ADDSLOTSRANGE", SLOTS * number // masters, SLOTS * (number + 1) // masters - 1)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, node.ask("CONFIG", "GET", "cluster-port")[1])
        for node in nodes:
            wait_until(lambda node=node: "cluster_state:ok" in node.ask("CLUSTER", "INFO"), "the nodes do not agree")
        return nodes

    def tiercache(self, redis, *settings, name="tiercache", cores=None, config="", start_seconds=START_SECONDS):
        """`redis`: the server behind it, or the nodes of a Cluster. `config`: a file's text, before the settings."""
        port = free_port()
        command = [self.args.tiercache]
        if config:
            path = self.directory / ("tiercache-%d.toml" % port)
            path.write_text(config)
            command += ["--config", path]
        upstream = "upstream.address=127.0.0.1:%d" % redis.port if isinstance(redis, Server) else (
            "upstream.nodes=" + " ".join("127.0.0.1:%d" % node.port for node in redis))
        for setting in ("listen.port=%d" % port, upstream, "threads=1", "log.level=warn", *settings):
            command += ["--set", setting]
        server = self.start(name, port, command, cores or self.server_cores)
        wait_until(server.answers, name + " does not answer", start_seconds)
        if "l1.enabled=false" not in settings:
            wait_until(lambda: server.stats()["event_link_state"] == "live", name + " does not hear of changes")
        return server

    def epoll_loop(self):
        port = free_port()
        server = self.start("bare epoll loop", port,
                            [ROOT / "build/tools/tiercache-epoll-loop", "--port", port], self.server_cores)
        wait_until(server.answers, "the epoll loop does not answer")
        return server

    def predixy(self, redis, name="predixy"):
        """`redis`: the server behind it, or the nodes of a Cluster."""
        program = self.args.predixy or shutil.which("predixy")
        if not program:
            raise Missing("predixy is not installed")
        port = free_port()
        config = self.directory / ("predixy-%d.conf" % port)
        if isinstance(redis, Server):
            pool = ("StandaloneServerPool {\n  Databases 1\n  Hash crc16\n  Distribution modula\n"
                    "  RefreshMethod fixed\n  Group one {\n    + 127.0.0.1:%d\n  }\n}\n" % redis.port)
        else:
            pool = "ClusterServerPool {\n  Servers {\n%s  }\n}\n" % "".join(
                "    + 127.0.0.1:%d\n" % node.port for node in redis)
        config.write_text("Name bench\nBind 127.0.0.1:%d\nWorkerThreads 1\n"
                          "Authority {\n  Auth {\n    Mode write\n  }\n}\n%s" % (port, pool))
        server = self.start(name, port, [program, config], self.server_cores)
        wait_until(server.answers, name + " does not answer")
        return server

    def nutcracker(self, redis):
        program = shutil.which("nutcracker") or shutil.which("nutcracker", path="/usr/sbin")
        if not program:
            raise Missing("nutcracker is not installed (scripts/install-deps --bench)")
        port = free_port()
        config = self.directory / ("nutcracker-%d.yml" % port)
        config.write_text(
            "bench:\n  listen: 127.0.0.1:%d\n  redis: true\n  hash: fnv1a_64\n  distribution: modula\n"
            "  servers:\n   - 127.0.0.1:%d:1 one\n" % (port, redis.port))
        server = self.start("nutcracker", port, [program, "-c", config, "-s", free_port(), "-a", "127.0.0.1"],
                            self.server_cores)
        wait_until(server.answers, "nutcracker does not answer")
        return server

    def other_proxies(self, redis):
        """Those that are installed; the first is what others are compared with."""
        found = []
        for start in (self.predixy, self.nutcracker):
            try:
                found.append(start(redis))
            except Missing:
                pass
        if not found:
            raise Missing("neither predixy nor nutcracker is installed (scripts/install-deps --bench)")
        return found
