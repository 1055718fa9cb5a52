"""python3-redis against one server: a fixed list of operations, one line of transcript for each."""

import sys
import threading
import time

import redis

host, port = sys.argv[1], int(sys.argv[2])


def say(name, value):
    if isinstance(value, (set, frozenset)):
        value = sorted(value)
    print(f"{name}: {value!r}")


def attempt(name, operation):
    try:
        say(name, operation())
    except redis.RedisError as error:
        say(name, (type(error).__name__, str(error)))


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("waited for a minute")
        time.sleep(0.005)


def reads(client, other):
    client.set("s", "value")
    client.set("long", "x" * 100_000)
    client.mset({"s1": 1, "s2": 2})
    client.hset("h", mapping={"a": 1, "b": 2})
    client.rpush("l", "x", "y", "z")
    client.sadd("set", "m")
    client.zadd("z", {"one": 1, "two": 2.5})
    client.geoadd("g", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"))
    client.setbit("bits", 7, 1)
    client.pfadd("p", "a", "b")
    for turn in range(5):
        say("get", client.get("s"))
        say("get long", len(client.get("long")))
        say("mget", client.mget("s1", "none", "s2"))
        say("getrange", client.getrange("s", 0, 2))
        say("exists", client.exists("s", "none"))
        say("hgetall", client.hgetall("h"))
        say("hmget", client.hmget("h", "a", "x"))
        say("lrange", client.lrange("l", 0, -1))
        say("smembers", client.smembers("set"))
        say("zrange", client.zrange("z", 0, -1, withscores=True))
        say("zrank", client.zrank("z", "two"))
        say("geodist", client.geodist("g", "Palermo", "Catania"))
        say("bitcount", client.bitcount("bits"))
        say("pfcount", client.pfcount("p"))
        say("ttl", client.ttl("s"))
        say("type", client.type("z"))
        other.append("s", turn)
        other.hincrby("h", "a")
    attempt("wrong type", lambda: client.lpush("s", "x"))
    attempt("unknown", lambda: client.execute_command("NOSUCH", "x"))


def transactions(client, other):
    pipe = client.pipeline(transaction=False)
    say("pipeline", pipe.set("p", 1).incr("p").get("p").execute())
    say("pipeline, an error", pipe.set("p", "x").incr("p").get("p").execute(raise_on_error=False)[::2])
    say("multi", client.pipeline().set("t", 1).incr("t").get("t").hgetall("h").execute())
    with client.pipeline() as pipe:
        pipe.watch("t")
        other.set("t", "changed")
        pipe.multi()
        pipe.set("t", "mine")
        attempt("watch, lost", pipe.execute)
    say("transaction", client.transaction(lambda pipe: pipe.multi() or pipe.incr("counter"), "counter"))
    with client.lock("lock", timeout=60, blocking_timeout=60) as lock:
        say("lock", lock.owned())
    say("unlocked", client.exists("lock"))


def scripts(client):
    client.script_flush()
    bump = client.register_script("return {redis.call('incrby', KEYS[1], ARGV[1]), 'done'}")
    say("script", bump(keys=["n"], args=[5]))
    say("script again", bump(keys=["n"], args=[5]))
    say("script_exists", client.script_exists(bump.sha, "0" * 40))
    attempt("script error", lambda: client.eval("return redis.call('incr', 's')", 0))
    say("function", client.function_load("#!lua name=lib\nredis.register_function('f', function() return 3 end)"))
    say("fcall", client.fcall("f", 0))


def pubsub(client):
    with client.pubsub() as heard:
        heard.subscribe("news")
        heard.psubscribe("n*")
        say("confirmed", [heard.get_message(timeout=60) for _ in range(2)])
        say("publish", [client.publish("news", "one"), client.publish("none", "two")])
        say("heard", [heard.get_message(timeout=60) for _ in range(3)])
        heard.unsubscribe()
        heard.punsubscribe()
        say("left", [heard.get_message(timeout=60) for _ in range(2)])


def waiting(client, other):
    say("blpop, timed out", client.blpop("queue", timeout=1))
    popped = []
    thread = threading.Thread(target=lambda: popped.append(other.blpop("queue")))
    thread.start()
    until(lambda: client.info("clients")["blocked_clients"] == 1)
    client.rpush("queue", "job")
    thread.join(60)
    say("blpop", popped)
    client.xadd("x", {"f": "v"}, id="1-1")
    client.xgroup_create("x", "g", id="0")
    say("xreadgroup", client.xreadgroup("g", "c", {"x": ">"}))
    say("xack", client.xack("x", "g", "1-1"))
    say("xinfo_stream", client.xinfo_stream("x")["last-generated-id"])


def server(client):
    for i in range(300):
        client.hset("many", f"f{i}", i)
    say("hscan_iter", sorted(client.hscan_iter("many", count=10)))
    say("scan_iter", sorted(client.scan_iter(match="s*")))
    say("object", client.object("encoding", "many"))
    say("restore", client.restore("copy", 0, client.dump("h")))
    say("sort", client.sort("l", alpha=True, desc=True))
    say("config", client.config_get("maxmemory-policy"))
    say("info", sorted(client.info("replication").items())[:2])
    say("setname", client.client_setname("twin"))
    say("command", client.command()["get"]["arity"])
    say("client list", len(client.client_list()) > 0)
    say("slowlog", client.slowlog_reset())
    say("ping", client.ping())
    say("wait", client.wait(0, 1))
    say("flushall", client.flushall())
    say("empty", client.get("s"))


def main():
    client = redis.Redis(host, port, socket_timeout=60)
    other = redis.Redis(host, port, socket_timeout=60, decode_responses=True)
    client.flushall()
    reads(client, other)
    transactions(client, other)
    scripts(client)
    pubsub(client)
    waiting(client, other)
    with redis.Redis(host, port, db=1, single_connection_client=True) as first:
        first.set("s", "in db 1")
        say("db 1", (first.get("s"), client.get("s")))
    server(client)


main()
