#include "reply_gather.hpp"

#include <string>

#include <doctest/doctest.h>

namespace tiercache::warmup {

TEST_CASE("a key that is no string is told from a value, and from what is missing") {
  struct Case {
    const char* reply;
    bool other;
  };
  for (const Case& one : {Case{"-WRONGTYPE no\r\n", true}, Case{"-ERR no\r\n", false},
                          Case{"$-1\r\n", false}, Case{"$10\r\n-WRONGTYPE\r\n", false}}) {
    ReplyGather gather;
    gather.add_pttl(":-1\r\n");
    gather.add_get(one.reply, 100);
    CHECK(gather.other_type() == one.other);
  }
}

TEST_CASE("a value and its TTL, in any pieces") {
  for (std::size_t cut = 1; cut < 10; cut++) {
    ReplyGather gather;
    const std::string get = "$5\r\nhello\r\n";
    gather.add_pttl(":12");
    gather.add_pttl("34\r\n");
    gather.add_get(std::string_view(get).substr(0, cut), 100);
    gather.add_get(std::string_view(get).substr(cut), 100);
    REQUIRE(gather.usable());
    CHECK(gather.reply() == get);
    CHECK(gather.pttl_ms() == 1234);
    CHECK_FALSE(gather.missing());
  }
}

TEST_CASE("a key that has gone meanwhile is missing") {
  ReplyGather gather;
  gather.add_pttl(":-2\r\n");
  gather.add_get("$-1\r\n", 100);
  CHECK(gather.usable());
  CHECK(gather.missing());
}

TEST_CASE("errors, values that are too large and nonsense are not used") {
  const auto usable = [](std::string_view pttl, std::string_view get, std::size_t max_value) {
    ReplyGather gather;
    gather.add_pttl(pttl);
    for (const char c : get) {
      gather.add_get({&c, 1}, max_value);
    }
    return gather.usable();
  };
  CHECK(usable(":-1\r\n", "$3\r\nabc\r\n", 3));
  CHECK_FALSE(usable(":-1\r\n", "$3\r\nabc\r\n", 2));
  CHECK_FALSE(usable(":-1\r\n", "$99\r\n" + std::string(99, 'x') + "\r\n", 8));
  CHECK_FALSE(usable(":-1\r\n", "-WRONGTYPE no\r\n", 100));
  CHECK_FALSE(usable("-ERR " + std::string(500, 'x') + "\r\n", "$1\r\na\r\n", 100));
  CHECK_FALSE(usable("", "$1\r\na\r\n", 100));
  CHECK_FALSE(usable(":-1\r\n", "", 100));
}

}  // namespace tiercache::warmup
