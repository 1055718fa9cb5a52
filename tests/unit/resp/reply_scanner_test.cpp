#include "tiercache/resp/reply_scanner.hpp"

#include "reference_reply.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace std::string_literals;
using namespace std::string_view_literals;
using tiercache::resp::FrameKind;
using tiercache::resp::ParseStatus;
using tiercache::resp::ReplyScanner;
using tiercache::resp::ScanLimits;
using tiercache::resp::reference::Verdict;

namespace {

struct Frame {
  std::size_t end;  // offset in the stream
  char first_byte;
  FrameKind kind;
  bool operator==(const Frame&) const = default;
};

struct Outcome {
  std::vector<Frame> frames;
  ParseStatus last = ParseStatus::incomplete;
  bool mid_frame = false;
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  for (const Frame& frame : outcome.frames) {
    out << frame.first_byte << frame.end << ' ';
  }
  return out << static_cast<int>(outcome.last) << outcome.mid_frame;
}

// Scans the stream in pieces, each in a block of exactly its size: first bytes, then step by step.
Outcome scan_in_pieces(std::string_view stream, std::size_t first, std::size_t step,
                       ScanLimits limits = {}) {
  ReplyScanner scanner(limits);
  Outcome outcome;
  std::size_t begin = 0;
  std::size_t end = std::min(first, stream.size());
  while (true) {
    const auto block = std::make_unique<char[]>(end - begin);
    stream.copy(block.get(), end - begin, begin);
    std::string_view piece(block.get(), end - begin);
    while (true) {
      const auto [status, consumed] = scanner.scan(piece);
      REQUIRE(consumed <= piece.size());
      outcome.last = status;
      if (status == ParseStatus::error) {
        CHECK(!scanner.error().empty());
        return outcome;
      }
      begin += consumed;
      piece.remove_prefix(consumed);
      outcome.mid_frame = scanner.mid_frame();
      if (status == ParseStatus::incomplete) {
        CHECK(piece.empty());
        break;
      }
      CHECK_FALSE(scanner.mid_frame());
      outcome.frames.push_back({begin, scanner.first_byte(), scanner.kind()});
    }
    if (end == stream.size()) {
      return outcome;
    }
    end = std::min(end + step, stream.size());
  }
}

Outcome scan_all(std::string_view stream, ScanLimits limits = {}) {
  return scan_in_pieces(stream, stream.size(), 1, limits);
}

bool is_one_frame(std::string_view stream, ScanLimits limits = {}) {
  const Outcome outcome = scan_all(stream, limits);
  return outcome.frames.size() == 1 && outcome.frames[0].end == stream.size();
}

ParseStatus status_of(std::string_view stream, ScanLimits limits = {}) {
  return scan_all(stream, limits).last;
}

std::string repeat(std::string_view unit, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) {
    out += unit;
  }
  return out;
}

const std::vector<std::string> kFrames = {
    "+OK\r\n",
    "+\r\n",
    "+a\rb\nc\r\r\n",
    "-ERR unknown command\r\n",
    "-" + std::string(100, 'e') + "\r\n",
    ":0\r\n",
    ":-9223372036854775808\r\n",
    ":9223372036854775807\r\n",
    ":+1\r\n",
    "$-1\r\n",
    "$0\r\n\r\n",
    "$5\r\nhello\r\n",
    "$4\r\n\r\n\r\n\r\n",
    "$12\r\n*3\r\n$-1\r\n:1x\r\n",
    "*-1\r\n",
    "*0\r\n",
    "*3\r\n$3\r\nfoo\r\n$-1\r\n:7\r\n",
    "*2\r\n*2\r\n+a\r\n*0\r\n*1\r\n*1\r\n*-1\r\n",
    "_\r\n",
    "#t\r\n",
    "#f\r\n",
    ",3.14\r\n",
    ",-inf\r\n",
    ",nan\r\n",
    ",1.5e-10\r\n",
    "(3492890328409238509324850943850943825024385\r\n",
    "(-1\r\n",
    "(\r\n",
    "(12 and what a script\nsays\r\n",
    "!21\r\nSYNTAX invalid syntax\r\n",
    "=15\r\ntxt:Some string\r\n",
    "=4\r\ntxt:\r\n",
    "%0\r\n",
    "%2\r\n+first\r\n:1\r\n$6\r\nsecond\r\n*2\r\n_\r\n,1\r\n",
    "~3\r\n+a\r\n:1\r\n#t\r\n",
    ">3\r\n+message\r\n$1\r\nc\r\n$2\r\nhi\r\n",
    ">2\r\n+invalidate\r\n*1\r\n$3\r\nfoo\r\n",
    "|1\r\n+ttl\r\n:3600\r\n$1\r\nv\r\n",
    "|0\r\n:1\r\n",
    "|1\r\n+a\r\n|1\r\n+b\r\n+c\r\n+d\r\n|1\r\n+e\r\n*0\r\n-ERR x\r\n",
    "|1\r\n+k\r\n+v\r\n>1\r\n+p\r\n",
    "*1\r\n>1\r\n+x\r\n",
    "|1\r\n+k\r\n>1\r\n+x\r\n+r\r\n",
    "*3\r\n:1\r\n:2\r\n|1\r\n+ttl\r\n:3600\r\n:3\r\n",
    "*2\r\n|0\r\n*1\r\n:1\r\n|1\r\n*1\r\n_\r\n_\r\n%1\r\n:1\r\n:2\r\n",
};

