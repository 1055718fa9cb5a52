#include "info_reply.hpp"

#include <vector>

#include <doctest/doctest.h>

namespace tiercache::admin {

using resp::Version;

namespace {

InfoWish wish_of(std::vector<std::string_view> words) {
  return info_wish(words);
}

}  // namespace

TEST_CASE("the sections that a request asks for") {
  CHECK(wish_of({"INFO"}).tiercache);
  CHECK(wish_of({"info"}).tiers);
  for (const char* all : {"all", "EVERYTHING", "default"}) {
    CHECK(wish_of({"INFO", all}).tiercache);
    CHECK(wish_of({"INFO", all}).tiers);
  }
  CHECK_FALSE(wish_of({"INFO", "server"}).any());
  CHECK(wish_of({"INFO", "Tiers"}).tiers);
  CHECK_FALSE(wish_of({"INFO", "tiers"}).tiercache);
  CHECK(wish_of({"INFO", "server", "tiercache"}).tiercache);
}

TEST_CASE("the text of a reply, and nothing of what is none") {
  CHECK(info_text("$4\r\n# A\n\r\n") == "# A\n");
  CHECK(info_text("=7\r\ntxt:abc\r\n") == "abc");
  CHECK(info_text("$0\r\n\r\n") == "");
  for (const char* other : {"", "-ERR no\r\n", "+QUEUED\r\n", "$-1\r\n", "$5\r\nabc\r\n",
                            "$3\r\nabcd\r\n", "=7\r\nmkd:abc\r\n", "=3\r\nabc\r\n", "$x\r\n\r\n",
                            "$99999999999999999999\r\n\r\n", "$18446744073709551615\r\n\r\n"}) {
    CAPTURE(other);
    CHECK_FALSE(info_text(other).has_value());
  }
}

TEST_CASE("Redis's text and ours are a blank line apart") {
  CHECK(info_reply("A\r\n", "B\r\n", Version::resp2) == "$8\r\nA\r\n\r\nB\r\n\r\n");
  CHECK(info_reply("", "B\r\n", Version::resp2) == "$3\r\nB\r\n\r\n");
  CHECK(info_reply("", "B\r\n", Version::resp3) == "=7\r\ntxt:B\r\n\r\n");
}

TEST_CASE("clients that are held here are blocked ones too") {
  CHECK(with_blocked("# Clients\r\nblocked_clients:9\r\nx:1\r\n", 2) ==
        "# Clients\r\nblocked_clients:11\r\nx:1\r\n");
  CHECK(with_blocked("# Clients\r\nblocked_clients:0", 1) == "# Clients\r\nblocked_clients:1");
  CHECK(with_blocked("# Server\r\n", 2) == "# Server\r\n");
}

}  // namespace tiercache::admin
