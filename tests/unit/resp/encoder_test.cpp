#include "tiercache/resp/encoder.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace std::string_view_literals;
using namespace tiercache::resp;

namespace {

template <class Append>
std::string written(Append append) {
  std::string out = "x";
  append(out);
  REQUIRE(out.front() == 'x');
  return out.substr(1);
}

}  // namespace

TEST_CASE("frames that are the same in both versions") {
  CHECK(written([](auto& out) { append_simple(out, "OK"); }) == "+OK\r\n");
  CHECK(written([](auto& out) { append_error(out, "ERR no"); }) == "-ERR no\r\n");
  CHECK(written([](auto& out) { append_integer(out, 0); }) == ":0\r\n");
  CHECK(written([](auto& out) { append_integer(out, std::numeric_limits<std::int64_t>::min()); }) ==
        ":-9223372036854775808\r\n");
  CHECK(written([](auto& out) { append_integer(out, std::numeric_limits<std::int64_t>::max()); }) ==
        ":9223372036854775807\r\n");
  CHECK(written([](auto& out) { append_bulk(out, ""); }) == "$0\r\n\r\n");
  CHECK(written([](auto& out) { append_bulk(out, "a\r\n\0"sv); }) == "$4\r\na\r\n\0\r\n"sv);
  CHECK(written([](auto& out) { append_array_header(out, 3); }) == "*3\r\n");
  CHECK(written([](auto& out) {
          append_array_header(out, std::numeric_limits<std::size_t>::max());
        }) == "*18446744073709551615\r\n");
}

TEST_CASE("a line end cannot be smuggled into a line") {
  CHECK(written([](auto& out) { append_error(out, "ERR a\r\n+OK\n"); }) == "-ERR a  +OK \r\n");
  CHECK(written([](auto& out) { append_simple(out, "a\nb"); }) == "+a b\r\n");
}

TEST_CASE("RESP3 types have their stand-in in RESP2") {
  const auto both = [](auto append) {
    return written([&](auto& out) { append(out, Version::resp2); }) + "|" +
           written([&](auto& out) { append(out, Version::resp3); });
  };
  CHECK(both([](auto& out, Version v) { append_null(out, v); }) == "$-1\r\n|_\r\n");
  CHECK(both([](auto& out, Version v) { append_null_array(out, v); }) == "*-1\r\n|_\r\n");
  CHECK(both([](auto& out, Version v) { append_boolean(out, true, v); }) == ":1\r\n|#t\r\n");
  CHECK(both([](auto& out, Version v) { append_boolean(out, false, v); }) == ":0\r\n|#f\r\n");
  CHECK(both([](auto& out, Version v) { append_map_header(out, 4, v); }) == "*8\r\n|%4\r\n");
  CHECK(both([](auto& out, Version v) { append_set_header(out, 4, v); }) == "*4\r\n|~4\r\n");
  CHECK(both([](auto& out, Version v) { append_push_header(out, 3, v); }) == "*3\r\n|>3\r\n");
  CHECK(both([](auto& out, Version v) { append_verbatim(out, "txt", "hi\r\n", v); }) ==
        "$4\r\nhi\r\n\r\n|=8\r\ntxt:hi\r\n\r\n");
  CHECK(both([](auto& out, Version v) { append_double(out, 0.1, v); }) == "$3\r\n0.1\r\n|,0.1\r\n");
}

TEST_CASE("doubles are short and exact") {
  const auto text = [](double value) {
    return written([&](auto& out) { append_double(out, value, Version::resp3); });
  };
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(text(0) == ",0\r\n");
  CHECK(text(-1.5) == ",-1.5\r\n");
  CHECK(text(1e300) == ",1e+300\r\n");
  CHECK(text(-2.2250738585072014e-308) == ",-2.2250738585072014e-308\r\n");
  CHECK(text(infinity) == ",inf\r\n");
  CHECK(text(-infinity) == ",-inf\r\n");
  CHECK(text(std::numeric_limits<double>::quiet_NaN()) == ",nan\r\n");
  CHECK(text(-std::numeric_limits<double>::quiet_NaN()) == ",nan\r\n");
}

TEST_CASE("requests are arrays of bulk strings") {
  CHECK(written([](auto& out) {
          append_request(out, {"SET", "k", ""});
        }) == "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
}
