// What a stale reply is preceded by for a client that has asked for it (CACHE MARK ON): an
// attribute of RESP3, "tiercache.stale" with the number of values in it that are stale, and
// "tiercache.stale_because". Pure.
#pragma once

#include "tiercache/command/command.hpp"
#include "tiercache/resp/encoder.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace tiercache::proxy {

struct Staleness {
  bool failed = false;  // one at least since loading it anew has failed; else it goes on meanwhile
  std::uint32_t values = 0;
};

// Empty: nothing is stale.
std::string stale_mark(const Staleness& stale);

// What CACHE MARK asks for. `error` is empty if it can be done.
struct MarkWish {
  bool on = false;
  std::string_view error{};
};
bool is_mark(command::Args args);
// REQUIRES: is_mark(args).
MarkWish read_mark(command::Args args, resp::Version version);

}  // namespace tiercache::proxy
