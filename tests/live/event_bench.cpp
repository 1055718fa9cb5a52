#include "event_table.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>

namespace tiercache::testing {
namespace {

constexpr std::string_view kDbs[] = {"0", "1"};
constexpr auto kPatience = std::chrono::seconds(10);

std::string_view trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(' ');
  if (from == std::string_view::npos) {
    return {};
  }
  return text.substr(from, text.find_last_not_of(' ') - from + 1);
}

// Removes the mark at the beginning of a step.
bool take(std::string_view& step, std::string_view mark) {
  if (!step.starts_with(mark)) {
    return false;
  }
  step = trimmed(step.substr(mark.size()));
  return true;
}

}  // namespace

EventBench::EventBench() {
  const std::string id = std::to_string(events_.call("CLIENT", "ID").integer);
  events_.call("CLIENT", "TRACKING", "ON", "REDIRECT", id, "BCAST", "PREFIX", "no-such-key:");
  events_.call("SUBSCRIBE", "__redis__:invalidate");
  events_.call("PSUBSCRIBE", "__keyspace@*__:*");
  probe_.call("SET", "payload", "payload");
  dump_ = probe_.call("DUMP", "payload").text;
  sha_ = probe_.call("SCRIPT", "LOAD", "redis.call('set','u','1') return 1").text;
}

EventRow EventBench::run(const EventCase& one) {
  reset();
  run_steps(one.setup, nullptr);
  const States before = states();
  fence(nullptr);
  EventRow row;
  run_steps(one.commands, &row);
  // Invalidations leave at the end of a tick, so only the second PING comes behind them.
  fence(&row);
  fence(&row);
  States after = states();
  for (const auto& [key, state] : before) {
    const State& now = after[key];
    if (now.dump != state.dump || now.expiry != state.expiry) {
      row.changed.insert(key);
    }
    if (now.shown != state.shown || now.expiry != state.expiry) {
      row.seen.insert(key);
    }
  }
  for (const auto& [key, state] : after) {
    if (!before.contains(key)) {
      row.changed.insert(key);
      row.seen.insert(key);
    }
  }
  for (const std::string& key : row.changed) {
    const bool told = row.flushed || std::ranges::any_of(row.events, [&](const std::string& event) {
                        return event.starts_with(key + "=");
                      });
    if (!told) {
      row.untold.insert(key);
    }
  }
  return row;
}

// Connections anew, so that MULTI, SELECT or a blocking command of one case ends with it.
void EventBench::reset() {
  client_.emplace(server_.port());
  second_.emplace(server_.port());
  unanswered_ = 0;
  client_->call("REPLICAOF", "NO", "ONE");
  client_->call("CONFIG", "SET", "maxmemory", "0");
  client_->call("DEBUG", "SET-ACTIVE-EXPIRE", "1");
  client_->call("FLUSHALL");
  client_->call("FUNCTION", "FLUSH");
  other_.call("FLUSHALL");
  other_.call("SET", "far", "away");
}

void EventBench::fence(EventRow* row) {
  const std::string token = std::to_string(++fences_);
  events_.send("PING", token);
  while (true) {
    const Value message = events_.read();
    const std::string& kind = message.items.at(0).text;
    if (kind == "pong" && message.items.at(1).text == token) {
      return;
    }
    if (row == nullptr) {
      continue;
    }
    if (kind == "message") {
      row->flushed = row->flushed || message.items.at(2).is_nil();
    } else if (kind == "pmessage") {
      // __keyspace@<db>__:<key>
      const std::string_view channel = message.items.at(2).text;
      const std::size_t at = channel.find('@') + 1;
      const std::size_t end = channel.find("__:", at);
      row->events.push_back(std::string(channel.substr(at, end - at)) + ":" +
                            std::string(channel.substr(end + 3)) + "=" + message.items.at(3).text);
    }
  }
}

void EventBench::run_steps(std::string_view steps, EventRow* row) {
  while (!trimmed(steps).empty()) {
    const std::size_t end = std::min(steps.find(" ; "), steps.size());
    run_step(trimmed(steps.substr(0, end)), row);
    steps.remove_prefix(std::min(end + 3, steps.size()));
  }
  for (; unanswered_ > 0; unanswered_--) {
    note_reply(client_->read(), row);
  }
}

void EventBench::run_step(std::string_view step, EventRow* row) {
  if (take(step, "%until ")) {
    wait_for_info(step);
    return;
  }
  const bool blocks = take(step, "&");
  Client& client = take(step, "@2") ? *second_ : *client_;
  const std::vector<std::string> words = words_of(step);
  if (row != nullptr) {
    row->ran.push_back(words);
  }
  if (blocks) {
    client.send(words);
    unanswered_++;
    wait_for_info("blocked_clients:1\r\n");
    return;
  }
  const Value reply = client.call(words);
  if (row == nullptr && reply.is_error()) {
    throw std::runtime_error("setup step \"" + std::string(step) + "\": " + reply.text);
  }
  note_reply(reply, row);
}

void EventBench::note_reply(const Value& reply, EventRow* row) {
  if (row != nullptr && reply.is_error()) {
    row->refused = true;
    row->refusal = reply.text;
  }
}

std::vector<std::string> EventBench::words_of(std::string_view step) const {
  std::vector<std::string> words;
  while (!(step = trimmed(step)).empty()) {
    const bool quoted = step.front() == '"';
    const std::size_t from = quoted ? 1 : 0;
    const std::size_t end = std::min(step.find(quoted ? '"' : ' ', from), step.size());
    std::string word(step.substr(from, end - from));
    step.remove_prefix(std::min(end + from, step.size()));
    if (word == "%dump") {
      word = dump_;
    } else if (word == "%sha") {
      word = sha_;
    } else if (word == "%port2") {
      word = std::to_string(other_server_.port());
    }
    words.push_back(std::move(word));
  }
  return words;
}

void EventBench::wait_for_info(std::string_view text) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (probe_.call("INFO").text.find(text) == std::string::npos) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("INFO never said " + std::string(text));
    }
  }
}

EventBench::States EventBench::states() {
  States out;
  for (const std::string_view db : kDbs) {
    probe_.call("SELECT", db);
    for (const Value& key : probe_.call("KEYS", "*").items) {
      State state;
      state.dump = probe_.call("DUMP", key.text).text;
      state.expiry = probe_.call("PEXPIRETIME", key.text).to_string();
      state.shown = shown(key.text);
      out[std::string(db) + ":" + key.text] = std::move(state);
    }
  }
  return out;
}

// The value as the reads show it that L1 may cache, and those of streams to be on the safe side.
std::string EventBench::shown(const std::string& key) {
  const std::string type = probe_.call("TYPE", key).text;
  std::string out = type + " ";
  if (type == "string") {
    return out + probe_.call("GET", key).text;
  }
  if (type == "list") {
    return out + probe_.call("LRANGE", key, "0", "-1").to_string();
  }
  if (type == "hash") {
    return out + probe_.call("HGETALL", key).to_string();
  }
  if (type == "set") {
    return out + probe_.call("SMEMBERS", key).to_string();
  }
  if (type == "zset") {
    return out + probe_.call("ZRANGE", key, "0", "-1", "WITHSCORES").to_string();
  }
  return out + probe_.call("XRANGE", key, "-", "+").to_string();
}

}  // namespace tiercache::testing
