#include "tiercache/warmup/bar.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace tiercache::warmup {

namespace {

constexpr std::uint64_t kWidth = 20;

// 100 only when it is all.
std::uint64_t percent(const Extent& extent) {
  if (extent.done >= extent.total) {
    return 100;
  }
  const bool fits = extent.done <= std::numeric_limits<std::uint64_t>::max() / 100;
  const std::uint64_t share =
      fits ? extent.done * 100 / extent.total : extent.done / (extent.total / 100);
  return std::min<std::uint64_t>(share, 99);
}

// The two largest units.
std::string span(double seconds) {
  constexpr double kMost = 99 * 86'400.0;
  if (seconds > kMost) {
    return ">99d";
  }
  const auto whole = static_cast<std::uint64_t>(std::ceil(seconds));
  const std::uint64_t minutes = whole / 60;
  const std::uint64_t hours = minutes / 60;
  return hours >= 24   ? fmt::format("{}d{:02}h", hours / 24, hours % 24)
         : hours > 0   ? fmt::format("{}h{:02}m", hours, minutes % 60)
         : minutes > 0 ? fmt::format("{}m{:02}s", minutes, whole % 60)
                       : fmt::format("{}s", whole);
}

}  // namespace

std::string bar(Extent extent, std::chrono::milliseconds took, Goes goes) {
  const double rate = took.count() > 0 ? static_cast<double>(extent.done) * 1000.0 /
                                             static_cast<double>(took.count())
                                       : 0;
  if (extent.total == 0) {
    return fmt::format("{} {:.0f}/s", extent.done, rate);
  }
  extent.total = std::max(extent.total, extent.done);
  const std::uint64_t share = percent(extent);
  const std::uint64_t full = share * kWidth / 100;
  std::string text = fmt::format("[{:#<{}}{:.<{}}] {}% {}/{} {:.0f}/s", "", full, "", kWidth - full,
                                 share, extent.done, extent.total, rate);
  if (goes == Goes::on && extent.done < extent.total && rate > 0) {
    text += " " + span(static_cast<double>(extent.total - extent.done) / rate);
  }
  return text;
}

Extent extent_of(std::uint64_t looked, std::uint64_t size, std::uint64_t fitted,
                 std::uint64_t limit) noexcept {
  if (size == 0) {
    return {fitted, limit};
  }
  if (limit == 0) {
    return {looked, size};
  }
  // Exact as far as a double is; both are estimates anyway.
  const double of_all = static_cast<double>(looked) / static_cast<double>(size);
  const double of_limit = static_cast<double>(fitted) / static_cast<double>(limit);
  return of_limit >= of_all ? Extent{fitted, limit} : Extent{looked, size};
}

}  // namespace tiercache::warmup
