// CACHE EXPLAIN: how a key is treated, and what happened to it last.
#include "admin_impl.hpp"
#include "replies.hpp"

#include "tiercache/config/schema.hpp"
#include "tiercache/l2/events.hpp"
#include "tiercache/local/keyspace.hpp"
#include "tiercache/proxy/freshness.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>

namespace tiercache::admin {

namespace {

using namespaces::Index;
using std::chrono::milliseconds;

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text.append(text.empty() ? "" : " ").append(word);
  }
  return text;
}

std::int64_t ms(Duration duration) {
  return std::chrono::duration_cast<milliseconds>(duration).count();
}

// What the configuration calls an enumerator.
std::string_view choice_of(std::string_view leaf, std::size_t enumerator) {
  const config::TableArray& array = *config::find_table_array("namespace");
  const auto key = std::ranges::find_if(
      array.keys, [&](const config::ElementKey& one) { return one.leaf() == leaf; });
  return key->choices[enumerator];
}

std::string_view name_of(config::Tiers tiers) {
  return choice_of("tiers", static_cast<std::size_t>(tiers));
}

std::string_view name_of(config::LoadResult result) {
  return choice_of("result", static_cast<std::size_t>(result));
}

std::string_view name_of(config::Strategy strategy) {
  return choice_of("strategy", static_cast<std::size_t>(strategy));
}

// The same of a namespace whose keys live in the proxy alone.
std::vector<Fact> local_facts(const config::Namespace& policy, const local::SpaceConfig& space) {
  return {
      {"namespace", policy.name},
      {"match", joined(policy.match)},
      {"tiers", std::string(name_of(policy.tiers))},
      {"commands", local::verb_names()},
      {"ttl_ms", std::int64_t{space.ttl.count()}},
      {"max_value", static_cast<std::int64_t>(space.max_value)},
      {"max_memory", static_cast<std::int64_t>(space.max_memory)},
  };
}

// What is in force for keys of the namespace, those that it leaves to the settings of L1 filled in.
std::vector<Fact> policy_facts(const namespaces::Set& set, Index index,
                               const config::Config& config) {
  config::Namespace policy;
  if (index != namespaces::kDefault) {
    policy = set.at(index);
  }
  if (policy.ttl.count() == 0) {
    policy.ttl = config.l1.max_ttl;
  }
  if (policy.negative_ttl.count() < 0) {
    policy.negative_ttl = config.l1.negative_ttl;
  }
  if (policy.max_value == 0) {
    policy.max_value = config.l1.max_value;
  }
  if (policy.commands.empty()) {
    policy.commands = config.l1.commands;
  }
  if (policy.max_staleness.count() < 0) {
    policy.max_staleness = config.coherence.max_staleness;
  }
  std::vector<Fact> facts{
      {"namespace", policy.name},
      {"match", joined(policy.match)},
      {"tiers", std::string(name_of(policy.tiers))},
      {"commands", joined(policy.commands)},
      {"ttl_ms", std::int64_t{policy.ttl.count()}},
      {"ask_ttl", std::int64_t{policy.ask_ttl}},
      {"jitter_percent", std::int64_t{policy.jitter_percent}},
      {"negative_ttl_ms", std::int64_t{policy.negative_ttl.count()}},
      {"max_value", static_cast<std::int64_t>(policy.max_value)},
      {"l1_share_percent", std::int64_t{policy.l1_share_percent}},
      {"max_staleness_ms",
       std::int64_t{std::min(policy.max_staleness, config.coherence.max_staleness).count()}},
  };
  if (policy.tiers == config::Tiers::l1_l2_l3) {
    const std::vector<Fact> source{
        {"source", policy.source},
        {"key", policy.key},
        {"query", policy.query},
        {"result", std::string(name_of(policy.result))},
        {"l2_ttl_ms", std::int64_t{policy.l2_ttl.count()}},
        {"source_error",
         std::string(policy.source_error == config::SourceError::error ? "error" : "absent")},
        {"strategy", std::string(name_of(policy.strategy))},
        {"write", policy.write},
        {"remove", policy.remove},
    };
    facts.insert(facts.end(), source.begin(), source.end());
  }
  return facts;
}

