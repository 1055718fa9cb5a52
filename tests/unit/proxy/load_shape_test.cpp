#include "load_shape.hpp"

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy;

namespace {

std::string reply(std::vector<std::string_view> args, std::string_view value) {
  std::string frame;
  frame.append("$").append(std::to_string(value.size())).append("\r\n");
  frame.append(value).append("\r\n");
  return shaped(frame, shape_of(args));
}

}  // namespace

TEST_CASE("what reads of a string say of a value that was loaded") {
  CHECK(reply({"GET", "k"}, "value") == "$5\r\nvalue\r\n");
  CHECK(reply({"strlen", "k"}, "value") == ":5\r\n");
  CHECK(reply({"Strlen", "k"}, "") == ":0\r\n");
  CHECK(reply({"EXISTS", "k"}, "") == ":1\r\n");
  for (const std::string_view command : {"get", "strlen", "exists", "getrange", "substr"}) {
    CHECK(loads_value(command));
  }
  for (const std::string_view command : {"getbit", "bitcount", "type", "hget", "mget"}) {
    CHECK_FALSE(loads_value(command));
  }
}

TEST_CASE("which replies are those to a missing string") {
  struct Case {
    const char* command;
    const char* reply;
    bool lacks;  // where PTTL has shown the key
    bool lacks_if_gone;
  };
  for (const Case& one :
       {Case{"get", "$-1\r\n", true, true}, Case{"get", "_\r\n", true, true},
        Case{"get", "$0\r\n\r\n", false, false}, Case{"exists", ":0\r\n", true, true},
        Case{"exists", ":1\r\n", false, false}, Case{"strlen", ":0\r\n", false, true},
        Case{"strlen", ":1\r\n", false, false}, Case{"getrange", "$0\r\n\r\n", false, true},
        Case{"substr", "$0\r\n\r\n", false, true}, Case{"substr", "$1\r\na\r\n", false, false}}) {
    CAPTURE(one.command);
    CAPTURE(one.reply);
    CHECK(lacks_value(one.command, one.reply, false) == one.lacks);
    CHECK(lacks_value(one.command, one.reply, true) == one.lacks_if_gone);
    CHECK((one.lacks == one.lacks_if_gone || same_if_empty(one.command)));
  }
}

TEST_CASE("parts are counted as Redis counts them") {
  struct Case {
    const char* first;
    const char* last;
    const char* part;
  };
  for (const Case& one :
       {Case{"0", "-1", "value"}, Case{"1", "3", "alu"}, Case{"-3", "-1", "lue"},
        Case{"0", "100", "value"}, Case{"-100", "1", "va"}, Case{"3", "1", ""},
        Case{"-1", "-3", ""}, Case{"5", "9", ""}, Case{"4", "4", "e"}, Case{"-100", "-90", "v"},
        Case{"0", "-100", "v"}, Case{"-9223372036854775808", "9223372036854775807", "value"}}) {
    CAPTURE(one.first);
    CAPTURE(one.last);
    const std::string part = one.part;
    const std::string expected = "$" + std::to_string(part.size()) + "\r\n" + part + "\r\n";
    CHECK(reply({"GETRANGE", "k", one.first, one.last}, "value") == expected);
    CHECK(reply({"substr", "k", one.first, one.last}, "value") == expected);
  }
  CHECK(reply({"GETRANGE", "k", "0", "-1"}, "") == "$0\r\n\r\n");
}
