// Measures how long a write made directly on Redis stays unseen through each proxy: it makes a key
// hot in L1, writes it directly, and reads it through the proxy until the new state appears. The
// delay is the time from the write's acknowledgement to the first reply that shows it.
//
// One thread of its own, blocking. The times include a round trip and the machine's scheduling.
#pragma once

#include "control.hpp"
#include "due_floors.hpp"
#include "random.hpp"
#include "run_state.hpp"
#include "tally.hpp"

#include "tiercache/stats/histogram.hpp"

#include <memory>
#include <vector>

namespace tiercache::verify {

class Prober {
 public:
  explicit Prober(RunState& run);
  // Until the phase is no longer `writing`.
  void run();
  const stats::Histogram& delays() const noexcept {
    return delays_;
  }
  // The slowest of them: when it was written, and how many reads still showed the older state.
  struct Slowest {
    Nanos delay = 0;
    Nanos written = 0;
    std::uint32_t old_reads = 0;
  };
  const Slowest& slowest() const noexcept {
    return slowest_;
  }
  const Tally& tally() const noexcept {
    return tally_;
  }

 private:
  void probe(Lane lane);
  // The number that the proxy shows; nothing if it does not answer.
  std::optional<Version> look(Lane lane, KeyId key, Version incarnation);
  bool wait_until_seen(Lane lane, KeyId key, Version version, Nanos acknowledged);
  void violated(Check check, Lane lane, KeyId key, Version version, std::string text);

  RunState& run_;
  Random random_;
  Control redis_;
  std::vector<std::unique_ptr<Control>> proxies_{};
  DueFloors due_;
  stats::Histogram delays_{};
  Slowest slowest_{};
  std::uint32_t old_reads_ = 0;
  Tally tally_{};
};

}  // namespace tiercache::verify
