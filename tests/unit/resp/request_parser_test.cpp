#include "tiercache/resp/request_parser.hpp"

#include "tiercache/resp/plain_get.hpp"

#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace std::string_literals;
using namespace std::string_view_literals;
using tiercache::resp::append_relay;
using tiercache::resp::ParseStatus;
using tiercache::resp::Peer;
using tiercache::resp::plain_get;
using tiercache::resp::PlainGet;
using tiercache::resp::Request;
using tiercache::resp::RequestForm;
using tiercache::resp::RequestLimits;
using tiercache::resp::RequestParser;

namespace {

using Words = std::vector<std::string>;

struct Parsed {
  Words args;
  std::string raw;
  RequestForm form;
  bool operator==(const Parsed&) const = default;
};

struct Outcome {
  std::vector<Parsed> requests;
  ParseStatus last = ParseStatus::incomplete;
  std::string error;
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  for (const Parsed& request : outcome.requests) {
    out << '[';
    for (const std::string& arg : request.args) {
      out << arg << '|';
    }
    out << ' ' << static_cast<int>(request.form) << ' ' << request.raw << "] ";
  }
  return out << static_cast<int>(outcome.last) << ' ' << outcome.error;
}

// Parses all of the stream, of which `step` more bytes arrive at a time (the first piece has
// `first`). Each call gets the bytes at a new address, in a block of exactly their size.
Outcome parse_in_pieces(std::string_view stream, std::size_t first, std::size_t step,
                        RequestLimits limits = {}, Peer peer = Peer::trusted) {
  RequestParser parser(limits);
  parser.set_peer(peer);
  Outcome outcome;
  std::size_t begin = 0;
  std::size_t arrived = std::min(first, stream.size());
  while (true) {
    const std::size_t size = arrived - begin;
    const auto block = std::make_unique<char[]>(size);
    stream.copy(block.get(), size, begin);
    outcome.last = parser.parse(std::string_view(block.get(), size));
    if (outcome.last == ParseStatus::complete) {
      const Request& request = parser.request();
      CHECK(parser.consumed() == request.raw.size());
      CHECK(parser.consumed() > 0);
      outcome.requests.push_back({Words(request.args.begin(), request.args.end()),
                                  std::string(request.raw), request.form});
      begin += parser.consumed();
      continue;
    }
    CHECK(parser.consumed() == 0);
    if (outcome.last == ParseStatus::error) {
      outcome.error = parser.error();
      return outcome;
    }
    CHECK(parser.wanted() >= 1);
    if (arrived == stream.size()) {
      return outcome;
    }
    arrived = std::min(arrived + step, stream.size());
  }
}

Outcome parse_all(std::string_view stream, RequestLimits limits = {}, Peer peer = Peer::trusted) {
  return parse_in_pieces(stream, stream.size(), 1, limits, peer);
}

std::string error_of(std::string_view stream, RequestLimits limits = {}) {
  const Outcome outcome = parse_all(stream, limits);
  CHECK(outcome.last == ParseStatus::error);
  return outcome.error;
}

std::string repeat(std::string_view unit, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) {
    out += unit;
  }
  return out;
}

const std::vector<std::string> kStreams = {
    "*1\r\n$4\r\nPING\r\n",
    "*2\r\n$3\r\nGET\r\n$16\r\n0123456789abcdef\r\n*1\r\n$4\r\nPING\r\n",
    "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\n\r\n\r\n\r\n",
    "*17\r\n$4\r\nMGET\r\n" + repeat("$1\r\nk\r\n", 16) + "PING\r\n",
    "\r\n*0\r\n*-1\r\n\nPING\r\n  \r\n",
    "PING\nECHO \"a\\x41\\n\" 'it\\'s'\r\n*1\r\n$4\r\nPING\r\n",
    "*1\rX$4\rYPINGZZ*1\r\n$4\r\nPING\r\n",
    "*2\r\n$3\r\nGET\r\n$16\r\nnot all of it",
    "*2\r\n$3\r\nGET\r\nx",
    "*2\r\n$3\r\nGET\r\nx1\r\n",
    "*1\r\n$4\r\nPING\r\n*x\r\n",
    "*1\r\n$-1\r\n",
    "ECHO \"open\r\n",
    "*1\r\n$4\0\r\nPING\r\n"s,
};

}  // namespace