const std::vector<std::string> kBroken = {
    "x",
    "\r\n",
    "$-2\r\n",
    "$\r\n",
    "$01\r\n",
    "$+1\r\n",
    "$1x\r\n",
    "$?\r\n",
    "*?\r\n",
    "*-2\r\n",
    "*\r\n",
    "*1 \r\n",
    "%-1\r\n",
    "~-1\r\n",
    ">-1\r\n",
    "|-1\r\n",
    "=-1\r\n",
    "!-1\r\n",
    "$-1x\n",
    "$1\n",
    "$1\r\nabc",
    "$1\r\na\n\n",
    "$1\r\na\rx",
    "$0\r\nxx",
    ":\r\n",
    ":-\r\n",
    ":1a\r\n",
    ":+-1\r\n",
    ":1\n",
    ":1\rx\n",
    "#x\r\n",
    "#\r\n",
    "#tt\r\n",
    "_x\r\n",
    "_\n",
    ",\r\n",
    ",1x\r\n",
    ",1\n",
    ",1\r1\r\n",
    ",\0\r\n"s,
    "=3\r\ntxt\r\n",
    ":9223372036854775808\r\n",
    ":-9223372036854775809\r\n",
    "$9223372036854775808\r\n",
    "$18446744073709551617\r\n",
    "*18446744073709551615\r\n",
    "%9223372036854775807\r\n",
    "*9223372036854775807\r\n",
    "|9223372036854775807\r\n",
    "$9223372036854775807\r\n",
    "*99999999999999999999999999999999999",
    "$01\r\na\r\n",
    "$18446744073709551617\r\na\r\n",
};

}  // namespace

TEST_CASE("every type is one frame") {
  for (const std::string& frame : kFrames) {
    CAPTURE(frame);
    CHECK(is_one_frame(frame));
    CHECK(tiercache::resp::reference::scan(frame, 256).end == frame.size());
  }
}

TEST_CASE("every split point gives the same frames") {
  for (const std::string& frame : kFrames) {
    CAPTURE(frame);
    const std::string stream = frame + "+next\r\n" + frame;
    const Outcome whole = scan_all(stream);
    REQUIRE(whole.frames.size() == 3);
    for (std::size_t first = 0; first <= stream.size(); ++first) {
      CHECK(scan_in_pieces(stream, first, stream.size()) == whole);
    }
    for (std::size_t step = 1; step <= 5; ++step) {
      CHECK(scan_in_pieces(stream, step, step) == whole);
    }
  }
}

TEST_CASE("what is cut off is incomplete, not wrong") {
  for (const std::string& frame : kFrames) {
    for (std::size_t size = 1; size < frame.size(); ++size) {
      CAPTURE(frame);
      CAPTURE(size);
      const Outcome outcome = scan_all(std::string_view(frame).substr(0, size));
      CHECK(outcome.frames.empty());
      CHECK(outcome.last == ParseStatus::incomplete);
      CHECK(outcome.mid_frame);
    }
  }
}

TEST_CASE("broken frames are errors, however they are cut") {
  for (const std::string& stream : kBroken) {
    CAPTURE(stream);
    CHECK(status_of(stream) == ParseStatus::error);
    CHECK(scan_in_pieces(stream, 1, 1).last == ParseStatus::error);
    CHECK(scan_in_pieces("+OK\r\n" + stream, 2, 3).last == ParseStatus::error);
    CHECK(tiercache::resp::reference::scan(stream, 256).verdict == Verdict::error);
  }
}

