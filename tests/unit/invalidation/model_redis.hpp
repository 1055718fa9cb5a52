// What the schedules need of Redis: strings and hashes that expire by a clock of its own, the
// scripts of the proxy, and the events of what has changed. A plain value of the test's.
#pragma once

#include "rows.hpp"

#include "tiercache/base/glob.hpp"
#include "tiercache/l2/reply.hpp"
#include "tiercache/resp/encoder.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::invalidation::testing {

struct ModelRedis {
  static constexpr std::int64_t kWindow = 20'000;  // of a TTL of four times that, where it ages
  static constexpr std::string_view kWrongType = "-WRONGTYPE no\r\n";

  struct Value {
    std::string value;
    Fields fields;  // of a hash; of a string none
    std::int64_t expires = 0;
  };

  std::map<std::string, Value> keys;
  std::deque<std::string> events;
  std::int64_t now = 1'000'000;

  // By so many commands, each of which tells of it.
  void changed(const std::string& key, int commands = 1) {
    events.insert(events.end(), static_cast<std::size_t>(commands), key);
  }
  void expire(const std::string& key) {
    const auto found = keys.find(key);
    if (found != keys.end() && found->second.expires <= now) {
      keys.erase(found);
      changed(key);
    }
  }
  // A request of the data path, and its reply.
  std::string call(const std::string& request, resp::Version version) {
    const std::vector<std::string> words = split(request);
    const std::string& name = words[0];
    if (name == "PING") {
      return "+PONG\r\n";
    }
    if (name == "DEL") {
      return ":" + std::to_string(remove(words[1])) + "\r\n";
    }
    if (name == "SET") {  // key value NX PX ttl
      return words.size() != 6 ? "-ERR syntax error\r\n"
             : put(words[1], {words[2], {}, now + std::stoll(words[5])}, 1) ? "+OK\r\n"
                                                                            : "$-1\r\n";
    }
    if (name == "EVAL") {
      // One of the proxy's, with a key behind its text; or a client's, which does not name it.
      const std::size_t key = request.find(" 1 doc:");
      return key == request.npos ? ":" + std::to_string(remove(words.back())) + "\r\n"
                                 : script(request.substr(0, key), split(request.substr(key + 3)));
    }
    const auto found = keys.find(words[1]);
    const Value* value = found == keys.end() ? nullptr : &found->second;
    if (name == "PTTL") {
      return ":" + std::to_string(value == nullptr ? -2 : value->expires - now) + "\r\n";
    }
    if (name == "EXISTS") {
      return value == nullptr ? ":0\r\n" : ":1\r\n";
    }
    return name[0] == 'H' ? read_hash(words, value, version) : read_string(name, value, version);
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
  static std::vector<std::string> split(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> words;
    for (std::string word; in >> word;) {
      words.push_back(std::move(word));
    }
    return words;
  }

  std::size_t remove(const std::string& key) {
    const std::size_t gone = keys.erase(key);
    if (gone > 0) {
      changed(key);
    }
    return gone;
  }
  // If the key is missing.
  bool put(const std::string& key, Value value, int commands) {
    const bool done = keys.emplace(key, std::move(value)).second;
    if (done) {
      changed(key, commands);
    }
    return done;
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

  static std::string read_string(std::string_view name, const Value* value, resp::Version version) {
    if (name != "MGET" && value != nullptr && !value->fields.empty()) {
      return std::string(kWrongType);
    }
    const std::string bytes = value == nullptr ? "" : value->value;
    std::string reply;
    if (name == "STRLEN") {
      resp::append_integer(reply, static_cast<std::int64_t>(bytes.size()));
      return reply;
    }
    if (name == "MGET") {
      resp::append_array_header(reply, 1);
    }
    if (name != "GETRANGE" && bytes.empty()) {
      resp::append_null(reply, version);
    } else {
      resp::append_bulk(reply, bytes);  // the whole range
    }
    return reply;
  }
  static std::string read_hash(const std::vector<std::string>& words, const Value* value,
                               resp::Version version) {
    const std::string& name = words[0];
    if (value != nullptr && value->fields.empty()) {
      return std::string(kWrongType);
    }
    const Fields fields = value == nullptr ? Fields() : value->fields;
    std::string reply;
    if (name == "HGET" || name == "HMGET") {
      if (name == "HMGET") {
        resp::append_array_header(reply, words.size() - 2);
      }
      for (std::size_t i = 2; i < words.size(); i++) {
        if (const auto one = find_field(fields, words[i])) {
          resp::append_bulk(reply, *one);
        } else {
          resp::append_null(reply, version);
        }
      }
    } else if (name == "HLEN") {
      resp::append_integer(reply, static_cast<std::int64_t>(fields.size() / 2));
    } else if (name == "HEXISTS") {
      resp::append_integer(reply, find_field(fields, words[2]) ? 1 : 0);
    } else if (name == "HSTRLEN") {
      const auto one = find_field(fields, words[2]);
      resp::append_integer(reply, one ? static_cast<std::int64_t>(one->size()) : 0);
    } else {
      const bool all = name == "HGETALL";
      if (all) {
        resp::append_map_header(reply, fields.size() / 2, version);
      } else {
        resp::append_array_header(reply, fields.size() / 2);
      }
      for (std::size_t i = name == "HVALS" ? 1 : 0; i < fields.size(); i += all ? 1 : 2) {
        resp::append_bulk(reply, fields[i]);
      }
    }
    return reply;
  }

  // What src/proxy/load_scripts.cpp has, told by the commands in its text. `words`: the key and the
  // arguments.
  std::string script(const std::string& text, const std::vector<std::string>& words) {
    const bool hash = text.find("'HGETALL'") != text.npos || text.find("'HSET'") != text.npos;
    if (text.find("PEXPIRETIME") != text.npos) {
      return compare_and_set(hash, text.find("is~=ARGV[1]") != text.npos, words);
    }
    if (text.find("'EXISTS'") == text.npos) {
      keys.erase(words[0]);
    }
    const Value value{{}, {words.begin() + 2, words.end()}, now + std::stoll(words[1])};
    return put(words[0], value, 2) ? "+OK\r\n" : "$-1\r\n";
  }
  // "key", answered with what it is; with that behind it the key is removed, with a value and a TTL
  // behind that (of a hash a TTL and fields) replaced, if it still is that.
  std::string compare_and_set(bool hash, bool compares, const std::vector<std::string>& words) {
    const auto found = keys.find(words[0]);
    if (found == keys.end()) {
      return "$-1\r\n";
    }
    Value& value = found->second;
    if (hash != !value.fields.empty()) {
      return std::string(kWrongType);
    }
    std::string is = std::to_string(value.expires) + ":" + value.value;
    for (const std::string& one : value.fields) {
      is += "," + one;
    }
    if (words.size() == 1) {
      std::string reply;
      resp::append_bulk(reply, is);
      return reply;
    }
    if (compares && words[1] != is) {
      return "$-1\r\n";
    }
    if (words.size() == 2) {
      keys.erase(found);
      changed(words[0]);
    } else if (hash) {
      value = {{}, {words.begin() + 3, words.end()}, now + std::stoll(words[2])};
      changed(words[0], 3);
    } else {
      value = {words[2], {}, now + std::stoll(words[3])};
      changed(words[0]);
    }
    return "+OK\r\n";
  }
};

}  // namespace tiercache::invalidation::testing
