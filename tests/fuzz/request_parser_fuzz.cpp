// Any bytes as what a client sends: no crash, and
// - the same requests and the same verdict however the bytes are cut and wherever they lie;
// - nothing beyond the limits is accepted, nothing outside the input is claimed;
// - what would be relayed is a canonical request with the same arguments.
// The first byte of the input chooses how the rest is cut, the limits and the peer.
#include "tiercache/base/check.hpp"
#include "tiercache/resp/request_parser.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace tiercache::resp;

struct Seen {
  std::vector<std::string> args;
  std::string raw;
  RequestForm form;
  bool operator==(const Seen&) const = default;
};

struct Outcome {
  std::vector<Seen> requests;
  ParseStatus last = ParseStatus::incomplete;
  std::string error;
  bool operator==(const Outcome&) const = default;
};

void check_relay(const Request& request) {
  std::string relayed;
  append_relay(relayed, request);
  RequestParser parser;
  TC_CHECK(parser.parse(relayed) == ParseStatus::complete);
  TC_CHECK(parser.consumed() == relayed.size());
  TC_CHECK(parser.request().form == RequestForm::canonical);
  TC_CHECK(std::ranges::equal(parser.request().args, request.args));
}

void check_request(const Request& request, std::string_view input, const RequestLimits& limits) {
  TC_CHECK(request.raw.data() == input.data());
  TC_CHECK(!request.raw.empty() && request.raw.size() <= input.size());
  TC_CHECK(request.raw.size() <= limits.max_request);
  TC_CHECK(request.args.size() <= limits.max_args);
  TC_CHECK((request.raw.front() != '*') == (request.form == RequestForm::inline_line));
  std::size_t bytes = 0;
  for (const std::string_view arg : request.args) {
    bytes += arg.size();
    TC_CHECK(request.form == RequestForm::inline_line || arg.size() <= limits.max_bulk);
  }
  TC_CHECK(bytes < request.raw.size());
  if (!request.args.empty()) {
    check_relay(request);
  }
}

// `step` more bytes arrive at a time. Every call gets them in a new block of exactly their size, so
// that the sanitizer sees a read beyond the end and a pointer kept from the call before.
Outcome parse(std::string_view stream, std::size_t step, const RequestLimits& limits, Peer peer) {
  RequestParser parser(limits);
  parser.set_peer(peer);
  Outcome outcome;
  std::size_t begin = 0;
  std::size_t arrived = std::min(step, stream.size());
  while (true) {
    const std::size_t size = arrived - begin;
    const auto block = std::make_unique<char[]>(size);
    stream.copy(block.get(), size, begin);
    const std::string_view input(block.get(), size);
    outcome.last = parser.parse(input);
    if (outcome.last == ParseStatus::complete) {
      const Request& request = parser.request();
      check_request(request, input, limits);
      TC_CHECK(parser.consumed() == request.raw.size());
      outcome.requests.push_back(
          {{request.args.begin(), request.args.end()}, std::string(request.raw), request.form});
      begin += parser.consumed();
      continue;
    }
    TC_CHECK(parser.consumed() == 0);
    if (outcome.last == ParseStatus::error) {
      outcome.error = parser.error();
      TC_CHECK(!outcome.error.empty());
      TC_CHECK(outcome.error.find_first_of("\r\n") == std::string::npos);
      TC_CHECK(parser.parse(input) == ParseStatus::error);
      return outcome;
    }
    TC_CHECK(size <= limits.max_request + limits.max_inline);
    TC_CHECK(parser.wanted() >= 1);
    TC_CHECK(parser.wanted() <= std::max<std::size_t>(65536, size));
    if (arrived == stream.size()) {
      return outcome;
    }
    arrived = std::min(arrived + step, stream.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::uint8_t choice = data[0];
  RequestLimits limits;
  if ((choice & 1) != 0) {
    limits = {.max_args = 20, .max_bulk = 100, .max_request = 200, .max_inline = 40};
  }
  const Peer peer = (choice & 2) != 0 ? Peer::unauthenticated : Peer::trusted;
  const std::size_t step = 1u + (choice >> 2u);

  const Outcome whole = parse(stream, stream.size(), limits, peer);
  TC_CHECK(parse(stream, step, limits, peer) == whole);
  return 0;
}