TEST_CASE("after an error the scanner stays there") {
  ReplyScanner scanner;
  REQUIRE(scanner.scan("$-2\r\n").status == ParseStatus::error);
  CHECK(scanner.scan("+OK\r\n").status == ParseStatus::error);
  CHECK(scanner.scan("").status == ParseStatus::error);
}

TEST_CASE("the first byte and the kind speak of the reply, not of its attributes") {
  ReplyScanner scanner;
  CHECK(scanner.first_byte() == '\0');
  REQUIRE(scanner.scan("|1\r\n+k\r\n").status == ParseStatus::incomplete);
  CHECK(scanner.first_byte() == '\0');
  REQUIRE(scanner.scan(":1\r\n-E").status == ParseStatus::incomplete);
  CHECK(scanner.first_byte() == '-');
  CHECK(scanner.kind() == FrameKind::reply);
  REQUIRE(scanner.scan("RR\r\n").status == ParseStatus::complete);
  CHECK(scanner.first_byte() == '-');
  REQUIRE(scanner.scan(">").status == ParseStatus::incomplete);
  CHECK(scanner.kind() == FrameKind::push);
}

TEST_CASE("an empty input changes nothing") {
  ReplyScanner scanner;
  CHECK(scanner.scan("").status == ParseStatus::incomplete);
  CHECK_FALSE(scanner.mid_frame());
  REQUIRE(scanner.scan("$3\r\nab").status == ParseStatus::incomplete);
  CHECK(scanner.scan("").status == ParseStatus::incomplete);
  CHECK(scanner.mid_frame());
  CHECK(scanner.scan("c\r\n").status == ParseStatus::complete);
}

TEST_CASE("a large bulk string streams through") {
  ReplyScanner scanner;
  const std::string piece(1 << 20, '\r');
  REQUIRE(scanner.scan("*2\r\n$536870912\r\n").status == ParseStatus::incomplete);
  for (int i = 0; i < 512; ++i) {
    const auto [status, consumed] = scanner.scan(piece);
    REQUIRE(status == ParseStatus::incomplete);
    REQUIRE(consumed == piece.size());
  }
  const auto [status, consumed] = scanner.scan("\r\n:1\r\n+next\r\n");
  CHECK(status == ParseStatus::complete);
  CHECK(consumed == 6);
}

TEST_CASE("nesting is bounded") {
  ScanLimits limits;
  limits.max_depth = 3;
  CHECK(is_one_frame("*1\r\n*1\r\n*1\r\n:1\r\n", limits));
  CHECK(is_one_frame("*1\r\n*1\r\n*1\r\n*0\r\n", limits));
  CHECK(status_of("*1\r\n*1\r\n*1\r\n*1\r\n", limits) == ParseStatus::error);
  CHECK(status_of("*1\r\n%1\r\n~1\r\n|1\r\n", limits) == ParseStatus::error);
  CHECK(status_of(repeat("*1\r\n", 65536)) == ParseStatus::incomplete);
  CHECK(status_of(repeat("*1\r\n", 65537)) == ParseStatus::error);
  limits.max_depth = 0;
  CHECK(is_one_frame("*0\r\n", limits));
  CHECK(status_of("*1\r\n", limits) == ParseStatus::error);
}

TEST_CASE("the elements of a frame are bounded together, and anew for each frame") {
  ScanLimits limits;
  limits.max_elements = 6;
  CHECK(is_one_frame("*6\r\n" + repeat(":1\r\n", 6), limits));
  CHECK(status_of("*7\r\n", limits) == ParseStatus::error);
  CHECK(is_one_frame("%3\r\n" + repeat(":1\r\n", 6), limits));
  CHECK(status_of("%4\r\n", limits) == ParseStatus::error);
  CHECK(status_of("*3\r\n*4\r\n", limits) == ParseStatus::error);
  CHECK(status_of("*3\r\n*3\r\n", limits) == ParseStatus::incomplete);
  CHECK(status_of(repeat("|0\r\n", 6), limits) == ParseStatus::incomplete);
  CHECK(status_of(repeat("|0\r\n", 7), limits) == ParseStatus::error);
  CHECK(scan_all(repeat("*4\r\n" + repeat(":1\r\n", 4), 3), limits).frames.size() == 3);
}

