// What a run is: its settings, and how its keys are dealt out: which numbers have which shape and
// which writer. Constant after construction.
#pragma once

#include "book.hpp"
#include "expiry.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tiercache::verify {

struct Endpoint {
  std::string host{"127.0.0.1"};
  std::uint16_t port = 0;
};

enum class Faults : std::uint8_t { none, expected };
// idle: next to nobody but the prober, who measures how late direct writes are seen.
enum class Load : std::uint8_t { full, idle };
enum class Until : std::uint8_t { time, violation };

struct Settings {
  std::vector<Endpoint> proxies{};
  Endpoint redis{};
  int seconds = 10;
  std::int64_t max_staleness_ms = -1;  // -1: as the proxy says, else 1000
  std::int64_t clock_slack_ms = 5;
  std::int64_t reply_timeout_ms = 5000;
  unsigned threads = 2;
  std::uint32_t keys = 10000;
  std::uint64_t seed = 1;
  std::uint32_t write_rate = 400;  // writes a second of each writer
  Faults faults = Faults::none;
  Until until = Until::time;
  Load load = Load::full;
  std::string report_file{};
  bool json = false;
};

struct Range {
  KeyId first = 0;
  std::uint32_t count = 0;
  bool has(KeyId key) const noexcept {
    return key - first < count;
  }
  KeyId end() const noexcept {
    return first + count;
  }
};

inline constexpr unsigned kWritersPerLane = 2;

struct Plan {
  explicit Plan(const Settings& settings);

  unsigned lanes() const noexcept {
    return proxies + 1;
  }
  Lane direct_lane() const noexcept {
    return static_cast<Lane>(proxies);
  }
  unsigned writers() const noexcept {
    return lanes() * kWritersPerLane;
  }
  Lane lane_of_writer(unsigned writer) const noexcept {
    return static_cast<Lane>(writer % lanes());
  }
  // The first member of the group that a key of `pairs` or `octets` belongs to, and its size.
  Range group_of(KeyId key) const noexcept;

  unsigned proxies;
  Range strings{};   // the hot key, the first, and the zipf tail
  Range pairs{};     // groups of two, always written together
  Range octets{};    // groups of eight
  Range counters{};  // INCR by everybody
  Range expiring{};
  Range toggles{};  // mostly absent, created and deleted
  Range collections{};
  Range watched{};
  Range probes{};  // one a proxy, for the staleness prober
  std::vector<KeyInfo> keys{};
};

}  // namespace tiercache::verify
