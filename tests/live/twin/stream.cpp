#include "stream.hpp"

#include "tiercache/command/table.hpp"

#include <algorithm>
#include <cctype>

namespace tiercache::twin {
namespace {

using command::Kind;
using command::Route;

constexpr std::size_t kRecent = 24;

// How often a command is drawn, beside its equals; 12 is usual for one with keys, 3 for others.
struct Weight {
  std::string_view command;
  unsigned weight;
};
constexpr Weight kWeights[] = {
    {"auth", 4},           {"bgrewriteaof", 1},    {"bgsave", 1},
    {"client|reply", 5},   {"client|tracking", 6}, {"debug", 4},
    {"eval", 15},          {"eval_ro", 8},         {"exec", 0},
    {"discard", 2},        {"flushall", 1},        {"flushdb", 2},
    {"function|flush", 1}, {"hello", 6},           {"multi", 0},
    {"ping", 6},           {"publish", 10},        {"save", 1},
    {"select", 8},         {"script|flush", 1},    {"spublish", 10},
    {"subscribe", 5},      {"swapdb", 1},          {"unsubscribe", 5},
    {"psubscribe", 4},     {"punsubscribe", 4},    {"ssubscribe", 4},
    {"sunsubscribe", 4},   {"watch", 8},
};

unsigned weight_of(const command::Command& command) {
  const auto* row = std::ranges::find(kWeights, command.name, &Weight::command);
  if (row != std::end(kWeights)) {
    return row->weight;
  }
  if (command.route == Route::blocking) {
    return 2;
  }
  const bool keys = command.key_specs[0].find != command::KeySpec::Find::none ||
                    command.syntax != command::Syntax::plain;
  return keys ? 12 : command.name.find('|') == std::string_view::npos ? 3 : 1;
}

std::string quoted(const std::string& word) {
  constexpr std::size_t kShown = 60;
  std::string out;
  bool plain = !word.empty();
  for (const char c : word.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e) {
      static constexpr char kHex[] = "0123456789abcdef";
      out.append("\\x").append(1, kHex[byte >> 4U]).append(1, kHex[byte & 15U]);
      plain = false;
    } else {
      plain = plain && c != ' ' && c != '"' && c != '\\' && c != '\'';
      out.append(c == '"' || c == '\\' ? "\\" : "").append(1, c);
    }
  }
  if (word.size() > kShown) {
    out += "...(" + std::to_string(word.size()) + " bytes)";
  }
  return plain ? out : '"' + out + '"';
}

std::string line_of(const Words& words) {
  std::string line;
  for (const std::string& word : words) {
    line.append(line.empty() ? "" : " ").append(quoted(word));
  }
  return line;
}

}  // namespace

std::string to_string(const Step& step) {
  const std::string who = "client " + std::to_string(step.client) + ": ";
  switch (step.kind) {
    case Step::Kind::command:
      return (step.joined ? "        + " : who) + line_of(step.words);
    case Step::Kind::direct:
      return "direct:   " + line_of(step.words);
    case Step::Kind::populate:
      return "populate";
    case Step::Kind::blocked:
      return who + line_of(step.words) + "  <- " + line_of(step.wake) + ", CLIENT UNBLOCK";
  }
  return {};
}

// Redis tells nobody of what these may change (tests/live/event_cases_server.cpp): BITFIELD
// OVERFLOW FAIL makes a missing key, PFCOUNT and PFDEBUG change bytes of a HyperLogLog. MIGRATE
// needs another server.
constexpr std::string_view kNotPastTheProxy[] = {"bitfield", "migrate", "pfcount", "pfdebug"};

Stream::Stream(testing::CommandSamples& samples, int version)
    : samples_(samples), version_(version) {
  for (const command::Command& command : command::Table::builtin()->commands()) {
    const std::string name(command.name);
    if (is_skipped(name) || !samples.knows(name)) {
      continue;
    }
    names_.push_back(name);
    weighted_.insert(weighted_.end(), weight_of(command), name);
    if (command.kind == Kind::cacheable_read || command.kind == Kind::multi_read ||
        command.kind == Kind::ttl_read) {
      reads_.push_back(name);
    } else if (command.kind == Kind::write && command.route == Route::shared &&
               std::ranges::find(kNotPastTheProxy, name) == std::end(kNotPastTheProxy)) {
      writes_.push_back(name);
    }
  }
  samples.choose_by([this](std::string_view command, std::string_view name, std::string_view type) {
    return values_.choose(command, name, type);
  });
}

std::vector<Step> Stream::round(std::uint64_t seed, std::size_t size) {
  values_ = Values(seed);
  samples_.reseed(seed * 0x9E3779B97F4A7C15ULL + 1);
  recent_.clear();
  seats_.assign(kClients, {});
  std::vector<Step> steps;
  while (steps.size() < size) {
    const std::uint32_t what = values_.below(100);
    if (what < 8) {
      direct_writes(steps);
    } else if (what < 10) {
      blocked(steps);
    } else if (what < 11) {
      steps.push_back({.kind = Step::Kind::populate});
    } else {
      batch(steps);
    }
  }
  return steps;
}