TEST_CASE("bulk strings and lines are bounded, however they are cut") {
  ScanLimits limits;
  limits.max_bulk = 5;
  limits.max_line = 6;
  for (const std::string& fits : {"$5\r\nabcde\r\n"s, "!5\r\nabcde\r\n"s, "+abcdef\r\n"s,
                                  "-ab\ncd\r\r\n"s, ",123456\r\n"s, "(12 56!\r\n"s}) {
    for (std::size_t step = 1; step < 16; ++step) {
      CAPTURE(fits);
      CHECK(scan_in_pieces(fits, step, step, limits).frames.size() == 1);
    }
  }
  for (const std::string& over : {"$6\r\n"s, "$6\r\nabcdef\r\n"s, "=6\r\n"s, "+abcdefg\r\n"s,
                                  "+abcdefgh"s, "-a\nb\nc\ndef"s, ",1234567"s, "(12345678"s}) {
    for (std::size_t step = 1; step < 16; ++step) {
      CAPTURE(over);
      CHECK(scan_in_pieces(over, step, step, limits).last == ParseStatus::error);
    }
  }
  CHECK(is_one_frame("+" + std::string(1 << 20, 'm') + "\r\n"));
  CHECK(status_of("+" + std::string((1 << 20) + 2, 'm')) == ParseStatus::error);
}

namespace {

// Streams that are nearly replies: whole frames, nested, some with a byte changed or cut out.
class StreamMaker {
 public:
  explicit StreamMaker(std::uint32_t seed) : random_(seed) {
  }

  std::string make() {
    std::string stream;
    for (std::uint32_t frames = 1 + below(3); frames > 0; --frames) {
      append_value(stream, 0);
    }
    for (std::uint32_t damages = below(3); damages > 0 && !stream.empty(); --damages) {
      const std::size_t at = below(static_cast<std::uint32_t>(stream.size()));
      if (below(2) == 0) {
        stream[at] = "\r\n$*:_|>-019x"[below(13)];
      } else {
        stream.erase(at, 1 + below(3));
      }
    }
    return stream;
  }

 private:
  std::uint32_t below(std::uint32_t bound) {
    return static_cast<std::uint32_t>(random_()) % bound;
  }

  void append_value(std::string& out, int depth) {
    static const std::vector<std::string> kScalars = {"+OK\r\n",         "-ERR\r\n",
                                                      ":12\r\n",         "$-1\r\n",
                                                      "$3\r\nabc\r\n",   "$2\r\n\r\n\r\n",
                                                      "*-1\r\n",         "_\r\n",
                                                      "#t\r\n",          ",1.5\r\n",
                                                      "(12\r\n",         "!2\r\nno\r\n",
                                                      "=5\r\ntxt:x\r\n", "$10\r\n0123456789\r\n"};
    if (depth == 4 || below(2) == 0) {
      out += kScalars[below(static_cast<std::uint32_t>(kScalars.size()))];
      return;
    }
    const char type = "*~%|>"[below(5)];
    const std::uint32_t count = below(4);
    out += type + std::to_string(count) + "\r\n";
    const std::uint32_t values = type == '%' ? count * 2 : type == '|' ? count * 2 + 1 : count;
    for (std::uint32_t i = 0; i < values; ++i) {
      append_value(out, depth + 1);
    }
  }

  std::mt19937 random_;
};

}  // namespace

TEST_CASE("the scanner and a recursive parser agree on good and damaged streams") {
  StreamMaker maker(20'220'307);
  int errors = 0;
  int completes = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::string stream = maker.make();
    CAPTURE(stream);
    Outcome expected;
    std::string_view rest = stream;
    while (true) {
      const auto reference = tiercache::resp::reference::scan(rest, 256);
      if (reference.verdict != Verdict::complete) {
        expected.last =
            reference.verdict == Verdict::error ? ParseStatus::error : ParseStatus::incomplete;
        break;
      }
      rest.remove_prefix(reference.end);
      expected.frames.push_back({stream.size() - rest.size(), reference.first_byte,
                                 reference.first_byte == '>' ? FrameKind::push : FrameKind::reply});
    }
    const std::size_t step = 1 + static_cast<std::size_t>(round) % 9;
    for (const Outcome& actual : {scan_all(stream), scan_in_pieces(stream, step, step)}) {
      REQUIRE(actual.frames == expected.frames);
      REQUIRE(actual.last == expected.last);
    }
    errors += expected.last == ParseStatus::error ? 1 : 0;
    completes += static_cast<int>(expected.frames.size());
  }
  // The generator must not degenerate into one kind of stream.
  CHECK(errors > 1'000);
  CHECK(completes > 10'000);
}
