// A whole run: asks the proxies, deals out the sessions, lets them work, compares what is left, and
// reports. Blocks for the settings' seconds, max_staleness and a second more.
#pragma once

#include "report.hpp"

#include "tiercache/base/result.hpp"

namespace tiercache::verify {

// An error if Redis or a proxy does not answer at the start.
Result<Report> run(Settings settings);

}  // namespace tiercache::verify
