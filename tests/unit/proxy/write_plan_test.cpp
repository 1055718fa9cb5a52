#include "write_plan.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache::proxy;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kNow{1'700'000'000'000};

WritePlan plan(std::string_view name, std::vector<std::string_view> args,
               milliseconds l2_ttl = milliseconds(0)) {
  REQUIRE(can_write_to_source(name));
  return plan_write(name, args, {{l2_ttl}, kNow, "these keys"});
}

// The words of the requests, with blanks between and ';' behind each.
std::string sent(const std::vector<std::string>& requests) {
  std::string text;
  for (std::string_view request : requests) {
    bool word = false;
    while (!request.empty()) {
      const auto end = request.find("\r\n");
      if (word) {
        text.append(request.substr(0, end)).append(" ");
      }
      word = request[0] == '$' && !word;
      request.remove_prefix(end + 2);
    }
    text.back() = ';';
  }
  return text;
}

std::string sent(const WritePlan& plan) {
  std::string text;
  for (const Errand& errand : plan.errands) {
    text += sent(errand.requests);
  }
  return text;
}

// Each errand as "key: requests", and in brackets what it is if the keys are torn apart.
std::vector<std::string> by_slots(std::string_view name, std::vector<std::string_view> args,
                                  milliseconds l2_ttl = milliseconds(0)) {
  const WritePlan plan = plan_write(name, args, {{l2_ttl}, kNow, "these keys", true});
  CHECK(plan.error.empty());
  std::vector<std::string> all;
  for (const Errand& errand : plan.errands) {
    all.push_back(errand.key + ": " + sent(errand.requests));
    for (const Errand& one : errand.apart) {
      CHECK(one.apart.empty());
      all.back() += "[" + one.key + ": " + sent(one.requests) + "]";
    }
  }
  std::ranges::sort(all);
  return all;
}

// Of three nodes, by the slots' order; nobody has the slot of "z".
tiercache::topology::SlotMap three_nodes() {
  using namespace tiercache::topology;
  SlotMap map;
  for (std::size_t slot = 0; slot < kSlots; slot++) {
    map.node_of[slot] = static_cast<NodeIndex>(slot * 3 / kSlots);
  }
  map.node_of[slot_of("z")] = SlotMap::kNobody;
  return map;
}

NodesOf where(std::vector<std::string_view> names, bool split) {
  std::vector<WritePlan::Key> keys;
  for (const std::string_view name : names) {
    keys.push_back({name, std::nullopt});
  }
  return nodes_of(keys, three_nodes(), split);
}

std::string error_of(std::string_view name, std::vector<std::string_view> args) {
  return plan(name, std::move(args)).error;
}

}  // namespace

TEST_CASE("what is set without a time of its own gets the namespace's") {
  const WritePlan plain = plan("set", {"set", "k", "v"});
  CHECK(plain.error.empty());
  CHECK(sent(plain) == "SET k v;");
  REQUIRE(plain.keys.size() == 1);
  CHECK(plain.keys[0].name == "k");
  CHECK(plain.keys[0].value == "v");
  CHECK(sent(plan("set", {"set", "k", "v"}, milliseconds(5000))) == "SET k v PX 5000;");
  CHECK(sent(plan("set", {"SET", "k", "v", "ex", "7"}, milliseconds(5000))) == "SET k v ex 7;");
  CHECK(sent(plan("setex", {"setex", "k", "7", "v"}, milliseconds(5000))) == "setex k 7 v;");
  CHECK(plan("psetex", {"psetex", "k", "7", "v"}).keys[0].value == "v");
  CHECK(sent(plan("mset", {"mset", "a", "1", "b", "2"})) == "MSET a 1 b 2;");
  const WritePlan both = plan("mset", {"mset", "a", "1", "b", "2"}, milliseconds(5000));
  CHECK(sent(both) == "MSET a 1 b 2;PEXPIRE a 5000;PEXPIRE b 5000;");
  CHECK(both.keys.size() == 2);
  CHECK(both.keys[1].value == "2");
}

TEST_CASE("removals are one request a key, so that each says whether it was there") {
  const WritePlan both = plan("del", {"del", "a", "b"}, milliseconds(5000));
  CHECK(sent(both) == "del a;del b;");
  CHECK(both.reply == WritePlan::Reply::removed);
  CHECK_FALSE(both.keys[0].value);
  CHECK(sent(plan("unlink", {"UNLINK", "a"})) == "UNLINK a;");
}

