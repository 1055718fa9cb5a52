// Runs the load: fills if asked to, connects, starts the threads at once, sums what they counted.
#pragma once

#include "options.hpp"
#include "report.hpp"

#include <memory>

namespace tiercache::load {

struct Outcome {
  std::unique_ptr<Tally> tally;  // a histogram is neither copied nor moved
  double seconds = 0;
};

// An error: it could not run, or the fill did not succeed wholly. Blocks until all is done.
Result<Outcome> run(const Settings& settings);

}  // namespace tiercache::load
