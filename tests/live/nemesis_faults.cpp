#include "nemesis_faults.hpp"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

namespace tiercache::testing {
namespace {

using World = NemesisWorld;

constexpr int kFillers = 6000;

void must(const Value& reply) {
  if (reply.is_error()) {
    throw std::runtime_error("nemesis: " + reply.text);
  }
}

void nothing(World&) {
}

template <const char* const& kLine>
void on_links(World& world) {
  world.links.must(kLine);
}

void clear_links(World& world) {
  world.links.must("clear");
}

// One that an earlier fault has left would bring old values back.
void forget_file(World& world) {
  std::filesystem::remove(world.redis.directory() / "dump.rdb");
}

void kill_redis(World& world) {
  forget_file(world);
  world.redis.kill9();
}

void start_redis(World& world) {
  world.redis.start();
}

// Its data outlive it, its run_id does not.
void stop_redis_saved(World& world) {
  must(world.direct().call("CONFIG", "SET", "save", "3600 1"));
  world.redis.stop();
}

void start_redis_saved(World& world) {
  if (!std::filesystem::exists(world.redis.directory() / "dump.rdb")) {
    throw std::runtime_error("nemesis: Redis has saved nothing");
  }
  world.redis.start();
  forget_file(world);
}

void stop_process(World& world) {
  world.redis.pause();
}

void continue_process(World& world) {
  world.redis.resume();
}

void kill_event_link(World& world) {
  must(world.direct().call("CLIENT", "KILL", "TYPE", "pubsub"));
}

void kill_other_links(World& world) {
  Client client = world.direct();
  const std::string all = client.call("CLIENT", "LIST", "TYPE", "normal").text;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find('\n', at), all.size());
    const std::string line = all.substr(at, end - at);
    at = end + 1;
    if (line.find(" name= ") != std::string::npos) {
      client.call("CLIENT", "KILL", "ID", line.substr(3, line.find(' ') - 3));
    }
  }
}

void switch_off_notifications(World& world) {
  must(world.direct().call("CONFIG", "SET", "notify-keyspace-events", ""));
}

void flush_all(World& world) {
  must(world.direct().call("FLUSHALL"));
}

void flush_db_async(World& world) {
  must(world.direct().call("FLUSHDB", "ASYNC"));
}

void swap_dbs(World& world) {
  must(world.direct().call("SWAPDB", "0", "1"));
}

void empty_other_db(World& world) {
  Client client = world.direct();
  must(client.call("SELECT", "1"));
  must(client.call("FLUSHDB"));
}

void reload(World& world) {
  must(world.direct().call("DEBUG", "RELOAD"));
}

void restore(World& world) {
  world.workload.write_with(WriteWith::restore);
}

void undeclared(World& world) {
  world.workload.write_with(WriteWith::undeclared_eval);
}

void plain_writes(World& world) {
  world.workload.write_with(WriteWith::set);
}

std::string filler(int number) {
  return std::string("filler:").append(std::to_string(number));
}

void fill(Client& client, int count, const std::string& value, const std::string& px) {
  for (int i = 0; i < count; i++) {
    if (px.empty()) {
      client.send("SET", filler(i), value);
    } else {
      client.send("SET", filler(i), value, "PX", px);
    }
    if (i % 500 == 499 || i == count - 1) {
      for (int j = i - i % 500; j <= i; j++) {
        must(client.read());
      }
    }
  }
}

