#include "tiercache/invalidation/notice.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache::invalidation;
using Kind = Notice::Kind;
using Scope = Notice::Scope;

namespace {

std::string value_of(std::string value) {
  const std::string json = to_json({Kind::event, Scope::key, {}, std::move(value)});
  const auto begin = json.find("\"value");
  return json.substr(begin, json.find(",\"db\"") - begin);
}

}  // namespace

TEST_CASE("the JSON of each kind and scope") {
  CHECK(to_json({Kind::command, Scope::key, {}, "user:7", 2, true, 5, 1000}) ==
        R"({"id":5,"at":1000,"kind":"command","scope":"key","value":"user:7","db":2,"soft":true})");
  CHECK(to_json({Kind::event, Scope::key, {}, "k", {}, false, 6, 1001}) ==
        R"({"id":6,"at":1001,"kind":"event","scope":"key","value":"k","db":null,"soft":false})");
  CHECK(
      to_json({Kind::notify, Scope::space, {}, "docs", 0, false, 7, 1002}) ==
      R"({"id":7,"at":1002,"kind":"notify","scope":"namespace","value":"docs","db":0,"soft":false})");
  CHECK(
      to_json({Kind::command, Scope::tag, "id", "7", 0, false, 8, 1003}) ==
      R"({"id":8,"at":1003,"kind":"command","scope":"tag","name":"id","value":"7","db":0,"soft":false})");
  CHECK(to_json({Kind::command, Scope::prefix, {}, "", 0, false, 9, 1004})
            .find(R"("scope":"prefix","value":"")") != std::string::npos);
  CHECK(to_json({Kind::event, Scope::all, {}, {}, {}, false, 9, 1004}) ==
        R"({"id":9,"at":1004,"kind":"event","scope":"all","db":null,"soft":false})");
  CHECK(to_json({Kind::lost, Scope::all, {}, {}, {}, false, 10, 1005, 3}) ==
        R"({"id":10,"at":1005,"kind":"lost","scope":"all","lost":3})");
}

TEST_CASE("several are an array") {
  CHECK(to_json(std::vector<Notice>()) == "[]");
  const Notice one{Kind::lost, Scope::all, {}, {}, {}, false, 1, 2, 3};
  CHECK(to_json(std::vector<Notice>{one, one}) == "[" + to_json(one) + "," + to_json(one) + "]");
}

TEST_CASE("text stands as it is, other bytes in base64") {
  CHECK(value_of("a\"b\\\n") == R"("value":"a\"b\\\n")");
  CHECK(value_of("\xc3\xa9") == "\"value\":\"\xc3\xa9\"");
  CHECK(value_of(std::string("a\0b", 3)) == R"("value":"a\u0000b")");
  CHECK(value_of("\xff") == R"("value_base64":"/w==")");
  CHECK(value_of("\xff\xfe") == R"("value_base64":"//4=")");
  CHECK(value_of("k\xc3\x28") == R"("value_base64":"a8Mo")");
  CHECK(value_of("\xff=any:\x01") == R"("value_base64":"/z1hbnk6AQ==")");
}
