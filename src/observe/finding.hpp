// What the log says of a stale entry. Pure.
//
// Values are not shown, since logs travel: their sizes and digests are. Keys are, because nothing
// can be done without; bytes that are not printable are escaped, long ones cut off.
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/coherence/trace.hpp"
#include "tiercache/l2/reply.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::observe {

struct Finding {
  std::uint32_t db = 0;
  std::string_view key;
  std::string_view command;   // of the entry
  std::string_view question;  // what was asked
  std::string memory;         // described
  std::string redis;          // described
  std::uint64_t seq = 0;      // the entry's PING
  bool fenced = false;
  std::uint64_t generation = 0;
  Duration left{};  // for which it would have lived on
  std::vector<coherence::TraceRecord> transitions;
};

std::string describe(std::string_view bytes);
std::string describe(std::int64_t number);
std::string describe(const l2::Reply& reply);

std::string text_of(const Finding& finding, Time now);

}  // namespace tiercache::observe