// Why L1 answers no read of the key now; empty: it may.
std::string obstacle(const AdminParts& parts, std::string_view key, Index index,
                     const proxy::Spaces& spaces, const config::Config& config) {
  if (!config.l1.enabled) {
    return "l1.enabled is false";
  }
  if (!parts.hub.keeps(key)) {
    return "it begins with none of coherence.tracking_prefixes";
  }
  if (index != namespaces::kDefault && spaces.set().at(index).tiers == config::Tiers::l2) {
    return "its namespace lives in Redis only";
  }
  const coherence::View view = parts.hub.node_of(key).cache.status().view();
  if (view.state != coherence::LinkState::live) {
    return std::string("the event link is ").append(coherence::name(view.state));
  }
  return {};
}

// What Redis has of a key that is loaded from a source.
std::string in_redis(const proxy::Freshness& how, const Result<l2::Reply>& pttl) {
  if (!pttl || pttl.value().kind != l2::Reply::Kind::integer) {
    return "unknown";
  }
  if (pttl.value().integer == -2) {
    return "missing";
  }
  switch (proxy::aged(how, pttl.value().integer, {}, 0).age) {
    case proxy::Age::stale:
      return "stale";
    case proxy::Age::old:
      return "old";
    case proxy::Age::fresh:
    case proxy::Age::early:
      break;
  }
  return "fresh";
}

struct Explained {
  resp::Version version;
  Time at;
  std::vector<Fact> facts;
  std::vector<coherence::TraceRecord> records;

  std::string reply() const;
};

// The newest record first. The times are as the trace has them: at most a heartbeat too early.
std::string Explained::reply() const {
  std::string out;
  resp::append_map_header(out, facts.size() + 1, version);
  for (const Fact& fact : facts) {
    append_fact(out, fact);
  }
  resp::append_bulk(out, "last");
  resp::append_array_header(out, records.size());
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    resp::append_map_header(out, 2, version);
    resp::append_bulk(out, "what");
    resp::append_bulk(out, coherence::name(record->what));
    resp::append_bulk(out, "ms_ago");
    resp::append_integer(out, ms(at - record->at));
  }
  return out;
}

}  // namespace

void Admin::explain(const Request& request, proxy::Responder responder) {
  const resp::Version version = request.asker.version;
  const std::string_view name = request.args[2];
  const ConfigPtr config = parts_.settings.get();
  const proxy::Spaces& spaces = parts_.hub.workers.at(request.asker.worker)->spaces();
  const Index index = spaces.find(name);
  std::vector<Fact> facts;
  std::int64_t entries = 0;
  if (const std::uint16_t local = spaces.local(index); local != proxy::Spaces::kNotLocal) {
    local::Keyspace& keyspace = *parts_.hub.keyspace;
    facts = local_facts(spaces.set().at(index), keyspace.config(local));
    facts.push_back({"not_from_l1_because", std::string()});
    const auto unix_time = std::chrono::duration_cast<milliseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    entries = keyspace.holds(local, request.asker.db, name, unix_time) ? 1 : 0;
  } else {
    facts = policy_facts(spaces.set(), index, *config);
    facts.push_back({"not_from_l1_because", obstacle(parts_, name, index, spaces, *config)});
  }

  coherence::Cache& cache = parts_.hub.node_of(name).cache;
  const l1::Key key{cache.hash(request.asker.db, name), request.asker.db, name};
  const coherence::View view = cache.status().view();
  const Time at = std::chrono::steady_clock::now();
  std::vector<coherence::TraceRecord> records;
  cache.for_each_shard([&](coherence::Shard& shard) {
    shard.store().for_each_variant(key, [&](l1::Entry& entry) {
      entries += shard.store().alive(entry, at, view.generation) ? 1 : 0;
    });
    shard.trace().for_each(
        key.hash, [&](const coherence::TraceRecord& record) { records.push_back(record); });
  });
  facts.push_back({"l1_entries", entries});

  Explained explained{version, at, std::move(facts), std::move(records)};
  if (index == namespaces::kDefault || spaces.set().at(index).tiers != config::Tiers::l1_l2_l3) {
    responder.reply(explained.reply());
    return;
  }
  // Whether what is read now is stale, only Redis knows.
  proxy::Freshness how = proxy::freshness_of(spaces.set().at(index));
  how.ahead_percent = 0;
  boost::asio::post(
      parts_.control, [this, number = owed_.add(std::move(responder)), db = request.asker.db,
                       name = std::string(name), how, explained = std::move(explained)]() mutable {
        parts_.hub.node_of(name).events.query(
            db, {"PTTL", name},
            [this, number, how,
             explained = std::move(explained)](const Result<l2::Reply>& pttl) mutable {
              explained.facts.push_back({"in_redis", in_redis(how, pttl)});
              owed_.reply(number, explained.reply());
            });
      });
}

}  // namespace tiercache::admin
