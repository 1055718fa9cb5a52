// How far something is, for people: "[#########...........] 45% 450000/1000000 120000/s 5s" are the
// share, how much of how much, the rate so far and the time that the rest takes at that rate. Where
// it is not known how much there is: "450000 120000/s". Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tiercache::warmup {

struct Extent {
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // 0: not known. May be an estimate: less than `done` counts as as much
};

// Of what took so long so far. No time left is shown where it has ended, or before anything is
// done.
enum class Goes : std::uint8_t { on, no_further };
std::string bar(Extent extent, std::chrono::milliseconds took, Goes goes = Goes::on);

// Of a run that has looked at so many keys of which so many fitted its pattern, where there are
// `size` to look at (0: not known, then what fitted counts) and no more than `limit` are wanted
// (0: all): whichever ends it first.
Extent extent_of(std::uint64_t looked, std::uint64_t size, std::uint64_t fitted,
                 std::uint64_t limit) noexcept;

}  // namespace tiercache::warmup