TEST_CASE("what Redis would refuse is refused before the source is asked, in its words") {
  CHECK(error_of("set", {"set", "k", "v", "ex"}) == "ERR syntax error");
  CHECK(error_of("set", {"set", "k", "v", "ex", "1", "px", "1"}) == "ERR syntax error");
  CHECK(error_of("set", {"set", "k", "v", "sometime"}) == "ERR syntax error");
  CHECK(error_of("set", {"set", "k", "v", "ex", "x"}) ==
        "ERR value is not an integer or out of range");
  for (const std::string_view time : {"0", "-1", "9223372036854775807"}) {
    CAPTURE(time);
    CHECK(error_of("set", {"set", "k", "v", "ex", time}) ==
          "ERR invalid expire time in 'set' command");
    CHECK(error_of("setex", {"setex", "k", time, "v"}) ==
          "ERR invalid expire time in 'setex' command");
    CHECK(error_of("psetex", {"psetex", "k", time, "v"}) ==
          "ERR invalid expire time in 'psetex' command");
  }
  CHECK(error_of("set", {"set", "k", "v", "pxat", "1700000000001"}).empty());
  CHECK(error_of("mset", {"mset", "a", "1", "b"}) ==
        "ERR wrong number of arguments for 'mset' command");
}

TEST_CASE("what depends on what is there is refused") {
  for (const std::string_view option : {"nx", "XX", "get", "keepttl"}) {
    CAPTURE(option);
    CHECK(error_of("set", {"set", "k", "v", option}).ends_with("is not for these keys"));
  }
  for (const char* name : {"append", "getset", "getdel", "incr", "msetnx", "setnx", "setrange",
                           "expire", "hset", "restore"}) {
    CAPTURE(name);
    CHECK_FALSE(can_write_to_source(name));
  }
}

TEST_CASE("what changes only how long Redis keeps its copy is no write to the source") {
  for (const char* name : {"expire", "expireat", "persist", "pexpire", "pexpireat"}) {
    CHECK(is_of_copy_alone(name));
    CHECK_FALSE(can_write_to_source(name));
  }
  for (const char* name : {"set", "del", "getex", "setnx", "incr", "append", ""}) {
    CHECK_FALSE(is_of_copy_alone(name));
  }
}

TEST_CASE("over a Cluster each slot has an errand of its own, and a key only one") {
  using Errands = std::vector<std::string>;
  CHECK(by_slots("set", {"set", "k", "v"}) == Errands{"k: SET k v;"});
  CHECK(by_slots("del", {"del", "a", "b"}) == Errands{"a: del a;", "b: del b;"});
  CHECK(by_slots("mset", {"mset", "a", "1", "b", "2", "a", "3"}, milliseconds(5000)) ==
        Errands{"a: SET a 3 PX 5000;", "b: SET b 2 PX 5000;"});
  CHECK(by_slots("mset", {"mset", "a", "1", "b", "2"}) == Errands{"a: SET a 1;", "b: SET b 2;"});
}

TEST_CASE("keys of one slot are set together, unless that moves") {
  CHECK(by_slots("mset", {"mset", "{t}b", "1", "{t}a", "2", "k", "3"}, milliseconds(5000)) ==
        std::vector<std::string>{"k: SET k 3 PX 5000;",
                                 "{t}a: MSET {t}a 2 {t}b 1;PEXPIRE {t}a 5000;PEXPIRE {t}b 5000;"
                                 "[{t}a: SET {t}a 2 PX 5000;][{t}b: SET {t}b 1 PX 5000;]"});
  // One that is named twice is set to what it has at last, in whichever order they go.
  CHECK(by_slots("mset", {"mset", "{t}a", "1", "{t}a", "2"}) ==
        std::vector<std::string>{"{t}a: SET {t}a 2;"});
}

TEST_CASE("keys of several slots are written together only where commands are split") {
  // Slots 15495, 3300 and 7365.
  CHECK(where({"a", "b", "c", "{a}2"}, true).nodes ==
        std::vector<tiercache::topology::NodeIndex>{2, 0, 1});
  CHECK(where({"a", "b"}, true).error.empty());
  CHECK(where({"a", "b"}, false).error == "CROSSSLOT Keys in request don't hash to the same slot");
  CHECK(where({"a", "{a}2"}, false).error.empty());
  CHECK(where({"a", "{a}2"}, false).nodes == std::vector<tiercache::topology::NodeIndex>{2});
  for (const bool split : {false, true}) {
    CHECK(where({"z"}, split).error == "CLUSTERDOWN Hash slot not served");
  }
  CHECK(where({"a", "z"}, true).error == "CLUSTERDOWN Hash slot not served");
}

TEST_CASE("each key of what is set together has an end of its own") {
  const CopyTtl ttl{milliseconds(100'000), milliseconds(5'000), 50};
  const auto px = [&](std::string_view key) {
    return std::to_string(ttl.of(key, kNow).count());
  };
  REQUIRE(px("a") != px("b"));
  CHECK(sent(plan_write("mset", std::vector<std::string_view>{"mset", "a", "1", "b", "2"},
                        {ttl, kNow, "these keys"})) ==
        "MSET a 1 b 2;PEXPIRE a " + px("a") + ";PEXPIRE b " + px("b") + ";");
  CHECK(sent(plan_write("set", std::vector<std::string_view>{"set", "a", "1"},
                        {ttl, kNow, "these keys"})) == "SET a 1 PX " + px("a") + ";");
}
