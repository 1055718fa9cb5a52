#include "tiercache/proxy/slow_log.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace tiercache::proxy;

namespace {

std::string words(const std::string& request) {
  SlowEntry entry;
  entry.set_head(request);
  entry.size = request.size();
  std::string all;
  for (const std::string& word : words_of(entry)) {
    all += "[" + word + "]";
  }
  return all;
}

}  // namespace

TEST_CASE("the ring keeps the newest") {
  SlowLog log;
  for (std::uint64_t id = 1; id <= 5; id++) {
    SlowEntry* entry = log.add(3);
    REQUIRE(entry != nullptr);
    entry->id = id;
  }
  REQUIRE(log.entries().size() == 3);
  CHECK(log.entries().front().id == 3);
  CHECK(log.entries().back().id == 5);
  // The configuration may change.
  log.add(2)->id = 6;
  REQUIRE(log.entries().size() == 2);
  CHECK(log.entries().front().id == 5);
  CHECK(log.add(0) == nullptr);
  CHECK(log.entries().empty());
  log.add(1)->id = 7;
  log.clear();
  CHECK(log.entries().empty());
}

TEST_CASE("a request is shown as far as it is remembered") {
  CHECK(words("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n") == "[GET][k]");
  CHECK(words("*2\r\n$3\r\nGET\r\n$0\r\n\r\n") == "[GET][]");
  const std::string value(1000, 'v');
  CHECK(words("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000\r\n" + value + "\r\n") ==
        "[SET][k][" + std::string(69, 'v') + "... (931 more bytes)]");
  std::string many = "*50\r\n$4\r\nMGET\r\n";
  for (int i = 1; i < 50; i++) {
    many += "$2\r\nkk\r\n";
  }
  CHECK(words(many) == "[MGET][kk][kk][kk][kk][kk][kk][kk][kk][kk][kk][... (39 more arguments)]");
  CHECK(words("GET k\r\n") == "[GET][k]");
  CHECK(words("SET k " + value + "\r\n") == "[SET][k][" + std::string(90, 'v') + "][...]");
}

TEST_CASE("what was answered from memory is shown together, and a password is not") {
  SlowEntry entry;
  entry.set_head("get");
  entry.hits = 7;
  CHECK(words_of(entry) ==
        std::vector<std::string>{"get", "... (7 answers from memory at a time)"});
  CHECK(words("*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n") == "[AUTH][(redacted)]");
  CHECK(words("config set requirepass secret\r\n") == "[config][(redacted)]");
}
