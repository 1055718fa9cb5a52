#include "tiercache/coherence/trace.hpp"

namespace tiercache::coherence {

const char* name(Transition what) noexcept {
  switch (what) {
    case Transition::begun:
      return "begun";
    case Transition::committed:
      return "committed";
    case Transition::refused:
      return "refused";
    case Transition::lost:
      return "lost";
    case Transition::fenced:
      return "fenced";
    case Transition::event:
      return "event";
    case Transition::write_sent:
      return "write_sent";
    case Transition::write_answered:
      return "write_answered";
    case Transition::blocking_write:
      return "blocking_write";
    case Transition::passed_read:
      return "passed_read";
  }
  return "unknown";
}

}  // namespace tiercache::coherence
