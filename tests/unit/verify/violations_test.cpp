#include "verify/violations.hpp"

#include <doctest/doctest.h>

namespace tiercache::verify {
namespace {

Violation at(Nanos time, Check check = Check::monotonic, Version incarnation = 0) {
  Violation violation;
  violation.check = check;
  violation.key = 3;
  violation.incarnation = incarnation;
  violation.at = time;
  violation.who = "proxy1.reader";
  return violation;
}

TraceLine line(Nanos replied, KeyId key = 3) {
  TraceLine l;
  l.step.sent = replied - 10;
  l.step.replied = replied;
  l.step.key = key;
  l.step.version = 5;
  l.step.kind = OpKind::get;
  l.who = "proxy1.reader";
  return l;
}

}  // namespace

TEST_CASE("a violation counts at once when no faults are expected") {
  Violations violations(Violations::Mode::certain);
  violations.report(at(100));
  violations.report(at(200, Check::torn));
  CHECK(violations.count(Check::monotonic) == 1);
  CHECK(violations.count(Check::torn) == 1);
  CHECK(violations.total() == 2);
  CHECK(violations.examples().size() == 2);
}

TEST_CASE("a suspicion is confirmed when Redis has kept its data past it") {
  const Book book(std::vector<KeyInfo>(4));
  Violations violations(Violations::Mode::suspect_first);
  violations.report(at(100));
  violations.report(at(300));
  CHECK(violations.total() == 0);
  violations.confirm_before(200, book);
  CHECK(violations.total() == 1);
  violations.confirm_before(400, book);
  CHECK(violations.total() == 2);
}

TEST_CASE("a suspicion is dropped when Redis has lost its data") {
  Book book(std::vector<KeyInfo>(4));
  Violations violations(Violations::Mode::suspect_first);
  violations.report(at(100));
  violations.drop_pending();
  violations.confirm_before(1000, book);
  CHECK(violations.total() == 0);
  CHECK(violations.dropped() == 1);
  // A late one, of the name that the key had before the loss.
  book.renew(3);
  violations.report(at(1100));
  violations.report(at(1200, Check::monotonic, 1));
  violations.confirm_before(2000, book);
  CHECK(violations.total() == 1);
  CHECK(violations.dropped() == 2);
}

TEST_CASE("the first violations of each check get a trace, in time order, of their own key") {
  Violations violations(Violations::Mode::certain);
  violations.report(at(100));
  REQUIRE(violations.wanted() == 1);
  CHECK(violations.wanted_key(0) == 3);
  violations.give_trace(0, {line(90), line(50)});
  violations.give_trace(0, {line(70), line(100)});
  const auto examples = violations.examples();
  REQUIRE(examples.size() == 1);
  REQUIRE(examples[0].trace.size() == 4);
  CHECK(examples[0].trace[0].step.replied == 50);
  CHECK(examples[0].trace[3].step.replied == 100);
  for (int i = 0; i < 100; ++i) {
    violations.report(at(200 + i));
  }
  CHECK(violations.wanted() == Violations::kMaxTraced);
  CHECK(violations.count(Check::monotonic) == 101);
}

TEST_CASE("a trace is cut to the last steps before the violation and a few after") {
  std::vector<TraceLine> lines;
  for (Nanos time = 1; time <= 100; ++time) {
    lines.push_back(line(time));
  }
  arrange(lines, 60, 20);
  REQUIRE(lines.size() == 23);
  CHECK(lines.front().step.replied == 41);
  CHECK(lines.back().step.replied == 63);
}

TEST_CASE("what a batch repeats is one line of a trace") {
  std::vector<TraceLine> lines{line(50), line(60), line(50), line(50)};
  lines.push_back(line(50));
  lines.back().who = "proxy2.reader";
  arrange(lines, 60, 20);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].times == 3);
  CHECK(lines[1].who == "proxy2.reader");
  CHECK(lines[2].times == 1);
  CHECK(to_text(lines[0], 0).find("3 times") != std::string::npos);
}

TEST_CASE("a session's ring gives the steps of one key") {
  Trace trace;
  for (Nanos time = 1; time <= 5000; ++time) {
    trace.record(line(time, static_cast<KeyId>(time % 2)).step);
  }
  std::vector<TraceLine> lines;
  trace.collect(1, "me", lines);
  CHECK(lines.size() == Trace::kDepth / 2);
  CHECK(lines[0].who == "me");
}

TEST_CASE("a step says who did what, and what came of it") {
  TraceLine l = line(2000);
  CHECK(to_text(l, 0).find("saw 5") != std::string::npos);
  CHECK(to_text(l, 0).find("proxy1.reader") != std::string::npos);
  CHECK(to_text(l, 0).find("GET") != std::string::npos);
  l.step.result = Step::Result::written;
  CHECK(to_text(l, 0).find("wrote 5") != std::string::npos);
}

}  // namespace tiercache::verify
