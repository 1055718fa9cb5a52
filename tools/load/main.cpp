#include "options.hpp"
#include "report.hpp"
#include "run.hpp"

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

int main(int argc, char** argv) {
  namespace load = tiercache::load;
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && (arguments[0] == "--help" || arguments[0] == "-h")) {
    std::fputs(load::usage().data(), stdout);
    return 0;
  }
  const auto settings = load::parse_options(arguments);
  if (!settings) {
    std::fprintf(stderr, "tiercache-load: %s\n", settings.error().detail.c_str());
    return 2;
  }
  const auto outcome = load::run(settings.value());
  if (!outcome) {
    std::fprintf(stderr, "tiercache-load: %s\n", outcome.error().detail.c_str());
    return 2;
  }
  const load::Tally& tally = *outcome.value().tally;
  const double seconds = outcome.value().seconds;
  const bool json = settings.value().output == load::Output::json;
  std::fputs((json ? load::to_json(tally, seconds) : load::to_text(tally, seconds)).c_str(),
             stdout);
  return tally.good() ? 0 : 1;
}
