#include "hash_read.hpp"

#include "tiercache/base/words.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy;
using resp::Version;

namespace {

std::string lower_case(std::string_view word) {
  std::string text(word);
  std::ranges::transform(text, text.begin(), lower);
  return text;
}

HashRead read_of(const std::vector<std::string_view>& args, Version version) {
  return hash_read(lower_case(args[0]), {args.begin() + 2, args.end()}, version);
}

const std::vector<std::string> kFields = {"name", "Ann", "note", "", "n", "42"};

std::string of_hash(std::vector<std::string_view> args, Version version = Version::resp2) {
  return answer(hash_reply(kFields), read_of(args, version));
}

std::string absent(std::vector<std::string_view> args, Version version = Version::resp2) {
  return answer_absent(read_of(args, version));
}

}  // namespace

TEST_CASE("what reads of a hash say of one that was loaded") {
  CHECK(of_hash({"HGET", "k", "name"}) == "$3\r\nAnn\r\n");
  CHECK(of_hash({"hget", "k", "note"}) == "$0\r\n\r\n");
  CHECK(of_hash({"HGET", "k", "Name"}) == "$-1\r\n");
  CHECK(of_hash({"HGET", "k", "none"}, Version::resp3) == "_\r\n");
  CHECK(of_hash({"HMGET", "k", "n", "none", "n"}) == "*3\r\n$2\r\n42\r\n$-1\r\n$2\r\n42\r\n");
  CHECK(of_hash({"HMGET", "k", "none"}, Version::resp3) == "*1\r\n_\r\n");
  CHECK(of_hash({"HGETALL", "k"}) == hash_reply(kFields));
  CHECK(of_hash({"HGETALL", "k"}, Version::resp3).starts_with("%3\r\n$4\r\nname\r\n$3\r\nAnn\r\n"));
  CHECK(of_hash({"HKEYS", "k"}) == "*3\r\n$4\r\nname\r\n$4\r\nnote\r\n$1\r\nn\r\n");
  CHECK(of_hash({"HVALS", "k"}) == "*3\r\n$3\r\nAnn\r\n$0\r\n\r\n$2\r\n42\r\n");
  CHECK(of_hash({"HLEN", "k"}) == ":3\r\n");
  CHECK(of_hash({"HEXISTS", "k", "note"}) == ":1\r\n");
  CHECK(of_hash({"HEXISTS", "k", "none"}) == ":0\r\n");
  CHECK(of_hash({"HSTRLEN", "k", "name"}) == ":3\r\n");
  CHECK(of_hash({"HSTRLEN", "k", "none"}) == ":0\r\n");
  CHECK(of_hash({"EXISTS", "k"}) == ":1\r\n");
  for (const std::string_view command :
       {"hget", "hmget", "hgetall", "hkeys", "hvals", "hlen", "hexists", "hstrlen"}) {
    CHECK(reads_hash(command));
  }
  for (const std::string_view command : {"hscan", "hrandfield", "hset", "mget", "type"}) {
    CHECK_FALSE(reads_hash(command));
  }
}

TEST_CASE("what they say where there is none") {
  CHECK(absent({"HGET", "k", "f"}).empty());
  CHECK(absent({"HMGET", "k", "f", "g"}) == "*2\r\n$-1\r\n$-1\r\n");
  CHECK(absent({"HMGET", "k", "f"}, Version::resp3) == "*1\r\n_\r\n");
  CHECK(absent({"HGETALL", "k"}) == "*0\r\n");
  CHECK(absent({"HGETALL", "k"}, Version::resp3) == "%0\r\n");
  CHECK(absent({"HKEYS", "k"}) == "*0\r\n");
  CHECK(absent({"HVALS", "k"}) == "*0\r\n");
  for (const char* command : {"HLEN", "EXISTS"}) {
    CHECK(absent({command, "k"}) == ":0\r\n");
  }
  CHECK(absent({"HEXISTS", "k", "f"}) == ":0\r\n");
  CHECK(absent({"HSTRLEN", "k", "f"}) == ":0\r\n");
}

TEST_CASE("reads of a string are told from those of a hash") {
  for (const std::string_view command : {"get", "strlen", "getrange", "substr"}) {
    CHECK(reads_hash(command));
    CHECK(hash_read(command, {}, Version::resp2).kind == HashRead::Kind::misfit);
  }
}

TEST_CASE("which replies are those to a missing hash") {
  struct Case {
    std::vector<std::string_view> args;
    const char* reply;
    bool lacks;  // where PTTL has shown the key
    bool lacks_if_gone;
  };
  for (const Case& one : {
           Case{{"HGETALL", "k"}, "*0\r\n", true, true},
           Case{{"HGETALL", "k"}, "%0\r\n", true, true},
           Case{{"HGETALL", "k"}, "*2\r\n$1\r\na\r\n$-1\r\n", false, false},
           Case{{"HGETALL", "k"}, "%1\r\n$1\r\na\r\n$1\r\nb\r\n", false, false},
           Case{{"HLEN", "k"}, ":0\r\n", true, true},
           Case{{"HLEN", "k"}, ":2\r\n", false, false},
           Case{{"HKEYS", "k"}, "*0\r\n", true, true},
           Case{{"HVALS", "k"}, "*1\r\n$0\r\n\r\n", false, false},
           Case{{"EXISTS", "k"}, ":0\r\n", true, true},
           Case{{"EXISTS", "k"}, ":1\r\n", false, false},
           Case{{"HGET", "k", "f"}, "$-1\r\n", false, true},
           Case{{"HGET", "k", "f"}, "_\r\n", false, true},
           Case{{"HGET", "k", "f"}, "$0\r\n\r\n", false, false},
           Case{{"HEXISTS", "k", "f"}, ":0\r\n", false, true},
           Case{{"HEXISTS", "k", "f"}, ":1\r\n", false, false},
           Case{{"HSTRLEN", "k", "f"}, ":0\r\n", false, true},
           Case{{"HMGET", "k", "f", "g"}, "*2\r\n$-1\r\n$-1\r\n", false, true},
           Case{{"HMGET", "k", "f", "g"}, "*2\r\n_\r\n_\r\n", false, true},
           Case{{"HMGET", "k", "f", "g"}, "*2\r\n$-1\r\n$0\r\n\r\n", false, false},
           Case{{"GET", "k"}, "$-1\r\n", true, true},
           Case{{"STRLEN", "k"}, ":0\r\n", true, true},
           Case{{"GETRANGE", "k", "0", "1"}, "$0\r\n\r\n", false, true},
           Case{{"GETRANGE", "k", "0", "1"}, "$1\r\na\r\n", false, false},
       }) {
    CAPTURE(one.args[0]);
    CAPTURE(one.reply);
    CHECK(lacks_hash(lower_case(one.args[0]), one.reply, false) == one.lacks);
    CHECK(lacks_hash(lower_case(one.args[0]), one.reply, true) == one.lacks_if_gone);
    CHECK((one.lacks == one.lacks_if_gone || same_if_no_field(lower_case(one.args[0]))));
  }
}

TEST_CASE("fields come back from what was made of them, and from nothing else") {
  const std::string reply = hash_reply(kFields);
  const auto fields = fields_of(reply);
  CHECK(std::vector<std::string>(fields.begin(), fields.end()) == kFields);
  for (std::size_t size = 0; size < reply.size(); size++) {
    CHECK(fields_of(std::string_view(reply).substr(0, size)).empty());
  }
  CHECK(fields_of("*0\r\n").empty());
  CHECK(fields_of("*1\r\n$-1\r\n").empty());
  CHECK(fields_of("$1\r\na\r\n").empty());
}
