// node-redis against one server, in RESP2 and in RESP3: a fixed list of operations, one line of transcript for each.
import { packages, say, attempt, sorted, until } from "./transcript.mjs";

const { createClient, createClientPool } = packages("redis");

const [host, port] = process.argv.slice(2);
const url = `redis://${host}:${port}`;

async function open(options = {}) {
  const client = createClient({ url, ...options });
  client.on("error", (error) => say("connection", error));
  await client.connect();
  return client;
}

async function operations(RESP) {
  const client = await open({ RESP, name: "twin" });
  const other = await open({ RESP });
  await client.flushAll();
  await client.set("s", "value");
  await client.mSet({ s1: "1", s2: "2" });
  await client.hSet("h", { a: "1", b: "2" });
  await client.rPush("l", ["x", "y", "z"]);
  await client.sAdd("set", "m");
  await client.zAdd("z", [{ score: 1, value: "one" }, { score: 2.5, value: "two" }]);
  await client.xAdd("x", "1-1", { f: "v" });
  for (let round = 0; round < 5; round++) {
    say("get", await client.get("s"));
    say("get none", await client.get("none"));
    say("mGet", await client.mGet(["s1", "none", "s2"]));
    say("exists", await client.exists(["s", "none"]));
    say("hGetAll", await client.hGetAll("h"));
    say("hmGet", await client.hmGet("h", ["a", "x"]));
    say("lRange", await client.lRange("l", 0, -1));
    say("sMembers", await client.sMembers("set"));
    say("sIsMember", await client.sIsMember("set", "m"));
    say("zRangeWithScores", await client.zRangeWithScores("z", 0, -1));
    say("zScore", await client.zScore("z", "two"));
    say("xRange", await client.xRange("x", "-", "+"));
    say("ttl", await client.ttl("s"));
    await other.append("s", String(round));
    await other.hIncrBy("h", "a", 1);
    await client.zIncrBy("z", 0.5, "one");
  }
  await attempt("wrong type", () => client.lPush("s", "x"));
  await attempt("unknown", () => client.sendCommand(["NOSUCH", "x"]));

  say("pipelined", await Promise.all([client.set("p", "1"), client.incr("p"), client.get("p")]));
  say("multi", await client.multi().set("t", "1").incr("t").get("t").hGetAll("h").exec());
  say("multi as a pipeline", await client.multi().set("t", "1").get("t").execAsPipeline());
  await attempt("multi, one fails", () => client.multi().set("t", "x").incr("t").get("t").exec());
  await client.watch("t");
  await other.set("t", "changed");
  await attempt("watch, lost", () => client.multi().set("t", "mine").exec());

  await client.sendCommand(["SCRIPT", "FLUSH"]);
  say("eval", await client.eval("return {KEYS[1], ARGV[1], 7}", { keys: ["k"], arguments: ["v"] }));
  const sha = await client.scriptLoad("return redis.call('incrby', KEYS[1], 3)");
  say("evalSha", await client.evalSha(sha, { keys: ["n"] }));
  await attempt("evalSha unknown", () => client.evalSha("0".repeat(40)));

  for (let i = 0; i < 50; i++) await client.sAdd("many", `m${i}`);
  const members = [];
  for await (const page of client.sScanIterator("many", { COUNT: 10 })) members.push(...[page].flat());
  say("sScanIterator", sorted([...new Set(members)]));

  const subscriber = await open({ RESP });
  const heard = [];
  await subscriber.subscribe("news", (text, channel) => heard.push([channel, text]));
  await subscriber.pSubscribe("n*", (text, channel) => heard.push(["by pattern", channel, text]));
  await subscriber.sSubscribe("shard", (text, channel) => heard.push(["shard", channel, text]));
  say("publish", [await client.publish("news", "one"), await client.sPublish("shard", "two")]);
  await until(() => heard.length >= 3);
  say("heard", sorted(heard));
  await subscriber.unsubscribe("news");
  await subscriber.pUnsubscribe("n*");
  await subscriber.sUnsubscribe("shard");
  say("after it", await subscriber.get("s"));

  const waiting = subscriber.blPop("queue", 0);
  await until(async () => /blocked_clients:1/.test(await client.info("clients")));
  await client.rPush("queue", "job");
  say("blPop", await waiting);
  say("blPop, timed out", await subscriber.blPop("queue", 0.01));
  await client.xGroupCreate("x", "g", "0");
  say("xReadGroup", await client.xReadGroup("g", "c", { key: "x", id: ">" }, { COUNT: 10 }));
  await client.select(1);
  say("db 1", await client.get("s"));
  await client.select(0);
  say("name", await client.clientGetName());
  const pool = createClientPool({ url, RESP }, { minimum: 1, maximum: 4 });
  await pool.connect();
  say("pool", await Promise.all([..."abcdefgh"].map((c) => pool.set(`pool:${c}`, c).then(() => pool.get(`pool:${c}`)))));
  await pool.close();
  for (const one of [client, other, subscriber]) await one.close();
}

// CLIENT TRACKING: what another client changes is fetched anew.
async function clientSideCache() {
  const cached = await open({ RESP: 3, clientSideCache: { ttl: 0, maxEntries: 100 } });
  const other = await open({ RESP: 3 });
  await other.set("tracked", "before");
  say("cached", [await cached.get("tracked"), await cached.get("tracked")]);
  await other.set("tracked", "after");
  await until(async () => (await cached.get("tracked")) === "after");
  say("cached, changed", await cached.get("tracked"));
  await cached.close();
  await other.close();
}

await operations(2);
await operations(3);
await clientSideCache();
process.exit(0);
