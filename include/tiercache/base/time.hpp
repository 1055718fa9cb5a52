// Time as the pure rooms see it: a steady point handed in by the shell, never asked for.
#pragma once

#include <chrono>

namespace tiercache {

using Duration = std::chrono::nanoseconds;
using Time = std::chrono::time_point<std::chrono::steady_clock, Duration>;

inline constexpr Time kNever = Time::max();

}  // namespace tiercache
