// An event link, a cache and a gate around one test's server, driven by one loop.
// Owner: the test; one thread.
#pragma once

#include "client.hpp"
#include "l2_loop.hpp"
#include "redis_server.hpp"

#include "tiercache/coherence/cache.hpp"
#include "tiercache/l2/events.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tiercache::testing {

inline l2::EventsConfig events_config(const RedisServer& server) {
  using namespace std::chrono_literals;
  l2::EventsConfig config;
  config.upstream = l2::upstream_at({config::EndpointKind::tcp, "127.0.0.1", server.port(), ""});
  config.backoff_min = 10ms;
  config.backoff_max = 50ms;
  config.link.heartbeat = 5ms;
  config.link.max_staleness = 200ms;
  config.link.dead_after = 20s;
  config.link.canary_interval = 50ms;
  config.proxy_id = "test";
  return config;
}

inline l2::EventsConfig config_of(const RedisServer& server,
                                  std::vector<l2::Transport> transports) {
  auto config = events_config(server);
  config.transports = std::move(transports);
  return config;
}

class EventWorld {
 public:
  explicit EventWorld(const l2::EventsConfig& config)
      : events_(l2::make_events(loop.io(), cache, fences, config,
                                {[this](const std::string& version, const std::string& run_id) {
                                   versions.push_back(version + " " + run_id);
                                 },
                                 [this](std::vector<command::LearntCommand> learnt) {
                                   commands = std::move(learnt);
                                 }},
                                [n = std::uint64_t{0}]() mutable { return ++n; })),
        gate_(l2::make_fence_gate(loop.io(), fences, cache.status(), std::chrono::seconds(5))) {
    events_->start();
  }
  explicit EventWorld(const RedisServer& server) : EventWorld(events_config(server)) {
  }

  l2::Events& events() {
    return *events_;
  }
  l2::FenceGate& gate() {
    return *gate_;
  }
  coherence::LinkState state() const {
    return cache.status().view().state;
  }
  std::uint64_t generation() const {
    return cache.status().view().generation;
  }
  bool until_state(coherence::LinkState wanted) {
    return loop.until([&] { return state() == wanted; });
  }
  bool live() {
    return until_state(coherence::LinkState::live);
  }
  // Puts a reply into the cache as a read of it would. False if it was refused.
  bool fill(std::uint32_t db, std::string_view key) {
    coherence::Waiters waiters;
    const coherence::ReadOutcome outcome = read(db, key);
    if (outcome.kind != coherence::ReadOutcome::Kind::send) {
      return false;
    }
    return cache.reply(cache.hash(db, key), outcome.flight,
                       {"+v\r\n", true, false, -1, cache.status().view().source},
                       std::chrono::steady_clock::now(), waiters);
  }
  bool cached(std::uint32_t db, std::string_view key) {
    const l1::Variant variant{1, 0, {}};
    coherence::ReadAsk ask;
    ask.key = {cache.hash(db, key), db, key};
    ask.answers = {&variant, 1};
    return cache.probe(ask, std::chrono::steady_clock::now(), [](const l1::Entry&) {}).kind ==
           coherence::ReadOutcome::Kind::hit;
  }
  // A fence from here: everything that Redis did before is applied when it returns.
  bool fence() {
    bool over = false;
    gate_->wait(cache.status().view().next_ping(), [&] { over = true; });
    return loop.until([&] { return over; });
  }

  Loop loop;
  coherence::Cache cache{cache_config()};
  l2::Fences fences;
  std::vector<std::string> versions;
  std::vector<command::LearntCommand> commands;

 private:
  static coherence::CacheConfig cache_config() {
    coherence::CacheConfig config;
    config.shard.limits.max_bytes = std::size_t{1} << 20;
    config.shard.max_staleness = std::chrono::seconds(10);
    config.shards = 2;
    return config;
  }
  coherence::ReadOutcome read(std::uint32_t db, std::string_view key) {
    const l1::Variant variant{1, 0, {}};
    coherence::ReadAsk ask;
    ask.key = {cache.hash(db, key), db, key};
    ask.answers = {&variant, 1};
    ask.place = {1, ++reads_, cache.status().view().source};
    return cache.read(ask, std::chrono::steady_clock::now(), [](const l1::Entry&) {});
  }

  std::unique_ptr<l2::Events> events_;
  std::unique_ptr<l2::FenceGate> gate_;
  std::uint64_t reads_ = 0;
};

}  // namespace tiercache::testing
