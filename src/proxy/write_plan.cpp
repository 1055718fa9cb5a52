#include "write_plan.hpp"

#include "tiercache/base/words.hpp"
#include "tiercache/local/set_options.hpp"
#include "tiercache/resp/encoder.hpp"
#include "tiercache/topology/slots.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace tiercache::proxy {

namespace {

using local::SetOptions;
using Unit = SetOptions::Unit;

constexpr std::string_view kWrites[] = {"del", "mset", "psetex", "set", "setex", "unlink"};
constexpr std::string_view kOfCopy[] = {"expire", "expireat", "persist", "pexpire", "pexpireat"};
constexpr std::string_view kNoInteger = "ERR value is not an integer or out of range";

std::string request(std::initializer_list<std::string_view> words) {
  std::string bytes;
  resp::append_request(bytes, words);
  return bytes;
}

std::string request(command::Args words) {
  std::string bytes;
  resp::append_request(bytes, words);
  return bytes;
}

// What Redis would say of a time; empty: nothing.
std::string wrong_time(std::string_view name, std::string_view text, Unit unit,
                       std::chrono::milliseconds now) {
  const auto value = parse_integer(text);
  if (!value) {
    return std::string(kNoInteger);
  }
  return *value > 0 && local::end_time(*value, unit, now)
             ? std::string()
             : std::string("ERR invalid expire time in '").append(name).append("' command");
}

Errand errand(std::string_view key, std::string bytes) {
  Errand one{std::string(key), {}, {}};
  one.requests.push_back(std::move(bytes));
  return one;
}

std::string set_request(std::string_view key, std::string_view value, const WriteTerms& terms) {
  const std::chrono::milliseconds ttl = terms.copy_ttl.of(key, terms.now);
  return ttl.count() > 0 ? request({"SET", key, value, "PX", std::to_string(ttl.count())})
                         : request({"SET", key, value});
}

void plan_set(WritePlan& plan, command::Args args, const WriteTerms& terms) {
  const auto options = local::read_set_options(args, 3, SetOptions::For::set);
  if (!options) {
    plan.error = "ERR syntax error";
    return;
  }
  if (options->nx || options->xx || options->get || options->keep_ttl) {
    plan.error =
        "ERR tiercache: SET with NX, XX, GET or KEEPTTL is not for " + std::string(terms.keys);
    return;
  }
  plan.keys.push_back({args[1], args[2]});
  if (options->unit != Unit::none) {
    plan.error = wrong_time("set", options->time, options->unit, terms.now);
    plan.errands.push_back(errand(args[1], request(args)));
  } else {
    plan.errands.push_back(errand(args[1], set_request(args[1], args[2], terms)));
  }
}

using Pair = std::pair<std::string_view, std::string_view>;

// Those of one slot, or of one Redis.
Errand set_together(const std::vector<Pair>& pairs, const WriteTerms& terms) {
  std::vector<std::string_view> words{"MSET"};
  for (const Pair& pair : pairs) {
    words.insert(words.end(), {pair.first, pair.second});
  }
  Errand together = errand(pairs.front().first, request(words));
  for (const Pair& pair : pairs) {
    if (const auto ttl = terms.copy_ttl.of(pair.first, terms.now); ttl.count() > 0) {
      together.requests.push_back(request({"PEXPIRE", pair.first, std::to_string(ttl.count())}));
    }
  }
  return together;
}

// A key that is named twice is set once, to what it is to have at last: what is done apart has no
// order.
void plan_slots(WritePlan& plan, const std::vector<Pair>& pairs, const WriteTerms& terms) {
  std::map<topology::Slot, std::map<std::string_view, std::string_view>> slots;
  for (const Pair& pair : pairs) {
    slots[topology::slot_of(pair.first)].insert_or_assign(pair.first, pair.second);
  }
  for (const auto& slot : slots) {
    std::vector<Errand> apart;
    for (const auto& its : slot.second) {
      apart.push_back(errand(its.first, set_request(its.first, its.second, terms)));
    }
    if (apart.size() == 1) {
      plan.errands.push_back(std::move(apart.front()));
    } else {
      plan.errands.push_back(set_together({slot.second.begin(), slot.second.end()}, terms));
      plan.errands.back().apart = std::move(apart);
    }
  }
}

void plan_mset(WritePlan& plan, command::Args args, const WriteTerms& terms) {
  if (args.size() % 2 == 0) {
    plan.error = "ERR wrong number of arguments for 'mset' command";
    return;
  }
  std::vector<Pair> pairs;
  for (std::size_t i = 1; i < args.size(); i += 2) {
    plan.keys.push_back({args[i], args[i + 1]});
    pairs.emplace_back(args[i], args[i + 1]);
  }
  if (terms.by_slots) {
    plan_slots(plan, pairs, terms);
  } else {
    plan.errands.push_back(set_together(pairs, terms));
  }
}

}  // namespace

bool can_write_to_source(std::string_view name) noexcept {
  return std::ranges::binary_search(kWrites, name);
}

bool is_of_copy_alone(std::string_view name) noexcept {
  return std::ranges::binary_search(kOfCopy, name);
}

std::string_view source_writes() noexcept {
  return "SET, SETEX, PSETEX, MSET, DEL and UNLINK";
}

WritePlan plan_write(std::string_view name, command::Args args, const WriteTerms& terms) {
  WritePlan plan;
  if (name == "set") {
    plan_set(plan, args, terms);
  } else if (name == "mset") {
    plan_mset(plan, args, terms);
  } else if (name == "setex" || name == "psetex") {
    plan.error = wrong_time(name, args[2], name == "setex" ? Unit::ex : Unit::px, terms.now);
    plan.keys.push_back({args[1], args[3]});
    plan.errands.push_back(errand(args[1], request(args)));
  } else {
    plan.reply = WritePlan::Reply::removed;
    for (const std::string_view key : args.subspan(1)) {
      plan.keys.push_back({key, std::nullopt});
      plan.errands.push_back(errand(key, request({args[0], key})));
    }
  }
  return plan;
}

NodesOf nodes_of(const std::vector<WritePlan::Key>& keys, const topology::SlotMap& map,
                 bool split) {
  NodesOf found;
  std::optional<topology::Slot> first;
  for (const WritePlan::Key& key : keys) {
    const topology::Slot slot = topology::slot_of(key.name);
    first = first ? first : slot;
    const topology::NodeIndex node = map.node_of[slot];
    if (slot != *first && !split) {
      found.error = "CROSSSLOT Keys in request don't hash to the same slot";
      return found;
    }
    if (node == topology::SlotMap::kNobody) {
      found.error = "CLUSTERDOWN Hash slot not served";
      return found;
    }
    if (std::ranges::find(found.nodes, node) == found.nodes.end()) {
      found.nodes.push_back(node);
    }
  }
  return found;
}

}  // namespace tiercache::proxy
