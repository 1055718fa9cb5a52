// ioredis against one server: a fixed list of operations, one line of transcript for each.
import { packages, say, attempt, sorted, until } from "./transcript.mjs";

const { Redis } = packages("ioredis");

const [host, port] = process.argv.slice(2);
const open = (options = {}) => new Redis({ host, port: Number(port), ...options });

const redis = open({ connectionName: "twin" });
await redis.flushall();

// Reads of every type, again and again: cold, then from memory.
await redis.set("s", "value");
await redis.mset({ s1: "1", s2: "2" });
await redis.hset("h", { a: "1", b: "2" });
await redis.rpush("l", "x", "y", "z");
await redis.sadd("set", "m");
await redis.zadd("z", 1, "one", 2.5, "two");
await redis.set(Buffer.from([0, 255, 13, 10]), Buffer.from([1, 0, 200]));
for (let round = 0; round < 5; round++) {
  say("get", await redis.get("s"));
  say("getBuffer", await redis.getBuffer(Buffer.from([0, 255, 13, 10])));
  say("mget", await redis.mget("s1", "none", "s2"));
  say("exists", await redis.exists("s", "s", "none"));
  say("strlen", await redis.strlen("s"));
  say("hgetall", await redis.hgetall("h"));
  say("hgetall none", await redis.hgetall("none"));
  say("hmget", await redis.hmget("h", "a", "x"));
  say("lrange", await redis.lrange("l", 0, -1));
  say("smembers", await redis.smembers("set"));
  say("zrange", await redis.zrange("z", 0, -1, "WITHSCORES"));
  say("zscore", await redis.zscore("z", "two"));
  say("ttl", await redis.ttl("s"));
  say("type", await redis.type("z"));
  await redis.append("s", String(round));
  await redis.eval("return redis.call('hincrby', KEYS[1], 'a', 1)", 1, "h");
}
await attempt("wrong type", () => redis.lpush("s", "x"));
await attempt("wrong arity", () => redis.call("GET"));
await attempt("unknown", () => redis.call("NOSUCH", "x"));

// Pipelines and transactions.
say("pipeline", await redis.pipeline().set("p", "1").get("p").incr("p").lpush("p", "x").get("p").exec());
say("multi", await redis.multi().set("t", "1").incr("t").get("t").hgetall("h").exec());
say("multi, not pipelined", [
  await redis.multi({ pipeline: false }), await redis.set("t", "5"), await redis.get("t"), await redis.exec(),
]);
await attempt("multi aborted", () => redis.multi().call("NOSUCH").get("t").exec());
await redis.watch("t");
const other = open();
await other.set("t", "changed");
say("watch, lost", await redis.multi().set("t", "mine").exec());
const automatic = open({ enableAutoPipelining: true });
say("auto pipelining", await Promise.all([..."abcdef"].map((c) => automatic.set(`auto:${c}`, c).then(() => automatic.get(`auto:${c}`)))));

// Scripts: EVALSHA, then EVAL where the server does not know it.
redis.defineCommand("bump", { numberOfKeys: 1, lua: "return {redis.call('incrby', KEYS[1], ARGV[1]), 'done'}" });
await redis.script("FLUSH");
say("script", await redis.bump("n", 5));
say("script again", await redis.bump("n", 5));
say("script in a pipeline", await redis.pipeline().bump("n", 1).get("n").exec());

// Scanning.
for (let i = 0; i < 50; i++) await redis.hset("many", `f${i}`, String(i));
const fields = [];
for await (const page of redis.hscanStream("many", { count: 10 })) fields.push(...page);
say("hscanStream", sorted(fields));
const names = [];
for await (const page of redis.scanStream({ match: "auto:*" })) names.push(...page);
say("scanStream", sorted([...new Set(names)]));

// Pub/sub.
const subscriber = open();
const heard = [];
subscriber.on("message", (channel, text) => heard.push(["message", channel, text]));
subscriber.on("pmessage", (pattern, channel, text) => heard.push(["pmessage", pattern, channel, text]));
say("subscribe", await subscriber.subscribe("news", "more"));
say("psubscribe", await subscriber.psubscribe("n*"));
say("publish", [await redis.publish("news", "one"), await redis.publish("more", "two"), await redis.publish("x", "no")]);
await until(() => heard.length >= 3);
say("heard", heard);
say("unsubscribe", await subscriber.unsubscribe("news", "more"));
say("punsubscribe", await subscriber.punsubscribe());
say("after it", await subscriber.get("s"));

// Blocking, streams, more than one db, the connection.
const waiter = open();
const popped = waiter.blpop("queue", 0);
await until(async () => /blocked_clients:1/.test(await redis.info("clients")));
await redis.rpush("queue", "job");
say("blpop", await popped);
say("blpop, timed out", await waiter.blpop("queue", 0.01));
await redis.xadd("stream", "1-1", "f", "v");
await redis.xgroup("CREATE", "stream", "g", "0");
say("xreadgroup", await redis.xreadgroup("GROUP", "g", "c", "COUNT", 10, "STREAMS", "stream", ">"));
say("xack", await redis.xack("stream", "g", "1-1"));
const second = open({ db: 1 });
await second.set("s", "in db 1");
say("db 1", [await second.get("s"), await redis.get("s")]);
say("select", [await redis.select(1), await redis.get("s"), await redis.select(0), await redis.get("s")]);
say("name", await redis.client("GETNAME"));
say("reset", await other.call("RESET"));
say("monitor", await new Promise((done) => {
  second.monitor((error, monitor) => {
    monitor.on("monitor", (time, args) => {
      if (args[1] === "watched") done(args);
    });
    redis.set("watched", "x");
  });
}));
say("quit", await redis.quit());
for (const one of [other, automatic, subscriber, waiter, second]) one.disconnect();
process.exit(0);
