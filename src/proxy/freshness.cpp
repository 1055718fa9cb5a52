#include "tiercache/proxy/freshness.hpp"

#include <cmath>

namespace tiercache::proxy {

Freshness freshness_of(const config::Namespace& space) noexcept {
  return {space.stale_while_revalidate, space.stale_if_error, space.refresh_ahead_percent};
}

Aged aged(const Freshness& how, std::int64_t pttl_ms, Duration load_time,
          std::uint64_t random) noexcept {
  if (pttl_ms < 0) {
    return {Age::fresh, pttl_ms};
  }
  const std::int64_t window = how.window().count();
  const std::int64_t left = pttl_ms - window;
  if (window > 0 && left <= 0) {
    return {-left < how.while_revalidate.count() ? Age::stale : Age::old, 0};
  }
  if (how.ahead_percent == 0) {
    return {Age::fresh, left};
  }
  const double uniform = (static_cast<double>(random >> 11U) + 1) * 0x1p-53;  // in (0, 1]
  const double mean_ms =
      std::chrono::duration<double, std::milli>(load_time).count() * how.ahead_percent / 100;
  const double ahead_ms = mean_ms * -std::log(uniform);
  if (ahead_ms >= static_cast<double>(left)) {
    return {Age::early, left};
  }
  return {Age::fresh, left - static_cast<std::int64_t>(ahead_ms)};
}

}  // namespace tiercache::proxy
