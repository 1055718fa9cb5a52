// What the schedules need of Redis: strings that expire by a clock of its own, the scripts of the
// proxy, and the events of what has changed. A plain value of the test's.
#pragma once

#include "tiercache/base/glob.hpp"
#include "tiercache/l2/reply.hpp"
#include "tiercache/resp/encoder.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::invalidation::testing {

struct ModelRedis {
  static constexpr std::int64_t kWindow = 20'000;  // of a TTL of four times that, where it ages

  struct Value {
    std::string value;
    std::int64_t expires = 0;
  };

  std::map<std::string, Value> keys;
  std::deque<std::string> events;
  std::int64_t now = 1'000'000;

  void changed(const std::string& key) {
    events.push_back(key);
  }
  void expire(const std::string& key) {
    const auto found = keys.find(key);
    if (found != keys.end() && found->second.expires <= now) {
      keys.erase(found);
      changed(key);
    }
  }
  // A request of the data path, and its reply.
  std::string call(const std::string& words) {
    const std::string name = words.substr(0, words.find(' '));
    std::string key = words.substr(name.size() + 1);
    const auto found = keys.find(key.substr(0, key.find(' ')));
    if (name == "PTTL") {
      return ":" + std::to_string(found == keys.end() ? -2 : found->second.expires - now) + "\r\n";
    }
    if (name == "GET" || name == "MGET") {
      std::string reply = name == "MGET" ? "*1\r\n" : "";
      if (found == keys.end()) {
        return reply + "$-1\r\n";
      }
      resp::append_bulk(reply, found->second.value);
      return reply;
    }
    if (words.find("PEXPIRETIME") != words.npos) {
      return compare_and_set(words.substr(words.rfind(" 1 doc:") + 3));
    }
    if (name == "DEL" || name == "EVAL") {
      return ":" + std::to_string(remove(words.substr(words.rfind(' ') + 1))) + "\r\n";
    }
    // SET key value NX PX ttl
    key = key.substr(0, key.find(' '));
    const auto begin = words.find(key) + key.size() + 1;
    const Value value{words.substr(begin, words.find(' ', begin) - begin), now + 4 * kWindow};
    if (!keys.emplace(key, value).second) {
      return "$-1\r\n";
    }
    changed(key);
    return "+OK\r\n";
  }
  // One of the control plane.
  l2::Reply control(const std::vector<std::string>& words) {
    using Kind = l2::Reply::Kind;
    if (words[0] == "SCAN") {
      l2::Reply found{Kind::array};
      for (const auto& [key, value] : keys) {
        if (glob_match(words[3], key)) {
          found.items.push_back({Kind::text, key});
        }
      }
      l2::Reply reply{Kind::array};
      reply.items = {{Kind::text, "0"}, std::move(found)};
      return reply;
    }
    if (words[0] == "UNLINK") {
      return {Kind::integer, {}, static_cast<std::int64_t>(remove(words[1]))};
    }
    return {Kind::integer, {}, soften(words[3], std::stoll(words[4]))};
  }

 private:
  std::size_t remove(const std::string& key) {
    const std::size_t gone = keys.erase(key);
    if (gone > 0) {
      changed(key);
    }
    return gone;
  }
  std::int64_t soften(const std::string& key, std::int64_t window) {
    const auto found = keys.find(key);
    if (found == keys.end()) {
      return 0;
    }
    const std::int64_t left = found->second.expires - now;
    found->second.expires = left > window ? now + window : found->second.expires - 1;
    changed(key);
    expire(key);
    return 1;
  }
  // "key", answered with what it is; with that behind it the key is removed, with a value and a TTL
  // behind that replaced, if it still is that.
  std::string compare_and_set(const std::string& arguments) {
    std::istringstream in(arguments);
    std::string key;
    in >> key;
    const auto found = keys.find(key);
    if (found == keys.end()) {
      return "$-1\r\n";
    }
    const std::string is = std::to_string(found->second.expires) + ":" + found->second.value;
    std::string was;
    if (!(in >> was)) {
      std::string reply;
      resp::append_bulk(reply, is);
      return reply;
    }
    if (was != is) {
      return "$-1\r\n";
    }
    if (std::int64_t ttl = 0; in >> found->second.value >> ttl) {
      found->second.expires = now + ttl;
    } else {
      keys.erase(found);
    }
    changed(key);
    return "+OK\r\n";
  }
};

}  // namespace tiercache::invalidation::testing
