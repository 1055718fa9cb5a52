// What the log shows of a finding, and what it does not.
#include "finding.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tiercache;
using namespace tiercache::observe;
using coherence::Transition;

namespace {

constexpr Time kNow{1h};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a finding names the key, both values by size and digest, and the transitions") {
  Finding finding;
  finding.db = 3;
  finding.key = "user:1";
  finding.command = "get";
  finding.question = "GETRANGE 0 6";
  finding.memory = describe("secret");
  finding.redis = describe(l2::Reply{.kind = l2::Reply::Kind::text, .text = "changed"});
  finding.seq = 41;
  finding.generation = 2;
  finding.left = 1500ms;
  finding.transitions = {{1, kNow - 20ms, 40, 7, 2, Transition::begun},
                         {1, kNow - 19ms, 40, 7, 2, Transition::committed},
                         {1, Time{}, 40, 8, 2, Transition::event}};
  const std::string text = text_of(finding, kNow);
  CAPTURE(text);
  CHECK(has(text, "db 3 key \"user:1\" get"));
  CHECK(has(text, "memory says 6 bytes (digest "));
  CHECK(has(text, "Redis said 7 bytes (digest "));
  CHECK(has(text, "of ping 41, generation 2"));
  CHECK(has(text, "begun 20 ms ago (ping 40, epoch 7, generation 2), committed 19 ms ago"));
  CHECK(has(text, "event (ping 40, epoch 8"));
  CHECK_FALSE(has(text, "secret"));
  CHECK_FALSE(has(text, "changed"));
}

TEST_CASE("equal values have equal digests, others do not") {
  CHECK(describe("a") == describe("a"));
  CHECK(describe("a") != describe("b"));
}

TEST_CASE("a key cannot break the log") {
  Finding finding;
  const std::string key = "a\r\n\x80\"\\" + std::string(1000, 'x');
  finding.key = key;
  const std::string text = text_of(finding, kNow);
  CHECK(has(text, "\"a\\x0d\\x0a\\x80\\x22\\x5cxxx"));
  CHECK(has(text, "... (1006 bytes)\""));
  CHECK(text.size() < 1000);
  CHECK(has(text, "Transitions: none recorded"));
}
