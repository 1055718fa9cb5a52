"""A few words of RESP2 for scripts, and what they need to run servers. Standard library only."""

import socket
import subprocess


class ReplyError(Exception):
    """The server answers with an error: its text."""


def encode(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def read_reply(stream):
    """Texts, integers, None, lists. ReplyError for an error reply, ConnectionError where none of RESP2 comes."""
    line = stream.readline()
    kind, rest = line[:1], line[1:-2]
    if not line.endswith(b"\r\n") or kind not in b"-+:$*":
        raise ConnectionError("no reply, or not one of RESP2: %r" % line)
    if kind == b"-":
        raise ReplyError(rest.decode(errors="replace"))
    if kind == b"+":
        return rest.decode()
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2].decode(errors="replace")
    return [read_reply(stream) for _ in range(max(0, int(rest)))]


def ask(port, seconds, *words):
    """One request on a connection of its own to 127.0.0.1; its reply."""
    with socket.create_connection(("127.0.0.1", port), seconds) as s, s.makefile("rb") as stream:
        s.sendall(encode(*words))
        return read_reply(stream)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def stop(process, seconds):
    """Ends it if it runs, the hard way after so many seconds."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
