#include "sentinel_replies.hpp"

#include <doctest/doctest.h>

using namespace tiercache;
using l2::names_master;
using l2::read_role;
using l2::read_sentinel_answer;
using l2::Reply;
using topology::Role;

namespace {

Reply text(const std::string& value) {
  return {Reply::Kind::text, value};
}

Reply array(std::vector<Reply> items) {
  return {Reply::Kind::array, "", 0, std::move(items)};
}

Reply error(const std::string& value) {
  return {Reply::Kind::error, value};
}

Reply map_of(const std::vector<std::string>& words) {
  std::vector<Reply> items;
  for (const std::string& word : words) {
    items.push_back(text(word));
  }
  return array(std::move(items));
}

}  // namespace

TEST_CASE("a sentinel's answer: the master, the epoch, the other sentinels, the replicas") {
  const auto answer = read_sentinel_answer(
      {map_of({"10.0.0.1", "6379"}), map_of({"name", "main", "config-epoch", "7"}),
       array({map_of({"ip", "10.0.0.2", "port", "26379"}), map_of({"ip", "", "port", "1"}),
              map_of({"ip", "h", "port", "70000"})}),
       array({map_of({"port", "6380", "ip", "::1"})})});
  REQUIRE(answer);
  CHECK(config::to_string(*answer.value().master) == "10.0.0.1:6379");
  CHECK(answer.value().epoch == 7);
  REQUIRE(answer.value().sentinels.size() == 1);
  CHECK(config::to_string(answer.value().sentinels[0]) == "10.0.0.2:26379");
  REQUIRE(answer.value().replicas.size() == 1);
  CHECK(config::to_string(answer.value().replicas[0]) == "[::1]:6380");
}

TEST_CASE("what a sentinel refuses besides the address is left out") {
  const auto answer = read_sentinel_answer(
      {map_of({"10.0.0.1", "6379"}), error("NOPERM"), error("NOPERM"), error("NOPERM")});
  REQUIRE(answer);
  CHECK(answer.value().master);
  CHECK_FALSE(answer.value().epoch);
  CHECK(answer.value().sentinels.empty());

  const auto nil = read_sentinel_answer({{}, error("ERR"), error("ERR"), error("ERR")});
  REQUIRE(nil);
  CHECK_FALSE(nil.value().master);
  const Reply no = error("NOAUTH Authentication required.");
  CHECK(read_sentinel_answer({no, no, no, no}).error().detail ==
        "-NOAUTH Authentication required.");
  CHECK_FALSE(read_sentinel_answer({map_of({"h", "port"}), no, no, no}));
  CHECK_FALSE(read_sentinel_answer({map_of({"h"}), no, no, no}));
  CHECK_FALSE(read_sentinel_answer({}));
}

TEST_CASE("a role: a master, something else, or not for us to know") {
  CHECK(read_role(array({text("master"), {}, {}})).value() == Role::master);
  CHECK(read_role(array({text("slave")})).value() == Role::other);
  CHECK(read_role(array({text("sentinel")})).value() == Role::other);
  CHECK(read_role(error("NOPERM no")).value() == Role::unknown);
  CHECK_FALSE(read_role(error("LOADING wait")));
  CHECK_FALSE(read_role({}));
}

TEST_CASE("a switch message is about the master that it names first") {
  CHECK(names_master("main 10.0.0.1 1 10.0.0.2 2", "main"));
  CHECK_FALSE(names_master("main2 10.0.0.1 1 10.0.0.2 2", "main"));
  CHECK_FALSE(names_master("", "main"));
}
