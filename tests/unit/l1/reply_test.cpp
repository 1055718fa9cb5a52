#include "tiercache/l1/reply.hpp"

#include "tiercache/l1/store.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::l1;

namespace {

std::string bulk(const std::string& bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + bytes + "\r\n";
}

}  // namespace

TEST_CASE("a bulk string is kept without its framing and comes back whole") {
  for (const std::size_t size : {0U, 1U, 9U, 10U, 99U, 100U, 231U, 232U, 233U, 1000U, 100000U}) {
    CAPTURE(size);
    const std::string bytes(size, 'x');
    const std::string frame = bulk(bytes);
    const Reply reply = Reply::of(frame);
    CHECK(reply.bulk());
    CHECK(reply.body() == bytes);
    CHECK(reply.size() == frame.size());
    CHECK(reply.str() == frame);
    CHECK(reply == frame);
    std::string out = "before";
    reply.append_to(out);
    CHECK(out == "before" + frame);
  }
  const std::string binary = bulk(std::string("\r\n$3\r\n\0", 8));
  CHECK(Reply::of(binary).bulk());
  CHECK(Reply::of(binary).str() == binary);
}

TEST_CASE("everything else is kept as it came") {
  const std::vector<std::string_view> frames = {
      "",
      "$",
      "$-1\r\n",
      "_\r\n",
      ":5\r\n",
      "+OK\r\n",
      "*0\r\n",
      "$05\r\nhello\r\n",
      "$+5\r\nhello\r\n",
      "$5\r\nhell\r\n",
      "$5\r\nhelloo\r\n",
      "$5\r\nhello\r",
      "$5\r\nhello\n\r",
      "$5\n\rhello\r\n",
      "$5\r\nhello",
      "$18446744073709551615\r\nhello\r\n",
      "$99999999999999999999\r\nhello\r\n",
      "$1\r\n",
  };
  for (const std::string_view frame : frames) {
    CAPTURE(frame);
    const Reply reply = Reply::of(frame);
    CHECK_FALSE(reply.bulk());
    CHECK(reply.body() == frame);
    CHECK(reply.size() == frame.size());
    CHECK(reply.str() == frame);
    CHECK(reply == frame);
    CHECK_FALSE(reply == "$5\r\nhello\r\n");
    CHECK_FALSE(Reply::of("$5\r\nhello\r\n") == frame);
  }
}

TEST_CASE("a framed reply and one kept as it came take each other's place") {
  Store store({std::size_t{1} << 20, 0, 64});
  const Key key{1, 0, "key"};
  const Variant variant{1, 0, {}};
  // Both fit one block; the second pair does not.
  for (const std::string_view frame : {"$5\r\nhello\r\n", "_____", "$5\r\nworld\r\n",
                                       "a much longer one that is no bulk string", "$0\r\n\r\n"}) {
    Entry* entry = store.put(key, variant, frame, {}, Time(), 0);
    REQUIRE(entry != nullptr);
    CHECK(entry->reply() == frame);
    const Store copy = store;
    store.pin(entry);
    CHECK(std::as_const(copy).peek(key, variant, Time(), 0)->reply() == frame);
    CHECK(store.pin(entry).reply().str() == frame);
  }
}
