"""redis-benchmark against one server: that every test of it ends well, and what is in the server afterwards."""

import re
import subprocess
import sys

sys.path.insert(0, sys.argv[1])
from resp import ask  # noqa: E402

host, port, behind = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def benchmark(*words):
    run = subprocess.run(["redis-benchmark", "-h", host, "-p", str(port), "--csv", *words], capture_output=True, timeout=100,
                         check=False)
    text = (run.stdout + run.stderr).decode(errors="replace")
    print(f"{' '.join(words)}: status {run.returncode}")
    for line in re.sub(r'"[\d.]+"', "N", text).splitlines():
        print(f"  {line}")


def contents():
    for db in (0, 1):
        for key in sorted(ask(behind, 60, "EVAL", "redis.call('select', ARGV[1]) return redis.call('keys', '*')", 0, db)):
            kind = ask(behind, 60, "TYPE", key)
            size = {"string": "STRLEN", "list": "LLEN", "hash": "HLEN", "set": "SCARD", "zset": "ZCARD", "stream": "XLEN"}
            print(f"db {db} {key}: {kind} {ask(behind, 60, size[kind], key) if kind in size else ''}")


ask(port, 60, "FLUSHALL")
benchmark("-n", "400", "-c", "10")
contents()
ask(port, 60, "FLUSHALL")
benchmark("-n", "2000", "-c", "10", "-P", "16", "-t", "ping,set,get,incr,lpush,lpop,sadd,hset,spop,zadd,zpopmin,mset")
contents()
benchmark("-n", "1000", "-c", "10", "--threads", "2", "-3", "-r", "50", "-t", "get,set")
ask(port, 60, "FLUSHALL")
benchmark("-n", "500", "-c", "5", "-r", "10", "EVAL", "return redis.call('incr', KEYS[1])", "1", "key:__rand_int__")
benchmark("-n", "500", "-c", "5", "-d", "20000", "-k", "0", "-t", "set,get")
benchmark("-n", "100", "--dbnum", "1", "-t", "set")
ask(port, 60, "FLUSHALL")
