#include "split.hpp"

#include "tiercache/topology/slots.hpp"

#include <doctest/doctest.h>

namespace tiercache::proxy {

namespace {

using Words = std::vector<std::string_view>;

}  // namespace

TEST_CASE("keys of one slot stay together, in the order in which the slots come") {
  const Words args{"mget", "{a}1", "{b}1", "{a}2", "{c}", "{b}1"};
  const auto cut = split("mget", args);
  REQUIRE(cut);
  CHECK(cut->keys == 5);
  REQUIRE(cut->parts.size() == 3);
  CHECK(cut->parts[0].args == Words{"mget", "{a}1", "{a}2"});
  CHECK(cut->parts[0].positions == std::vector<std::uint32_t>{0, 2});
  CHECK(cut->parts[1].args == Words{"mget", "{b}1", "{b}1"});
  CHECK(cut->parts[2].args == Words{"mget", "{c}"});
  CHECK(merge(*cut, std::vector<std::string>{"*2\r\n$1\r\nx\r\n$-1\r\n",
                                             "*2\r\n$2\r\n\r\n\r\n$0\r\n\r\n", "*1\r\n_\r\n"}) ==
        "*5\r\n$1\r\nx\r\n$2\r\n\r\n\r\n$-1\r\n_\r\n$0\r\n\r\n");
}

TEST_CASE("values go with their keys") {
  const Words args{"MSET", "{a}1", "1", "{b}1", "2", "{a}2", "3"};
  const auto cut = split("mset", args);
  REQUIRE(cut);
  REQUIRE(cut->parts.size() == 2);
  CHECK(cut->parts[0].args == Words{"MSET", "{a}1", "1", "{a}2", "3"});
  CHECK(cut->parts[1].args == Words{"MSET", "{b}1", "2"});
  CHECK(merge(*cut, std::vector<std::string>{"+OK\r\n", "+OK\r\n"}) == "+OK\r\n");
  CHECK(merge(*cut, std::vector<std::string>{"+OK\r\n", "-OOM no\r\n"}) == "-OOM no\r\n");
  CHECK(!split("mset", Words{"MSET", "a", "1", "b"}));
}

TEST_CASE("numbers are added") {
  for (const char* name : {"del", "unlink", "exists", "touch"}) {
    const auto cut = split(name, Words{name, "a", "b", "a"});
    REQUIRE(cut);
    REQUIRE(cut->parts.size() == 2);
    CHECK(merge(*cut, std::vector<std::string>{":2\r\n", ":1\r\n"}) == ":3\r\n");
    CHECK(merge(*cut, std::vector<std::string>{":2\r\n", "$1\r\n1\r\n"}).starts_with("-ERR"));
  }
}

TEST_CASE("other commands are not cut, and replies that do not fit are no answer") {
  CHECK(!split("msetnx", Words{"msetnx", "a", "1", "b", "2"}));
  CHECK(!split("rename", Words{"rename", "a", "b"}));
  CHECK(!split("del", Words{"del"}));
  const auto cut = split("mget", Words{"mget", "a", "b"});
  REQUIRE(cut);
  for (const char* other : {"*2\r\n$1\r\nx\r\n$1\r\ny\r\n", "*1\r\n$5\r\nx\r\n", "+OK\r\n", ""}) {
    CHECK(merge(*cut, std::vector<std::string>{"*1\r\n$1\r\nx\r\n", other}).starts_with("-ERR"));
  }
}

TEST_CASE("as many parts as slots, however many keys") {
  std::vector<std::string> keys;
  for (int i = 0; i < 5000; i++) {
    keys.push_back("k" + std::to_string(i));
  }
  Words args{"del"};
  args.insert(args.end(), keys.begin(), keys.end());
  const auto cut = split("del", args);
  REQUIRE(cut);
  std::size_t seen = 0;
  for (const SplitPart& part : cut->parts) {
    for (const std::string_view key : std::span(part.args).subspan(1)) {
      CHECK(topology::slot_of(key) == topology::slot_of(part.args[1]));
      seen++;
    }
  }
  CHECK(seen == keys.size());
}

TEST_CASE("what all nodes say becomes one reply") {
  Split all;
  all.merge = *merge_of_all("keys");
  CHECK(merge(all, std::vector<std::string>{"*1\r\n$1\r\na\r\n", "*0\r\n",
                                            "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"}) ==
        "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
  CHECK(merge(all, std::vector<std::string>{"*0\r\n", "-ERR x\r\n"}) == "-ERR x\r\n");
  all.merge = *merge_of_all("dbsize");
  CHECK(merge(all, std::vector<std::string>{":7\r\n", ":0\r\n", ":3\r\n"}) == ":10\r\n");
  all.merge = *merge_of_all("randomkey");
  for (std::uint64_t random = 0; random < 4; random++) {
    all.random = random;
    CHECK(merge(all, std::vector<std::string>{"$-1\r\n", "$1\r\nk\r\n", "$-1\r\n"}) ==
          "$1\r\nk\r\n");
  }
  CHECK(merge(all, std::vector<std::string>{"$-1\r\n", "$-1\r\n"}) == "$-1\r\n");
  CHECK(!merge_of_all("get"));
  CHECK(!merge_of_all("ping"));
}

TEST_CASE("one cursor goes over all nodes, and ends with the last") {
  Split scan;
  scan.merge = *merge_of_all("scan");
  scan.node = 2;
  scan.next_node = 5;
  const auto reply = [&](const std::string& cursor) {
    const std::string size = std::to_string(cursor.size());
    return merge(scan, std::vector<std::string>{"*2\r\n$" + size + "\r\n" + cursor +
                                                "\r\n*1\r\n$1\r\nk\r\n"});
  };
  CHECK(reply("3") == "*2\r\n$3\r\n386\r\n*1\r\n$1\r\nk\r\n");
  const auto again = read_cursor("386");
  REQUIRE(again);
  CHECK(again->node == 2);
  CHECK(again->cursor == 3);
  CHECK(reply("0") == "*2\r\n$1\r\n5\r\n*1\r\n$1\r\nk\r\n");
  scan.next_node = 0;
  CHECK(reply("0") == "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n");
  CHECK(reply("18446744073709551615").starts_with("-ERR"));
  CHECK(reply("x").starts_with("-ERR"));
  CHECK(!read_cursor("-1"));
  CHECK(!read_cursor(""));
  CHECK(!read_cursor("1x"));
}

}  // namespace tiercache::proxy