TEST_CASE("pipelined arrays come out one by one") {
  const Outcome outcome = parse_all("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n*1\r\n");
  REQUIRE(outcome.requests.size() == 2);
  CHECK(outcome.requests[0].args == Words{"GET", "k"});
  CHECK(outcome.requests[0].raw == "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
  CHECK(outcome.requests[0].form == RequestForm::canonical);
  CHECK(outcome.requests[1].args == Words{"PING"});
  CHECK(outcome.last == ParseStatus::incomplete);
}

TEST_CASE("arguments are binary safe and may be empty") {
  const Outcome outcome = parse_all("*3\r\n$0\r\n\r\n$5\r\n\0\r\n*$\r\n$2\r\n\r\n\r\n"sv);
  REQUIRE(outcome.requests.size() == 1);
  CHECK(outcome.requests[0].args == Words{"", "\0\r\n*$"s, "\r\n"});
}

TEST_CASE("arguments are views into the input") {
  const std::string input = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
  RequestParser parser;
  REQUIRE(parser.parse(input) == ParseStatus::complete);
  CHECK(parser.request().args[1].data() == input.data() + 17);
  CHECK(parser.request().raw.data() == input.data());
}

TEST_CASE("every split point gives the same requests") {
  for (const std::string& stream : kStreams) {
    CAPTURE(stream);
    const Outcome whole = parse_all(stream);
    for (std::size_t first = 0; first <= stream.size(); ++first) {
      CHECK(parse_in_pieces(stream, first, stream.size()) == whole);
    }
    for (std::size_t step = 1; step <= 7; ++step) {
      CHECK(parse_in_pieces(stream, step, step) == whole);
    }
  }
}

TEST_CASE("a request of many and large arguments survives single bytes") {
  const std::string value(70'000, 'v');
  const std::string stream = "*2002\r\n" + repeat("$1\r\nk\r\n", 2000) + "$70000\r\n" + value +
                             "\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n";
  const Outcome whole = parse_all(stream);
  REQUIRE(whole.requests.size() == 2);
  CHECK(whole.requests[0].args.size() == 2002);
  CHECK(whole.requests[0].args[2000] == value);

  RequestParser parser;
  for (std::size_t size = 0; size < whole.requests[0].raw.size(); ++size) {
    REQUIRE(parser.parse(std::string_view(stream).substr(0, size)) == ParseStatus::incomplete);
  }
  REQUIRE(parser.parse(stream) == ParseStatus::complete);
  CHECK(parser.request().raw == whole.requests[0].raw);
}

TEST_CASE("empty requests are complete without arguments") {
  for (const std::string_view stream : {"\r\n", "\n", " \t\r\n", "*0\r\n", "*-1\r\n", "*-5\r\n"}) {
    CAPTURE(stream);
    const Outcome outcome = parse_all(stream);
    REQUIRE(outcome.requests.size() == 1);
    CHECK(outcome.requests[0].args.empty());
    CHECK(outcome.requests[0].raw == stream);
  }
}

TEST_CASE("errors are the server's, word for word") {
  struct Case {
    std::string_view stream;
    std::string_view error;
  };
  const std::string_view multibulk = "Protocol error: invalid multibulk length";
  const std::string_view bulk = "Protocol error: invalid bulk length";
  const Case cases[] = {
      {"*x\r\n", multibulk},
      {"*\r\n", multibulk},
      {"*01\r\n", multibulk},
      {"*+1\r\n", multibulk},
      {"*-0\r\n", multibulk},
      {"*1 \r\n", multibulk},
      {"*2147483648\r\n", multibulk},
      {"*9223372036854775808\r\n", multibulk},
      {"*-9223372036854775809\r\n", multibulk},
      {"*99999999999999999999999\r\n", multibulk},
      {"*1\r\n$-1\r\n", bulk},
      {"*1\r\n$\r\n", bulk},
      {"*1\r\n$01\r\n", bulk},
      {"*1\r\n$4x\r\n", bulk},
      {"*1\r\n$536870913\r\n", bulk},
      {"*1\r\n$18446744073709551616\r\n", bulk},
      {"*1\rX$4XXPING\r\n", bulk},
      {"*1\r\nx4\r\n", "Protocol error: expected '$', got 'x'"},
      {"*1\r\n\r\n", "Protocol error: expected '$', got ' '"},
      {"*1\r\n\n\r\n", "Protocol error: expected '$', got ' '"},
      {"*1\r\n\xff\r\n", "Protocol error: expected '$', got '\xff'"},
      {"*2\r\n$3\r\nGETX\r\n$1\r\nk\r\n", "Protocol error: expected '$', got ' '"},
      {"ECHO \"a\n", "Protocol error: unbalanced quotes in request"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.stream);
    CHECK(error_of(c.stream) == c.error);
  }
}

TEST_CASE("a header is judged only when its line is there") {
  for (const std::string_view stream : {"*1\r\nx", "*x", "*x\r", "*1\r\n$x\r", "PING\r"}) {
    CAPTURE(stream);
    CHECK(parse_all(stream).last == ParseStatus::incomplete);
  }
}

TEST_CASE("lines are bounded, at the server's limit") {
  const std::string ones(65536, '1');
  CHECK(error_of("*" + ones) == "Protocol error: too big mbulk count string");
  CHECK(parse_all("*" + ones.substr(1)).last == ParseStatus::incomplete);
  CHECK(error_of("*1\r\n$" + ones) == "Protocol error: too big bulk count string");
  CHECK(parse_all("*1\r\n$" + ones.substr(1)).last == ParseStatus::incomplete);
  CHECK(error_of(ones + "1") == "Protocol error: too big inline request");
  CHECK(error_of(ones + "1\n") == "Protocol error: too big inline request");
  CHECK(parse_all(ones).last == ParseStatus::incomplete);
  CHECK(parse_all(ones + "\n").requests.size() == 1);
}

TEST_CASE("a NUL hides the rest of its line, as the server has it") {
  CHECK(parse_all("ECHO a\0b\r\nPING\r\n"sv).last == ParseStatus::incomplete);
  CHECK(parse_all("*1\0\r\n$4\r\nPING\r\n"sv).last == ParseStatus::incomplete);
  CHECK(parse_all("*1\r\n\0\r\n"sv).last == ParseStatus::incomplete);
  CHECK(error_of("ECHO a\0b\r\n"s + std::string(65536, 'x')) ==
        "Protocol error: too big inline request");
}

TEST_CASE("limits of our own") {
  RequestLimits limits;
  limits.max_args = 2;
  limits.max_bulk = 10;
  limits.max_request = 40;
  const std::string_view fits = "*2\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n";
  REQUIRE(fits.size() == 38);
  CHECK(parse_all(fits, limits).last == ParseStatus::incomplete);
  CHECK(parse_all(fits, limits).requests.size() == 1);
  CHECK(error_of("*3\r\n", limits) == "Protocol error: invalid multibulk length");
  CHECK(error_of("a b c\r\n", limits) == "Protocol error: invalid multibulk length");
  CHECK(error_of("*2\r\n$11\r\n", limits) == "Protocol error: invalid bulk length");
  CHECK(error_of(std::string(39, ' ') + "\r\n", limits) == "Protocol error: too big request");
  CHECK(error_of("*3\r\n" + repeat("$1\r\nk\r\n", 3), limits) ==
        "Protocol error: invalid multibulk length");
  CHECK(error_of("*1\r\n$11\r\n0123456789a\r\n", limits) == "Protocol error: invalid bulk length");
  limits.max_request = 37;
  for (const std::size_t step : {1u, 5u, 100u}) {
    const Outcome outcome = parse_in_pieces(fits, step, step, limits);
    CHECK(outcome.last == ParseStatus::error);
    CHECK(outcome.error == "Protocol error: too big request");
  }
}

TEST_CASE("an unauthenticated peer may send only small requests") {
  const auto parse = [](std::string_view stream) {
    return parse_all(stream, {}, Peer::unauthenticated);
  };
  CHECK(parse("*11\r\n").error == "Protocol error: unauthenticated multibulk length");
  CHECK(parse("*10\r\n$16385\r\n").error == "Protocol error: unauthenticated bulk length");
  CHECK(parse("*11\r\n" + repeat("$1\r\nk\r\n", 11)).error ==
        "Protocol error: unauthenticated multibulk length");
  CHECK(parse("*1\r\n$16385\r\n" + std::string(16385, 'v') + "\r\n").error ==
        "Protocol error: unauthenticated bulk length");
  CHECK(parse("*10\r\n$16384\r\n").last == ParseStatus::incomplete);
  CHECK(parse("*2147483648\r\n").error == "Protocol error: invalid multibulk length");
  CHECK(parse("*1\r\n$536870913\r\n").error == "Protocol error: invalid bulk length");
  CHECK(parse("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n").requests.size() == 1);

  RequestParser parser;
  parser.set_peer(Peer::unauthenticated);
  parser.set_peer(Peer::trusted);
  CHECK(parser.parse("*11\r\n") == ParseStatus::incomplete);
}

TEST_CASE("after an error the parser stays there") {
  RequestParser parser;
  REQUIRE(parser.parse("*x\r\n") == ParseStatus::error);
  CHECK(parser.parse("*1\r\n$4\r\nPING\r\n") == ParseStatus::error);
  CHECK(parser.parse("") == ParseStatus::error);
}

TEST_CASE("a claimed size does not raise the hint beyond what arrives") {
  RequestParser parser;
  REQUIRE(parser.parse("*1048576\r\n$536870912\r\n") == ParseStatus::incomplete);
  CHECK(parser.wanted() == 65536);
  RequestParser second;
  REQUIRE(second.parse("*2\r\n$3\r\nGET\r\n$100\r\nabc") == ParseStatus::incomplete);
  CHECK(second.wanted() == 99);
  RequestParser third;
  REQUIRE(third.parse("*2\r\n$3\r\nGE") == ParseStatus::incomplete);
  CHECK(third.wanted() == 9);
  const std::string half = "*1\r\n$1000000\r\n" + std::string(200'000, 'v');
  RequestParser fourth;
  REQUIRE(fourth.parse(half) == ParseStatus::incomplete);
  CHECK(fourth.wanted() == half.size());
}

TEST_CASE("what is relayed is canonical") {
  struct Case {
    std::string_view stream;
    RequestForm form;
    std::string_view relayed;
  };
  const std::string_view ping = "*1\r\n$4\r\nPING\r\n";
  const Case cases[] = {
      {ping, RequestForm::canonical, ping},
      {"*1\rX$4\r\nPING\r\n", RequestForm::sloppy, ping},
      {"*1\r\n$4\rXPING\r\n", RequestForm::sloppy, ping},
      {"*1\r\n$4\r\nPINGXX", RequestForm::sloppy, ping},
      {"*1\r\n$4\r\nPING\rX", RequestForm::sloppy, ping},
      {"PING\n", RequestForm::inline_line, ping},
      {"set k \"\\r\\n\"\r\n", RequestForm::inline_line,
       "*3\r\n$3\r\nset\r\n$1\r\nk\r\n$2\r\n\r\n\r\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.stream);
    RequestParser parser;
    REQUIRE(parser.parse(c.stream) == ParseStatus::complete);
    CHECK(parser.request().form == c.form);
    std::string out = "before";
    append_relay(out, parser.request());
    CHECK(out == "before" + std::string(c.relayed));
  }
}

// Whatever is in the way of a plain GET: what is said of it at a glance is what parse() says.
TEST_CASE("a plain GET is recognised only where parsing finds the same") {
  const auto get_of = [](const std::string& word, const std::string& key) {
    return "*2\r\n$3\r\n" + word + "\r\n$" + std::to_string(key.size()) + "\r\n" + key + "\r\n";
  };
  std::size_t recognised = 0;
  const auto check = [&](const std::string& input, const RequestLimits& limits = {}) {
    RequestParser parser(limits);
    const PlainGet plain = plain_get(input);
    if (plain.size == 0 || !parser.may_glance()) {
      return;
    }
    ++recognised;
    CAPTURE(input);
    REQUIRE(parser.parse(input) == ParseStatus::complete);
    CHECK(parser.consumed() == plain.size);
    REQUIRE(parser.request().args.size() == 2);
    std::string word(parser.request().args[0]);
    std::ranges::transform(word, word.begin(), [](char c) { return c >= 'a' ? c - 32 : c; });
    CHECK(word == "GET");
    CHECK(parser.request().args[1] == plain.key);
    CHECK(parser.request().args[1].data() == plain.key.data());
    CHECK(parser.request().form == RequestForm::canonical);
  };
  const auto recognises = [&](const std::string& input, const RequestLimits& limits = {}) {
    const std::size_t before = recognised;
    check(input, limits);
    return recognised > before;
  };
  for (const std::size_t size : {0U, 1U, 9U, 10U, 16U, 99U, 100U, 999U}) {
    CAPTURE(size);
    const std::string key(size, 'k');
    CHECK(recognises(get_of("GET", key)));
    CHECK(recognises(get_of("gEt", key) + "*2\r\n"));
    for (std::size_t cut = 0; cut < get_of("GET", key).size(); ++cut) {
      // Exactly as long: what is read beyond it would be found.
      const auto part = std::make_unique<char[]>(cut);
      std::ranges::copy(get_of("GET", key).substr(0, cut), part.get());
      CHECK(plain_get({part.get(), cut}).size == 0);
    }
  }
  CHECK_FALSE(recognises(get_of("GET", std::string(1000, 'k'))));
  for (const std::string& key : {""s, "k"s, "key:000000000"s, std::string(150, 'k')}) {
    const std::string whole = get_of("GET", key) + get_of("GET", "next");
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string changed = whole;
        changed[at] = static_cast<char>(byte);
        check(changed);
      }
    }
  }
  RequestLimits narrow;
  narrow.max_bulk = 100;
  CHECK_FALSE(recognises(get_of("GET", std::string(101, 'k')), narrow));
  narrow = {};
  narrow.max_request = 64;
  CHECK_FALSE(recognises(get_of("GET", std::string(60, 'k')), narrow));
  // Not for a stranger, and not while an earlier request is incomplete.
  RequestParser parser;
  const std::string whole = get_of("GET", "key");
  CHECK(parser.parse(std::string_view(whole).substr(0, 15)) == ParseStatus::incomplete);
  CHECK_FALSE(parser.may_glance());
  CHECK(parser.parse(whole) == ParseStatus::complete);
  CHECK(parser.may_glance());
  parser.set_peer(Peer::unauthenticated);
  CHECK_FALSE(parser.may_glance());
}

TEST_CASE("a sloppy request does not taint the next one") {
  const Outcome outcome = parse_all("*1\r\n$4\r\nPINGXX*17\r\n" + repeat("$1\r\nk\r\n", 17));
  REQUIRE(outcome.requests.size() == 2);
  CHECK(outcome.requests[0].form == RequestForm::sloppy);
  CHECK(outcome.requests[1].form == RequestForm::canonical);
}
