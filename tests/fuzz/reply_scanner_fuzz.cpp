// Any bytes as what a server sends: no crash, and
// - the same frames and the same verdict however the bytes are cut;
// - with generous limits, those that a plain recursive parser finds;
// - a frame is consumed in full pieces, and never beyond the input.
// The first byte of the input chooses how the rest is cut, and the limits.
#include "../unit/resp/reference_reply.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/resp/reply_scanner.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace {

using namespace tiercache::resp;

constexpr std::size_t kDepth = 64;

struct Frame {
  std::size_t end;
  char first_byte;
  FrameKind kind;
  bool operator==(const Frame&) const = default;
};

struct Outcome {
  std::vector<Frame> frames;
  ParseStatus last = ParseStatus::incomplete;
  bool operator==(const Outcome&) const = default;
};

// Each piece lies in a block of exactly its size.
Outcome scan(std::string_view stream, std::size_t step, const ScanLimits& limits) {
  ReplyScanner scanner(limits);
  Outcome outcome;
  for (std::size_t begin = 0; begin < stream.size();) {
    const std::size_t size = std::min(step, stream.size() - begin);
    const auto block = std::make_unique<char[]>(size);
    stream.copy(block.get(), size, begin);
    for (std::string_view piece(block.get(), size); !piece.empty();) {
      const auto [status, consumed] = scanner.scan(piece);
      outcome.last = status;
      TC_CHECK(consumed <= piece.size());
      if (status == ParseStatus::error) {
        TC_CHECK(!scanner.error().empty());
        TC_CHECK(scanner.scan(piece).status == ParseStatus::error);
        return outcome;
      }
      TC_CHECK(consumed > 0);
      TC_CHECK(scanner.mid_frame() == (status == ParseStatus::incomplete));
      piece.remove_prefix(consumed);
      begin += consumed;
      if (status == ParseStatus::incomplete) {
        TC_CHECK(piece.empty());
      } else {
        outcome.frames.push_back({begin, scanner.first_byte(), scanner.kind()});
      }
    }
  }
  return outcome;
}

Outcome reference_scan(std::string_view stream) {
  Outcome outcome;
  for (std::size_t begin = 0; begin < stream.size();) {
    const auto found = reference::scan(stream.substr(begin), kDepth);
    if (found.verdict != reference::Verdict::complete) {
      outcome.last =
          found.verdict == reference::Verdict::error ? ParseStatus::error : ParseStatus::incomplete;
      return outcome;
    }
    begin += found.end;
    outcome.last = ParseStatus::complete;
    outcome.frames.push_back(
        {begin, found.first_byte, found.first_byte == '>' ? FrameKind::push : FrameKind::reply});
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::uint8_t choice = data[0];
  ScanLimits limits;
  limits.max_depth = kDepth;
  const bool tight = (choice & 1) != 0;
  if (tight) {
    limits = {.max_depth = 3, .max_elements = 20, .max_bulk = 30, .max_line = 10};
  }
  const Outcome whole = scan(stream, std::max<std::size_t>(stream.size(), 1), limits);
  TC_CHECK(scan(stream, 1u + (choice >> 1u), limits) == whole);
  if (!tight) {
    TC_CHECK(reference_scan(stream) == whole);
  }
  return 0;
}
