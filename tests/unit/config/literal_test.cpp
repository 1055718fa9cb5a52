#include "literal.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace tiercache::config;

TEST_CASE("sizes are bytes or a number with a binary unit of any case") {
  CHECK(parse_size("0") == 0);
  CHECK(parse_size("512") == 512);
  CHECK(parse_size("512b") == 512);
  CHECK(parse_size("64kb") == 65536);
  CHECK(parse_size("64KiB") == 65536);
  CHECK(parse_size("256mb") == 268435456);
  CHECK(parse_size("256MIB") == 268435456);
  CHECK(parse_size("1gb") == 1073741824);
  CHECK(parse_size("2tib") == 2199023255552);
  CHECK(parse_size("8388607tb") == 8388607 * (std::int64_t{1} << 40));
}

TEST_CASE("other texts are no sizes") {
  for (const char* text : {"", "mb", "-1", "-1mb", "+1", "1.5gb", "1 mb", " 1", "1mb ", "1k", "1m",
                           "0x10", "1_000", "1pb", "8388608tb", "99999999999999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_size(text));
  }
}

TEST_CASE("a size is printed with the largest unit that divides it") {
  CHECK(size_text(0) == "0");
  CHECK(size_text(1023) == "1023");
  CHECK(size_text(1024) == "1kb");
  CHECK(size_text(1536) == "1536");
  CHECK(size_text(3 * 512 * 1024) == "1536kb");
  CHECK(size_text(std::int64_t{1} << 40) == "1tb");
}

TEST_CASE("quoting escapes what TOML does not take, and cuts between characters") {
  CHECK(quoted("a\"b\\c\n\x7f") == R"("a\"b\\c\u000A\u007F")");
  CHECK(quoted_briefly(std::string(40, 'x')) == '"' + std::string(40, 'x') + '"');
  CHECK(quoted_briefly(std::string(39, 'x') + "\xc3\xa4y") == '"' + std::string(39, 'x') + "\"...");
}

TEST_CASE("a value's text is read as its key's kind suggests") {
  const auto read = [](const char* name, const char* text) {
    const Key& key = *find_key(name);
    const auto value = to_value(key, literal_of(key, text));
    return value ? text_of(key, value.value()) : "error: " + value.error().detail;
  };
  CHECK(read("listen.port", "7000") == "7000");
  CHECK(read("listen.port", " 7_000 ") == "7000");
  CHECK(read("l1.enabled", "false") == "false");
  CHECK(read("l1.max_memory", "1048576") == "1mb");
  CHECK(read("l1.max_memory", "1mb") == "1mb");
  CHECK(read("l1.max_memory", "\"1mb\"") == "1mb");
  CHECK(read("listen.unix_socket_mode", "700") == "700");
  CHECK(read("listen.unix_socket_mode", "'007'") == "007");
  CHECK(read("coherence.mode", "session") == "session");
  CHECK(read("upstream.address", "unix:/a") == "unix:/a");
  // A password of digits stays text, quotes inside it stay quotes.
  CHECK(read("upstream.password", "12345") == "12345");
  CHECK(read("upstream.password", "true") == "true");
  CHECK(read("upstream.password", "a\"b#c") == "a\"b#c");
  CHECK(read("upstream.password", "\"a\\\"b\"") == "a\"b");
  CHECK(read("upstream.password", "'") == "'");
  CHECK(read("upstream.password", "") == "");
  CHECK(read("commands.deny", "FLUSHALL, FLUSHDB") == "FLUSHALL FLUSHDB");
  CHECK(read("commands.deny", "[\"FLUSHALL\"]") == "FLUSHALL");
  CHECK(read("commands.deny", "") == "");
  // Not a second key by way of a line break.
  CHECK(read("listen.port", "1\nx = 2") ==
        R"(error: expected an integer from 0 to 65535, got "1\u000Ax = 2")");
}
