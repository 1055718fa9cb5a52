"""prometheus-redis-exporter against one server: the names and labels of what it exports, and the values that do not move."""

import re
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, sys.argv[1])
from resp import ask, free_port, stop  # noqa: E402

host, port, behind = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
WAIT = 60

# Of the machine, of the moment, of the two servers' own histories.
MOVING = re.compile(r"""^(go_|process_|promhttp_|redis_exporter_|redis_(commands|latency|cpu|mem|memory|net|uptime|start_time
    |connections|connected_clients|client_|clients|process_id|tcp|rdb|aof|lazyfree|active_defrag|defrag|keyspace_(hits|misses)
    |instantaneous|second|repl|total|io_threaded|dump|errors|blocked|pubsub|tracking|slowlog|last_slow|last_key|acl
    |expire|expired|evict|config|migrate|allocator|number|async|current|up_time|instance_info|key_memory|db_keys|db_avg))""",
                    re.VERBOSE)


def scrape(address):
    end = time.monotonic() + WAIT
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return answer.read().decode()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


ask(port, WAIT, "FLUSHALL")
for words in (["SET", "s", "12"], ["RPUSH", "l", "a", "b"], ["HSET", "h", "f", "v"], ["SET", "ttl", "x", "EX", "10000"],
              ["XADD", "x", "1-1", "f", "v"], ["XGROUP", "CREATE", "x", "g", "0"]):
    ask(port, WAIT, *words)
web = free_port()
child = subprocess.Popen(["prometheus-redis-exporter", f"-redis.addr=redis://{host}:{port}", f"-web.listen-address=127.0.0.1:{web}",
                          "-check-keys=db0=s,db0=l,db0=h", "-check-single-keys=db0=s", "-check-streams=db0=x",
                          "-include-system-metrics", "-export-client-list", "-set-client-name"],
                         stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    for turn in range(2):
        lines = scrape(f"http://127.0.0.1:{web}/metrics").splitlines()
    names = set()
    for line in lines:
        found = re.match(r"([a-z0-9_]+)(\{.*\})? (\S+)$", line)
        if not found:
            continue
        name, labels, value = found.groups()
        if name.startswith("redis_"):
            names.add(name)
        if name == "redis_up" or not MOVING.match(name):
            print(f"{name}{labels or ''} {value}")
    # What only commands that were called show is not of the server.
    for name in sorted(names):
        print(f"name {name}")
finally:
    stop(child, 5)