// Random ones go, those that are read from L1 among them.
void evict(World& world) {
  Client client = world.direct();
  const std::string info = client.call("INFO", "memory").text;
  const std::string field = "used_memory:";
  const auto used = std::stoll(info.substr(info.find(field) + field.size()));
  must(client.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random"));
  must(client.call("CONFIG", "SET", "maxmemory", std::to_string(used + (1 << 20))));
  fill(client, kFillers, std::string(1000, 'x'), "");
}

void stop_evicting(World& world) {
  Client client = world.direct();
  if (client.call("INFO", "stats").text.find("evicted_keys:0\r") != std::string::npos) {
    throw std::runtime_error("nemesis: nothing was evicted");
  }
  must(client.call("CONFIG", "SET", "maxmemory", "0"));
  for (int i = 0; i < kFillers; i++) {
    client.send("UNLINK", filler(i));
  }
  for (int i = 0; i < kFillers; i++) {
    client.read();
  }
}

// All at the same moment. What is read through the proxy after it must not be there.
void expire_many(World& world) {
  Client client = world.direct();
  Client through(world.proxy.port());
  const int count = world.is_long ? 100'000 : 20'000;
  fill(client, count, "x", "3000");
  const auto due =
      std::to_string(std::stoll(client.call("PEXPIRETIME", filler(count - 1)).to_string()));
  for (int i = 0; i < count; i++) {
    client.send("PEXPIREAT", filler(i), due);
    if (i % 500 == 499) {
      for (int j = 0; j < 500; j++) {
        client.read();
      }
    }
  }
  for (int i = 0; i < 200; i++) {
    through.call("GET", filler(i));
  }
  // Redis's own clock says when it is over.
  const auto redis_ms = [&] {
    const Value time = client.call("TIME");
    return std::stoll(time.items.at(0).text) * 1000 + std::stoll(time.items.at(1).text) / 1000;
  };
  while (redis_ms() <= std::stoll(due)) {
    pause_briefly();
  }
  for (int i = 0; i < 200; i++) {
    if (!through.call("GET", filler(i)).is_nil()) {
      throw std::runtime_error("nemesis: a key was read after its expiry");
    }
  }
}

// The event link is the only subscriber, and it is cut while this runs.
void tiny_output_limit(World& world) {
  Client client = world.direct();
  must(client.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1024 512 1"));
  // In one command: between two, a quick reader may keep the buffer empty.
  must(client.call("EVAL",
                   "for i = 1, 5000 do redis.call('SET', 'burst:' .. i, 'x', 'EX', '5') end", "0"));
}

void usual_output_limit(World& world) {
  Client client = world.direct();
  must(client.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 33554432 8388608 60"));
  fill(client, 2000, "x", "1");
}

#define LINE(name, text) constexpr const char* name = text
LINE(kDelayEvent, "delay both 40 event");
LINE(kDelayControl, "delay both 40 control");
LINE(kDelayData, "delay both 20 data");
LINE(kDelayDataDown, "delay down 20 data");
LINE(kFragmentEvent, "fragment on event");
LINE(kFragmentControl, "fragment on control");
LINE(kFragmentData, "fragment on data");
LINE(kResetEvent, "reset event");
LINE(kResetControl, "reset control");
LINE(kResetData, "reset data");
LINE(kResetAll, "reset all");
LINE(kCutData, "cut down 1500 data");
LINE(kHoleEvent, "blackhole on event");
LINE(kHoleControl, "blackhole on control");
LINE(kHoleData, "blackhole on data");
LINE(kHoleAll, "blackhole on all");
LINE(kDelayEventDown, "delay down 60 event");
LINE(kPauseEventDown, "pause down event");
LINE(kPauseDataDown, "pause down data");
#undef LINE

// Two at once: what one link tells too late while another goes on.
template <const char* const& kLine, void (*kApply)(World&)>
void with_links(World& world) {
  world.links.must(kLine);
  kApply(world);
}

template <void (*kLift)(World&)>
void and_clear_links(World& world) {
  kLift(world);
  clear_links(world);
}

constexpr NemesisFault kFaults[] = {
    {"none", nothing, nullptr},
    {"delay of the event link", on_links<kDelayEvent>, clear_links},
    {"delay of the control link", on_links<kDelayControl>, clear_links},
    {"delay of data links", on_links<kDelayData>, clear_links},
    {"delay of data replies", on_links<kDelayDataDown>, clear_links},
    {"one-byte fragments, event link", on_links<kFragmentEvent>, clear_links},
    {"one-byte fragments, control link", on_links<kFragmentControl>, clear_links},
    {"one-byte fragments, data links", on_links<kFragmentData>, clear_links},
    {"reset of the event link", on_links<kResetEvent>, nullptr, Empties::stream},
    {"reset of the control link", on_links<kResetControl>, nullptr, Empties::stream},
    {"reset of data links", on_links<kResetData>, nullptr},
    {"reset of all links", on_links<kResetAll>, nullptr, Empties::stream},
    {"data links cut in a reply", on_links<kCutData>, nullptr},
    {"black hole, event link", on_links<kHoleEvent>, clear_links},
    {"black hole, control link", on_links<kHoleControl>, clear_links},
    {"black hole, data links", on_links<kHoleData>, clear_links},
    {"black hole, all links", on_links<kHoleAll>, clear_links},
    {"events held back", on_links<kPauseEventDown>, clear_links},
    {"data replies held back", on_links<kPauseDataDown>, clear_links},
    {"CLIENT KILL of the event link", kill_event_link, nullptr, Empties::stream},
    {"CLIENT KILL of data and control", kill_other_links, nullptr, Empties::stream},
    {"SIGSTOP, SIGCONT", stop_process, continue_process},
    {"kill -9, restart", kill_redis, start_redis, Empties::stream, Lost::while_it_holds},
    {"restart with the data, other run_id", stop_redis_saved, start_redis_saved, Empties::stream},
    {"notify-keyspace-events \"\"", switch_off_notifications, nullptr, Empties::events,
     Lost::nothing, Told::by_canary},
    {"FLUSHALL", flush_all, nullptr, Empties::stream, Lost::at_once},
    {"FLUSHDB ASYNC", flush_db_async, nullptr, Empties::stream, Lost::at_once},
    {"SWAPDB", swap_dbs, empty_other_db, Empties::stream, Lost::at_once, Told::by_canary},
    {"DEBUG RELOAD", reload, forget_file, Empties::stream},
    {"RESTORE REPLACE", restore, plain_writes},
    {"EVAL of undeclared keys", undeclared, plain_writes},
    {"eviction", evict, stop_evicting, Empties::maybe, Lost::while_it_holds},
    {"mass expiry", expire_many, nothing},
    {"slow events, RESTORE REPLACE", with_links<kDelayEventDown, restore>,
     and_clear_links<plain_writes>},
    {"slow events, EVAL of undeclared keys", with_links<kDelayEventDown, undeclared>,
     and_clear_links<plain_writes>},
    {"events held back, undeclared EVAL", with_links<kPauseEventDown, undeclared>,
     and_clear_links<plain_writes>},
    {"slow events, FLUSHALL", with_links<kDelayEventDown, flush_all>, clear_links, Empties::stream,
     Lost::at_once},
    {"slow data replies, RESTORE REPLACE", with_links<kDelayDataDown, restore>,
     and_clear_links<plain_writes>},
    {"slow data replies, FLUSHALL", with_links<kDelayDataDown, flush_all>, clear_links,
     Empties::stream, Lost::at_once},
    {"slow control link, SWAPDB", with_links<kDelayControl, swap_dbs>,
     and_clear_links<empty_other_db>, Empties::stream, Lost::at_once, Told::by_canary},
    {"silent control link, SWAPDB", with_links<kHoleControl, swap_dbs>,
     and_clear_links<empty_other_db>, Empties::stream, Lost::at_once, Told::by_canary},
    {"silent control link, events off", with_links<kHoleControl, switch_off_notifications>,
     clear_links, Empties::events, Lost::nothing, Told::by_canary},
    {"tiny output limit of subscribers", tiny_output_limit, usual_output_limit, Empties::stream},
};

const char* name_of(Invalidation by) {
  switch (by) {
    case Invalidation::ttl:
      return "ttl";
    case Invalidation::tracking:
      return "tracking";
    case Invalidation::keyspace:
      break;
  }
  return "keyspace";
}

std::vector<std::string> settings(Invalidation by, const std::vector<std::string>& more) {
  const auto set = [](const char* key, const std::string& value) {
    return std::string(key).append("=").append(value);
  };
  std::vector<std::string> sets{
      set("threads", "2"),
      set("coherence.invalidation", name_of(by)),
      set("coherence.max_staleness_ms", std::to_string(NemesisWorld::kMaxStaleness.count())),
      set("coherence.canary_interval_ms", std::to_string(NemesisWorld::kCanaryInterval.count())),
      set("upstream.reconnect_min_ms", "10"),
      set("upstream.reconnect_max_ms", "100")};
  sets.insert(sets.end(), more.begin(), more.end());
  return sets;
}

}  // namespace

NemesisWorld::NemesisWorld(Invalidation by, bool long_form, const std::vector<std::string>& sets)
    : invalidation(by), is_long(long_form), proxy(links.port(), settings(by, sets)) {
}

Client NemesisWorld::direct() const {
  Client client(redis.port(), std::chrono::seconds(30));
  must(client.call("CLIENT", "SETNAME", "nemesis"));
  return client;
}

NemesisWorld::Stats NemesisWorld::stats() {
  const Value all = asker.call("CACHE", "STATS");
  const auto number = [&](std::string_view name) {
    const Value* value = all.find(name);
    return value != nullptr ? value->integer : 0;
  };
  const Value* state = all.find("event_link_state");
  return {state != nullptr && state->text == "live", number("l1_hits"), number("generation_bumps")};
}

std::span<const NemesisFault> nemesis_faults() {
  return kFaults;
}

}  // namespace tiercache::testing
