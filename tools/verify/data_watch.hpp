// Notices when Redis loses data (a restart, FLUSHALL, SWAPDB): a mark of this run is gone or the
// run_id is another. Then every key starts again under a new name, and what was suspected of being
// a violation meanwhile proves nothing. What the proxies held of the old names must be gone with
// the data: these are read again once max_staleness has passed, and whatever differs is read once
// more after as long (a write under way may have revived it) before it counts.
//
// Owned by the run, used on its thread.
#pragma once

#include "comparison.hpp"
#include "control.hpp"
#include "run_state.hpp"

#include <deque>
#include <string>
#include <vector>

namespace tiercache::verify {

class DataWatch {
 public:
  explicit DataWatch(RunState& run) : run_(run), redis_(run.settings.redis, 1000) {
  }
  // Sets the first mark. False if Redis does not answer.
  bool begin();
  // Asks once; confirms or drops what is suspected.
  void check();
  const Tally& tally() const noexcept {
    return tally_;
  }
  std::uint32_t losses() const noexcept {
    return losses_;
  }

 private:
  enum class Data : std::uint8_t { kept, lost, unknown };
  Data look();
  bool set_mark();
  std::string run_id();
  void remember_names();
  void look_for_leftovers(Nanos now);

  RunState& run_;
  Control redis_;
  std::string mark_name_{};
  std::string mark_{};
  std::string run_id_{};
  std::uint32_t losses_ = 0;
  struct Look {
    Nanos due;
    int number;
    std::vector<OldName> names;
  };
  std::deque<Look> looks_{};
  Tally tally_{};
};

}  // namespace tiercache::verify
