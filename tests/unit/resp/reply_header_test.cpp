#include "tiercache/resp/reply_header.hpp"

#include <cstdint>
#include <string_view>

#include <doctest/doctest.h>

namespace tiercache::resp {

TEST_CASE("a header is the number of an integer or of a bulk string, or a nil") {
  struct Row {
    std::string_view reply;
    std::int64_t number;
    std::size_t size;
  };
  for (const Row& row : {Row{":12\r\n", 12, 5}, Row{":-2\r\n", -2, 5}, Row{"$3\r\nabc\r\n", 3, 4},
                         Row{"$0\r\n\r\n", 0, 4}, Row{"$-1\r\n", -1, 5}, Row{"_\r\n", -1, 3}}) {
    CAPTURE(row.reply);
    const ReplyHeader header = read_reply_header(row.reply);
    CHECK(header.ok);
    CHECK(header.number == row.number);
    CHECK(header.size == row.size);
  }
}

TEST_CASE("what is cut off, of another type or no number has no header") {
  for (const std::string_view reply :
       {"", ":", ":1", "$3\r", "+1\r\n", "-1\r\n", "*1\r\n", ":\r\n", ":1x\r\n", "$x\r\n"}) {
    CAPTURE(reply);
    CHECK_FALSE(read_reply_header(reply).ok);
  }
}

}  // namespace tiercache::resp
