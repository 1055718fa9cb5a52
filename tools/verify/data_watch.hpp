// Notices when Redis loses data (a restart, FLUSHALL, SWAPDB): a mark of this run is gone or the
// run_id is another. Then every key starts again under a new name, and what was suspected of being
// a violation meanwhile proves nothing.
//
// Owned by the run, used on its thread.
#pragma once

#include "control.hpp"
#include "run_state.hpp"

#include <string>

namespace tiercache::verify {

class DataWatch {
 public:
  explicit DataWatch(RunState& run) : run_(run), redis_(run.settings.redis, 1000) {
  }
  // Sets the first mark. False if Redis does not answer.
  bool begin();
  // Asks once; confirms or drops what is suspected.
  void check();
  std::uint32_t losses() const noexcept {
    return losses_;
  }

 private:
  enum class Data : std::uint8_t { kept, lost, unknown };
  Data look();
  bool set_mark();
  std::string run_id();

  RunState& run_;
  Control redis_;
  std::string mark_name_{};
  std::string mark_{};
  std::string run_id_{};
  std::uint32_t losses_ = 0;
};

}  // namespace tiercache::verify
