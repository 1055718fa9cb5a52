#include "options.hpp"
#include "run.hpp"

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace {

bool write_file(const std::string& path, const std::string& text) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) {
    return false;
  }
  const bool whole = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && whole;
}

}  // namespace

int main(int argc, char** argv) {
  namespace verify = tiercache::verify;
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    std::fputs(verify::usage().data(), stdout);
    return arguments.empty() ? 2 : 0;
  }
  auto settings = verify::parse_options(arguments);
  if (!settings) {
    std::fprintf(stderr, "tiercache-verify: %s\n", settings.error().detail.c_str());
    return 2;
  }
  const bool json = settings->json;
  const std::string file = settings->report_file;
  const auto report = verify::run(*settings);
  if (!report) {
    std::fprintf(stderr, "tiercache-verify: %s\n", report.error().detail.c_str());
    return 2;
  }
  const verify::Report& found = report.value();
  std::fputs((json ? verify::to_json(found) : verify::to_text(found)).c_str(), stdout);
  if (!file.empty() && !write_file(file, verify::to_json(found))) {
    std::fprintf(stderr, "tiercache-verify: cannot write %s\n", file.c_str());
    return 2;
  }
  return found.total_violations() == 0 && found.trouble.empty() ? 0 : 1;
}
