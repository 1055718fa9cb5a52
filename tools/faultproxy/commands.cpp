#include "commands.hpp"

#include "forwarder.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

namespace tiercache::faultproxy {
namespace {

using Words = std::vector<std::string_view>;

constexpr std::string_view kHelp =
    "delay up|down|both MS [WHO]     hold every byte so long\n"
    "fragment on|off [WHO]           one byte a write\n"
    "pause up|down|both [WHO]        forward nothing\n"
    "resume [WHO]                    forward what was held\n"
    "blackhole on|off [WHO]          forward nothing, connect nothing, stay open\n"
    "cut up|down BYTES [WHO]         close after so many bytes more\n"
    "reset [WHO]                     RST to both sides\n"
    "close [WHO]                     FIN to both sides\n"
    "clear                           no faults any more\n"
    "count [WHO]                     open connections\n"
    "list                            one line for each\n"
    "stats                           the counters\n"
    "WHO: all (the default), event, control, data, unknown, or a connection's number\n";

Words words_of(std::string_view line) {
  Words words;
  std::size_t at = 0;
  while ((at = line.find_first_not_of(" \t\r\n", at)) != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(" \t\r\n", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

std::optional<std::uint64_t> number_of(std::string_view word) {
  std::uint64_t value = 0;
  const char* end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, value);
  if (error != std::errc{} || stop != end) {
    return std::nullopt;
  }
  return value;
}

std::optional<Target> target_of(const Words& words, std::size_t index) {
  if (words.size() <= index) {
    return Everyone{};
  }
  if (words.size() > index + 1) {
    return std::nullopt;
  }
  const std::string_view word = words[index];
  if (word == "all") {
    return Everyone{};
  }
  for (const Label label : {Label::unknown, Label::event, Label::control, Label::data}) {
    if (word == name_of(label)) {
      return label;
    }
  }
  if (const auto id = number_of(word)) {
    return *id;
  }
  return std::nullopt;
}

struct Directions {
  bool meant[kDirections]{};
};

std::optional<Directions> directions_of(std::string_view word) {
  const bool both = word == "both";
  if (!both && word != "up" && word != "down") {
    return std::nullopt;
  }
  return Directions{{both || word == "up", both || word == "down"}};
}

std::optional<bool> switch_of(std::string_view word) {
  if (word == "on" || word == "off") {
    return word == "on";
  }
  return std::nullopt;
}

std::string ok(std::size_t count) {
  return "OK " + std::to_string(count) + "\n";
}

std::string usage() {
  return "ERR not understood, try help\n";
}

template <class Value>
void set(Value (&values)[kDirections], const Directions& directions, Value value) {
  for (std::size_t i = 0; i < kDirections; i++) {
    if (directions.meant[i]) {
      values[i] = value;
    }
  }
}

std::string delay(Forwarder& forwarder, const Words& words) {
  constexpr std::uint64_t kMaxDelay = 3'600'000;
  const auto target = target_of(words, 3);
  const auto directions = words.size() > 2 ? directions_of(words[1]) : std::nullopt;
  const auto delay = words.size() > 2 ? number_of(words[2]) : std::nullopt;
  if (!target || !directions || !delay || *delay > kMaxDelay) {
    return usage();
  }
  return ok(forwarder.change(*target, [&](Faults& faults) {
    set(faults.delay, *directions, std::chrono::milliseconds(*delay));
  }));
}

std::string pause(Forwarder& forwarder, const Words& words) {
  const auto target = target_of(words, 2);
  const auto directions = words.size() > 1 ? directions_of(words[1]) : std::nullopt;
  if (!target || !directions) {
    return usage();
  }
  return ok(
      forwarder.change(*target, [&](Faults& faults) { set(faults.paused, *directions, true); }));
}

std::string switch_fault(Forwarder& forwarder, const Words& words, bool Faults::*fault) {
  const auto target = target_of(words, 2);
  const auto on = words.size() > 1 ? switch_of(words[1]) : std::nullopt;
  if (!target || !on) {
    return usage();
  }
  return ok(forwarder.change(*target, [&](Faults& faults) { faults.*fault = *on; }));
}

std::string cut(Forwarder& forwarder, const Words& words) {
  const auto target = target_of(words, 3);
  const auto bytes = words.size() > 2 ? number_of(words[2]) : std::nullopt;
  if (!target || !bytes || (words[1] != "up" && words[1] != "down")) {
    return usage();
  }
  const Direction direction = words[1] == "up" ? Direction::up : Direction::down;
  return ok(forwarder.each(
      *target, [&](Connection& connection) { connection.cut_after(direction, *bytes); }));
}

std::string list(Forwarder& forwarder) {
  std::string out;
  const std::size_t count = forwarder.each(Everyone{}, [&](Connection& connection) {
    out += std::to_string(connection.id()) + " " + std::string(name_of(connection.label())) +
           " up=" + std::to_string(connection.bytes(Direction::up)) +
           " down=" + std::to_string(connection.bytes(Direction::down)) +
           " held=" + std::to_string(connection.held()) + "\n";
  });
  return out + ok(count);
}

std::string stats(const Forwarder& forwarder) {
  const Counters& counts = forwarder.counts();
  std::string out;
  const auto add = [&](std::string_view name, std::uint64_t value) {
    out.append(name).append(" ").append(std::to_string(value)).append("\n");
  };
  add("accepted", counts.accepted);
  add("unreachable", counts.unreachable);
  add("ended", counts.ended);
  add("reset", counts.reset);
  add("closed", counts.closed);
  add("cut", counts.cut);
  add("bytes_up", counts.bytes[0]);
  add("bytes_down", counts.bytes[1]);
  add("writes_up", counts.writes[0]);
  add("writes_down", counts.writes[1]);
  return out + ok(forwarder.count(Everyone{}));
}

}  // namespace

std::string_view commands_help() {
  return kHelp;
}

std::string run_command(Forwarder& forwarder, std::string_view line) {
  const Words words = words_of(line);
  const std::string_view name = words.empty() ? std::string_view{} : words[0];
  const auto target = target_of(words, 1);
  if (name == "delay") {
    return delay(forwarder, words);
  }
  if (name == "pause") {
    return pause(forwarder, words);
  }
  if (name == "fragment") {
    return switch_fault(forwarder, words, &Faults::fragment);
  }
  if (name == "blackhole") {
    return switch_fault(forwarder, words, &Faults::blackhole);
  }
  if (name == "cut") {
    return cut(forwarder, words);
  }
  if (!target) {
    return usage();
  }
  if (name == "resume") {
    return ok(forwarder.change(*target, [](Faults& faults) {
      set(faults.paused, {{true, true}}, false);
    }));
  }
  if (name == "reset") {
    return ok(forwarder.each(*target, [](Connection& connection) { connection.reset(); }));
  }
  if (name == "close") {
    return ok(forwarder.each(*target, [](Connection& connection) { connection.close(); }));
  }
  if (name == "count") {
    return ok(forwarder.count(*target));
  }
  if (words.size() != 1) {
    return usage();
  }
  if (name == "clear") {
    return ok(forwarder.clear());
  }
  if (name == "list") {
    return list(forwarder);
  }
  if (name == "stats") {
    return stats(forwarder);
  }
  return name == "help" ? std::string(kHelp) + ok(0) : usage();
}

}  // namespace tiercache::faultproxy
