"""Private servers for scripts: a redis-server with proxies before it, and a small client. Standard library only."""

import os
import socket
import subprocess
import time
from pathlib import Path

from resp import ReplyError, encode, free_port, read_reply, stop

STOP_SECONDS = 5


class Redis:
    """One blocking connection; commands are lists of words. Errors and lost peers are answered with None."""

    def __init__(self, port):
        self.port = port
        self.connection = None

    def __call__(self, *words):
        try:
            if self.connection is None:
                self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=5)
                self.replies = self.connection.makefile("rb")
            self.connection.sendall(encode(*words))
            return read_reply(self.replies)
        except ReplyError:
            return None
        except OSError:
            self.connection = None
            return None


def wait_for(port, child):
    ask = Redis(port)
    for _ in range(300):
        if child.poll() is not None:
            return False
        if ask("PING") == "PONG":
            return True
        time.sleep(0.05)
    return False


class Servers:
    """A private Redis with two proxies before it, on free ports of 127.0.0.1; they end with the stack."""

    def __init__(self, stack, folder, program, settings, environment=None):
        environment = {**os.environ, **(environment or {})}
        self.redis = self.start_redis(stack, folder)
        sets = [word for setting in [f"upstream.address=127.0.0.1:{self.redis}", "threads=2", *settings]
                for word in ("--set", setting)]
        self.proxies = [self.start(stack, folder, environment, lambda port: [
            program, "--set", f"listen.port={port}", *sets]) for _ in range(2)]

    @classmethod
    def start_redis(cls, stack, folder):
        return cls.start(stack, folder, None, lambda port: [
            "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", folder, "--save", "", "--appendonly", "no",
            "--daemonize", "no"])

    @staticmethod
    def start(stack, folder, environment, command):
        for _ in range(10):
            port = free_port()
            log = open(Path(folder) / f"{port}.log", "wb")
            child = subprocess.Popen([str(word) for word in command(port)], stdin=subprocess.DEVNULL, stdout=log,
                                     stderr=subprocess.STDOUT, env=environment)
            log.close()
            stack.callback(stop, child, STOP_SECONDS)
            if wait_for(port, child):
                return port
        raise RuntimeError(f"does not start: {' '.join(map(str, command(0)))}")
