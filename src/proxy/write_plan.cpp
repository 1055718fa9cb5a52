#include "write_plan.hpp"

#include "tiercache/base/words.hpp"
#include "tiercache/local/set_options.hpp"
#include "tiercache/resp/encoder.hpp"

#include <algorithm>
#include <cstdint>

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
    plan.requests.push_back(request(args));
  } else if (terms.l2_ttl.count() > 0) {
    plan.requests.push_back(
        request({"SET", args[1], args[2], "PX", std::to_string(terms.l2_ttl.count())}));
  } else {
    plan.requests.push_back(request({"SET", args[1], args[2]}));
  }
}

void plan_mset(WritePlan& plan, command::Args args, const WriteTerms& terms) {
  if (args.size() % 2 == 0) {
    plan.error = "ERR wrong number of arguments for 'mset' command";
    return;
  }
  plan.requests.push_back(request(args));
  for (std::size_t i = 1; i < args.size(); i += 2) {
    plan.keys.push_back({args[i], args[i + 1]});
    if (terms.l2_ttl.count() > 0) {
      plan.requests.push_back(request({"PEXPIRE", args[i], std::to_string(terms.l2_ttl.count())}));
    }
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
    plan.requests.push_back(request(args));
  } else {
    plan.reply = WritePlan::Reply::removed;
    for (const std::string_view key : args.subspan(1)) {
      plan.keys.push_back({key, std::nullopt});
      plan.requests.push_back(request({args[0], key}));
    }
  }
  return plan;
}

}  // namespace tiercache::proxy
