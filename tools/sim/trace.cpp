#include "trace.hpp"

#include "command_line.hpp"
#include "load/random.hpp"
#include "load/zipf.hpp"

#include <array>
#include <fstream>
#include <string_view>

namespace tiercache::sim {

namespace {

constexpr std::string_view kZipf = "zipf:";
constexpr std::uint64_t kMostKeys = std::uint64_t{1} << 32;
constexpr std::uint64_t kMostRequests = 1'000'000'000;

Result<std::vector<std::uint32_t>> draw(std::string_view what) {
  const auto theta = tools::to_real(tools::take_until(what, ':'));
  const auto keys = tools::to_number(tools::take_until(what, ':'), 1, kMostKeys);
  const auto requests = tools::to_number(what, 0, kMostRequests);
  if (!theta || !(*theta > 0 && *theta < 100) || !keys || !requests) {
    return Error{ErrorCode::invalid, "expected zipf:THETA:KEYS:REQUESTS, THETA above 0"};
  }
  const load::Zipf zipf(*theta, *keys);
  load::Random random(1);
  std::vector<std::uint32_t> trace(*requests);
  for (std::uint32_t& key : trace) {
    key = static_cast<std::uint32_t>(zipf.draw(random));
  }
  return trace;
}

}  // namespace

Result<std::vector<std::uint32_t>> read_trace(const std::string& name) {
  if (name.starts_with(kZipf)) {
    return draw(std::string_view(name).substr(kZipf.size()));
  }
  std::ifstream file(name, std::ios::binary);
  std::vector<std::uint32_t> trace;
  std::array<unsigned char, 1 << 16> chunk;
  while (file) {
    file.read(reinterpret_cast<char*>(chunk.data()), chunk.size());
    const auto size = static_cast<std::size_t>(file.gcount());
    if (size % 4 != 0) {
      return Error{ErrorCode::invalid, name + ": its size is no multiple of four bytes"};
    }
    for (std::size_t i = 0; i < size; i += 4) {
      trace.push_back(chunk[i] | std::uint32_t{chunk[i + 1]} << 8 |
                      std::uint32_t{chunk[i + 2]} << 16 | std::uint32_t{chunk[i + 3]} << 24);
    }
  }
  if (!file.eof()) {
    return Error{ErrorCode::invalid, name + ": cannot be read"};
  }
  return trace;
}

}  // namespace tiercache::sim
