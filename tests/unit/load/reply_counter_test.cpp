#include "load/reply_counter.hpp"

#include <string>

#include <doctest/doctest.h>

namespace tiercache::load {
namespace {

constexpr std::string_view kMixed =
    "$3\r\nabc\r\n"
    "$3\r\n\r\n$\r\n"  // its content looks like the beginning of a reply
    "$3\r\nxyz\r\n"
    "+OK\r\n"
    "$-1\r\n"
    "$0\r\n\r\n"
    "-ERR something\r\n"
    "*2\r\n$3\r\nabc\r\n$-1\r\n"
    ":42\r\n"
    "-OOM later\r\n"
    "$-1\r\n"
    "$1\r\na\r\n";
constexpr std::size_t kReplies = 12;

TEST_CASE("replies of all kinds are counted, errors and nulls apart") {
  ReplyCounter counter;
  CHECK(counter.count(kMixed) == kReplies);
  CHECK(counter.errors() == 2);
  CHECK(counter.nulls() == 2);
  CHECK(counter.first_error() == "ERR something");
  CHECK_FALSE(counter.failed());
}

TEST_CASE("the count does not depend on how the bytes were cut") {
  const std::string stream = std::string(kMixed) + std::string(kMixed);
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    CAPTURE(cut);
    ReplyCounter counter;
    const std::string_view all = stream;
    const std::size_t first = counter.count(all.substr(0, cut));
    CHECK(first + counter.count(all.substr(cut)) == 2 * kReplies);
    CHECK(counter.errors() == 4);
    CHECK(counter.nulls() == 4);
  }
  ReplyCounter counter;
  std::size_t replies = 0;
  for (const char& byte : stream) {
    replies += counter.count({&byte, 1});
  }
  CHECK(replies == 2 * kReplies);
  CHECK(counter.errors() == 4);
  CHECK(counter.nulls() == 4);
}

TEST_CASE("many replies alike, cut anywhere, are counted once each") {
  std::string stream;
  for (int i = 0; i < 100; ++i) {
    stream += "$64\r\n" + std::string(64, 'x') + "\r\n";
  }
  for (const std::size_t piece : {1U, 5U, 70U, 71U, 72U, 500U}) {
    CAPTURE(piece);
    ReplyCounter counter;
    std::size_t replies = 0;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      replies += counter.count(std::string_view(stream).substr(at, piece));
    }
    CHECK(replies == 100);
  }
}

TEST_CASE("what is not RESP is noticed") {
  ReplyCounter counter;
  CHECK(counter.count("+OK\r\nHTTP/1.1 400 Bad Request\r\n") == 1);
  CHECK(counter.failed());
  CHECK(counter.count("+OK\r\n") == 0);
}

TEST_CASE("a long error is kept in part") {
  ReplyCounter counter;
  CHECK(counter.count("-" + std::string(1000, 'e') + "\r\n") == 1);
  CHECK(counter.first_error().size() == 200);
}

}  // namespace
}  // namespace tiercache::load