void Stream::batch(std::vector<Step>& steps) {
  const unsigned client = values_.below(kClients);
  const std::uint32_t length = 1 + values_.below(values_.percent(5) ? 40 : 8);
  bool joined = false;
  for (std::uint32_t i = 0; i < length; ++i) {
    steps.push_back({.client = client, .joined = joined, .words = next(client)});
    joined = true;
  }
}

// Keys that were read lately are likely to change; then they are read again.
void Stream::direct_writes(std::vector<Step>& steps) {
  for (std::uint32_t i = 0; i <= values_.below(3); ++i) {
    const std::string& name = writes_[values_.below(static_cast<std::uint32_t>(writes_.size()))];
    steps.push_back({.kind = Step::Kind::direct, .words = sample(name)});
  }
  const unsigned client = values_.below(kClients);
  bool joined = false;
  for (const Words& words : recent_) {
    steps.push_back({.client = client, .joined = joined, .words = words});
    joined = true;
  }
}

void Stream::blocked(std::vector<Step>& steps) {
  static const Words kWaits[] = {
      {"BLPOP", "l1", "none1", "0"},
      {"BRPOP", "none2", "l2", "0"},
      {"BLMOVE", "none1", "l1", "LEFT", "RIGHT", "0"},
      {"BRPOPLPUSH", "none2", "l2", "0"},
      {"BLMPOP", "0", "2", "none1", "none2", "LEFT", "COUNT", "2"},
      {"BZPOPMIN", "none1", "none3", "0"},
      {"BZPOPMAX", "z1", "none3", "0"},
      {"BZMPOP", "0", "1", "none3", "MIN"},
      {"XREAD", "BLOCK", "0", "STREAMS", "none3", "0"},
      {"XREAD", "COUNT", "1", "BLOCK", "0", "STREAMS", "x1", "$"},
      {"XREADGROUP", "GROUP", "g1", "c1", "BLOCK", "0", "STREAMS", "x1", ">"},
  };
  static const Words kWakes[] = {
      {"RPUSH", "none1", "w1", "w2"},
      {"LPUSH", "none2", "w"},
      {"ZADD", "none3", "1", "w"},
      {"XADD", "none3", "1-1", "f", "v"},
      {"SET", "none1", "string"},
      {"DEL", "x1"},
      {"PING", "x"},
  };
  steps.push_back({.kind = Step::Kind::blocked,
                   .client = values_.below(kClients),
                   .words = kWaits[values_.below(std::size(kWaits))],
                   .wake = kWakes[values_.below(std::size(kWakes))]});
}

Words Stream::next(unsigned client) {
  Seat& seat = seats_[client];
  if (seat.multi && values_.percent(18)) {
    seat.multi = false;
    return {values_.percent(80) ? "EXEC" : "DISCARD"};
  }
  if (!seat.multi && values_.percent(3)) {
    seat.multi = true;
    return {"MULTI"};
  }
  if (seat.away && !seat.multi && values_.percent(12)) {
    seat.away = false;
    return {"RESET"};
  }
  const std::uint32_t what = values_.below(100);
  if (what < 35 && !recent_.empty()) {
    return recent_[values_.below(static_cast<std::uint32_t>(recent_.size()))];
  }
  if (what < 55) {
    Words words = sample(reads_[values_.below(static_cast<std::uint32_t>(reads_.size()))]);
    recent_.push_back(words);
    if (recent_.size() > kRecent) {
      recent_.pop_front();
    }
    return words;
  }
  std::string name = any_name();
  while (seat.multi && is_not_in_multi(name)) {
    name = any_name();
  }
  static constexpr std::string_view kAway[] = {"select",          "auth",       "hello",
                                               "subscribe",       "psubscribe", "reset",
                                               "client|tracking", "ssubscribe"};
  seat.away = seat.away || std::ranges::find(kAway, name) != std::end(kAway);
  return sample(name);
}

Words Stream::sample(const std::string& name) {
  if (name == "hello" && values_.percent(40)) {
    return {"HELLO", std::to_string(version_)};
  }
  if (std::optional<Words> form = values_.form(name)) {
    return std::move(*form);
  }
  Words words = samples_.make(name);
  values_.refine(name, words);
  const std::vector<std::string_view> views(words.begin(), words.end());
  const command::Command* const command = command::Table::builtin()->find(views);
  const command::Classified what = command::classify(*command, views);
  if ((what.route == Route::shared || what.route == Route::scripts) && what.kind != Kind::none &&
      what.kind != Kind::flush && name != "spop" && !name.ends_with("scan") && values_.percent(3)) {
    values_.spoil(words);
  }
  words[0] = letters(std::move(words[0]));
  return words;
}

std::string Stream::any_name() {
  return weighted_[values_.below(static_cast<std::uint32_t>(weighted_.size()))];
}

std::string Stream::letters(std::string word) {
  if (values_.percent(30)) {
    std::ranges::transform(word, word.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  }
  return word;
}

}  // namespace tiercache::twin
