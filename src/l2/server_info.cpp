#include "server_info.hpp"

#include "tiercache/base/hash.hpp"

namespace tiercache::l2 {

std::string_view info_field(std::string_view info, std::string_view name) {
  while (!info.empty()) {
    const std::size_t end = info.find('\n');
    std::string_view line = info.substr(0, end);
    info = end == std::string_view::npos ? std::string_view{} : info.substr(end + 1);
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':') {
      line.remove_prefix(name.size() + 1);
      if (line.ends_with('\r')) {
        line.remove_suffix(1);
      }
      return line;
    }
  }
  return {};
}

std::string flush_calls(std::string_view statistics) {
  std::string calls(info_field(statistics, "cmdstat_config|resetstat"));
  for (const char* command : {"cmdstat_flushall", "cmdstat_flushdb", "cmdstat_swapdb"}) {
    const std::string_view value = info_field(statistics, command);
    calls.append(value.substr(0, value.find(','))).push_back(';');
  }
  return calls;
}

std::uint64_t source_of(std::string_view run_id) {
  if (run_id.empty()) {
    return 0;
  }
  const std::uint64_t hash = KeyHasher(0)(0, run_id);
  return hash == 0 ? 1 : hash;
}

}  // namespace tiercache::l2
