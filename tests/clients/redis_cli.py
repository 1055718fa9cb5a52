"""redis-cli in the modes people use, against one server; what it says, without times and counts of its own."""

import re
import subprocess
import sys
import tempfile
import time

host, port, behind = sys.argv[1:4]
WAIT = 60


def cli(*words, stdin=b"", to=port):
    run = subprocess.run(["redis-cli", "-h", host, "-p", to, *words], input=stdin, capture_output=True, timeout=WAIT,
                         check=False)
    return (run.stdout + run.stderr).decode(errors="backslashreplace")


def say(name, text):
    for line in text.replace("\r", "\n").splitlines():
        print(f"{name}: {line.rstrip()}")


def data():
    cli("FLUSHALL")
    cli("SET", "s", "value")
    cli("SET", "big", "x" * 1000)
    cli("RPUSH", "l", *map(str, range(50)))
    cli("HSET", "h", "a", "1", "b", "2")
    cli("SADD", "set", "1", "2", "3")
    cli("ZADD", "z", "1", "one", "2.5", "two")
    cli("XADD", "x", "1-1", "f", "v")
    cli("-n", "1", "SET", "s", "in db 1")


def commands():
    for _ in range(3):
        for words in (["GET", "s"], ["LRANGE", "l", "0", "3"], ["HGETALL", "h"], ["ZRANGE", "z", "0", "-1", "WITHSCORES"],
                      ["XRANGE", "x", "-", "+"], ["GET", "none"], ["NOSUCH"], ["LPUSH", "s", "x"]):
            say("plain", cli(*words))
            say("-3", cli("-3", *words))
    say("-n", cli("-n", "1", "GET", "s"))
    say("--json", cli("-3", "--json", "HGETALL", "h"))
    say("--csv", cli("--csv", "LRANGE", "l", "0", "3"))
    say("-r", cli("-r", "3", "INCR", "counter"))
    say("-x", cli("-x", "SET", "from-stdin", stdin=b"bytes\x00\xff"))
    say("-x", cli("GET", "from-stdin"))
    say("typed", re.sub(r"id \d+", "id N", cli(stdin=b"MULTI\nINCR counter\nGET s\nEXEC\nSELECT 1\nGET s\nHELLO 3\nHGETALL h\n")))
    say("transaction", cli(stdin=b"MULTI\nINCR counter\nEXEC\nDISCARD\n"))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("return {KEYS[1], ARGV[1], redis.call('get', 's')}")
        script.flush()
        say("--eval", cli("--eval", script.name, "k", ",", "v"))
    say("--no-auth-warning", cli("-u", f"redis://{host}:{port}/1", "GET", "s"))
    say("wrong password", cli("--user", "nobody", "--pass", "x", "--no-auth-warning", "GET", "s"))


def pipe():
    lines = b"".join(b"SET piped:%d %d\r\n" % (i, i) for i in range(10_000))
    say("--pipe", cli("--pipe", stdin=lines))
    say("--pipe, errors", cli("--pipe", stdin=b"LPUSH s x\r\nGET s\r\n"))
    say("--pipe", cli("GET", "piped:9999"))
    say("--pipe", cli("EVAL", "return #redis.call('keys', 'piped:*')", "0"))
    cli("EVAL", "return redis.call('unlink', unpack(redis.call('keys', 'piped:*'), 1, 5000))", "0")
    cli("EVAL", "return redis.call('unlink', unpack(redis.call('keys', 'piped:*')))", "0")


def scans():
    # While Redis makes its table smaller SCAN may name a key twice: from a new table, which each look-up helps to finish.
    data()
    cli("-r", "100", "GET", "s", to=behind)
    names = cli("--scan", "--pattern", "[a-z]*[a-z]").split()
    say("--scan", "\n".join(sorted(names)))
    # The order in which keys come is the server's own, and so are the lines about what was the largest so far.
    for mode in ("--bigkeys", "--memkeys"):
        say(mode, "\n".join(sorted(line for line in cli(mode).splitlines()
                                   if re.match(r"Biggest|\d+ (strings|lists|hashs|streams|sets|zsets)", line))))
    cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu", to=behind)
    data()
    found = re.findall(r'hot key found with counter: \d+\tkeyname: "([^"]+)"', cli("--hotkeys"))
    say("--hotkeys", " ".join(sorted(found)))
    cli("CONFIG", "SET", "maxmemory-policy", "noeviction", to=behind)


def until_lines(words, wanted, act=lambda: None):
    """The first lines of a mode that does not end by itself."""
    child = subprocess.Popen(["redis-cli", "-h", host, "-p", port, *words], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        lines = []
        end = time.monotonic() + WAIT
        while len(lines) < wanted and time.monotonic() < end:
            line = child.stdout.readline().decode()
            if line.startswith("OK"):
                act()
            lines.append(line)
        return lines
    finally:
        child.kill()
        child.wait()


def endless():
    say("--stat", re.sub(r"\d+|[KMG]|\.", "", " ".join("".join(until_lines(["--stat", "-i", "0.1"], 4)).split())))
    for mode in ("--latency", "--latency-history"):
        text = cli(mode, "-i", "0.2", "--raw") if mode == "--latency" else until_lines([mode, "-i", "0.2", "--raw"], 1)[0]
        say(mode, re.sub(r"[\d.]+", "N", text))

    def write():
        cli("SET", "watched", "a b")
        cli("-x", "LPUSH", "watched:list", stdin=b"\x00")
        cli("EVAL", "return redis.call('incr', KEYS[1])", "1", "watched:n")
    lines = []
    child = subprocess.Popen(["redis-cli", "-h", host, "-p", port, "MONITOR"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        assert child.stdout.readline() == b"OK\n"
        write()
        while len(lines) < 4:  # the script's INCR is one of them
            line = child.stdout.readline().decode()
            if "watched" in line:
                lines.append(re.sub(r"^\d+\.\d+ \[(\d+) [\d.:lua]+\]", r"TIME [\1 CLIENT]", line))
    finally:
        child.kill()
        child.wait()
    say("MONITOR", "".join(lines))


data()
commands()
pipe()
scans()
endless()
