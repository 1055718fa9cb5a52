// Under which name replies are kept, and which reads are.
#include "variants.hpp"

#include "kept.hpp"

#include "tiercache/command/table.hpp"
#include "tiercache/config/schema.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy;

namespace {

struct Named {
  bool kept = false;
  std::uint16_t command = 0;
  unsigned resp = 0;
  std::string args;
};

Named named(const std::vector<std::string>& words, resp::Version version = resp::Version::resp2) {
  const std::vector<std::string_view> args(words.begin(), words.end());
  const command::Table& table = *command::Table::builtin();
  const command::Command* command = table.find(args);
  REQUIRE(command != nullptr);
  const auto id = static_cast<std::uint16_t>(command - table.commands().data());
  std::string encoded;
  OwnName own{{}, encoded};
  const auto answers = answers_to(*command, id, args, version, own);
  if (answers.empty()) {
    return {};
  }
  const l1::Variant& first = answers.front();
  return {true, first.command, first.resp, std::string(first.args)};
}

std::string listed(const std::vector<std::uint8_t>& kept, const command::Table& table) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kept.size(); i++) {
    if (kept[i] != 0) {
      names.insert(table.commands()[i].name);
    }
  }
  std::string line;
  for (const std::string_view name : names) {
    line.append(line.empty() ? "" : " ").append(name);
  }
  return line;
}

std::string listed(const std::vector<std::string>& words) {
  const command::Table& table = *command::Table::builtin();
  return listed(kept_commands(words, table), table);
}

}  // namespace

TEST_CASE("different arguments never have one name, whatever bytes they hold") {
  // All lists of up to three of these, chosen to look like each other's encodings.
  const std::vector<std::string> pieces = {"",
                                           "a",
                                           "\xff",
                                           std::string("\x01\x00", 2),
                                           std::string("\x01\x00"
                                                       "a",
                                                       3),
                                           std::string("\xff\x01\x00"
                                                       "a",
                                                       4),
                                           std::string("\xff\x00\x00", 3),
                                           std::string("\0", 1)};
  std::map<std::string, std::vector<std::string>> seen;
  std::vector<std::vector<std::string>> lists = {{}};
  for (std::size_t from = 0, length = 0; length < 3; length++) {
    const std::size_t until = lists.size();
    for (; from < until; from++) {
      for (const std::string& piece : pieces) {
        std::vector<std::string> longer = lists[from];
        longer.push_back(piece);
        lists.push_back(std::move(longer));
      }
    }
  }
  CHECK(lists.size() == 1 + 8 + 64 + 512);
  for (const std::vector<std::string>& list : lists) {
    std::vector<std::string> words{"BITCOUNT", "k"};
    words.insert(words.end(), list.begin(), list.end());
    const Named name = named(words);
    CHECK(name.kept);
    CHECK(seen.emplace(name.args, list).second);
  }
}

TEST_CASE("the letter case of the command does not matter, that of its options does") {
  CHECK(named({"zrange", "z", "0", "1"}).args == named({"ZRANGE", "z", "0", "1"}).args);
  CHECK(named({"zrange", "z", "0", "1"}).command == named({"ZrAnGe", "z", "0", "1"}).command);
  CHECK(named({"ZRANGE", "z", "0", "1", "REV"}).args !=
        named({"ZRANGE", "z", "0", "1", "rev"}).args);
  CHECK(named({"ZRANGE", "z", "0", "1"}).command != named({"ZREVRANGE", "z", "0", "1"}).command);
}

TEST_CASE("a reply that depends on the RESP version is kept for each") {
  CHECK(named({"HGETALL", "h"}).resp == 2);
  CHECK(named({"HGETALL", "h"}, resp::Version::resp3).resp == 3);
  CHECK(named({"HLEN", "h"}).resp == 0);
  CHECK(named({"HLEN", "h"}, resp::Version::resp3).resp == 0);
}

TEST_CASE("a request with too many bytes of arguments is not kept") {
  const std::string most(kMaxArgs, 'f');
  CHECK(named({"HGET", "h", most}).kept);
  CHECK_FALSE(named({"HGET", "h", most + "f"}).kept);
  CHECK(named({"HMGET", "h", most.substr(4), ""}).kept);
  CHECK_FALSE(named({"HMGET", "h", most.substr(3), ""}).kept);
}

TEST_CASE("errors and what is too large are not kept") {
  for (const char* reply : {":1\r\n", "_\r\n", "+none\r\n", ",1.5\r\n", "$-1\r\n", "$3\r\nabc\r\n",
                            "*0\r\n", "%0\r\n", "~1\r\n:1\r\n"}) {
    CAPTURE(reply);
    CHECK(judge(reply, 16) == Verdict::keep);
  }
  for (const char* reply : {"-ERR no\r\n", "!5\r\nERR a\r\n", ">1\r\n:1\r\n", "|1\r\n",
                            "=7\r\ntxt:abc\r\n", "$17\r\n", "*2\r\n$4\r\nabcd\r\n$4\r\n"}) {
    CAPTURE(reply);
    CHECK(judge(reply, 16) == Verdict::stream);
  }
  CHECK(judge("$1", 16) == Verdict::more);
}

TEST_CASE("the configuration names exactly the reads that the table lets L1 keep") {
  const config::Key* key = config::find_key("l1.commands");
  REQUIRE(key != nullptr);
  std::string known;
  for (const std::string_view name : key->choices) {
    if (name != "all") {
      known.append(known.empty() ? "" : " ").append(name);
    }
  }
  CHECK(listed({"all"}) == known);
}

TEST_CASE("words of l1.commands take effect in their order") {
  CHECK(listed(std::vector<std::string>{}).empty());
  CHECK(listed({"GET", "hget"}) == "get hget");
  CHECK(listed({"get", "hget", "-GET"}) == "hget");
  CHECK(listed({"-all"}).empty());
  const std::string all = listed({"all"});
  CHECK(all.find("hgetall ") != std::string::npos);
  std::string without = all;
  without.erase(without.find("hgetall "), 8);
  CHECK(listed({"all", "-hgetall"}) == without);
  CHECK(listed({"-hgetall"}) == without);
}

TEST_CASE("a read that the table does not let L1 keep stays out, whatever the words say") {
  const command::LearntCommand learnt[] = {{"hexpire", -6, {"write"}, 1, 1, 1}};
  const auto table = command::Table::with(learnt);
  const std::vector<std::string> words{"hget", "get", "hscan"};
  CHECK(listed(kept_commands(words, *table), *table) == "get");
}
