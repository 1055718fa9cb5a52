#include "hot_list.hpp"

#include "tiercache/base/hash.hpp"

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace tiercache::warmup {

namespace {

constexpr std::string_view kTitle = "tiercache hot keys 1";
// Any number will do, as long as it stays the same.
constexpr std::uint64_t kSeed = 0;

Error damaged(std::string_view how) {
  return {ErrorCode::invalid, std::string("it is damaged: ").append(how)};
}

std::string title_of(std::string_view records, std::size_t count) {
  char sum[16];
  const auto [end, error] = std::to_chars(sum, sum + sizeof sum, KeyHasher(kSeed)(0, records), 16);
  return std::string(kTitle)
      .append(" ")
      .append(std::to_string(count))
      .append(" ")
      .append(sum, end)
      .append("\n");
}

// A number and what stands behind it, which goes too.
std::optional<std::size_t> take_number(std::string_view& text, char behind) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto size = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || size == text.size() || *end != behind) {
    return std::nullopt;
  }
  text.remove_prefix(size + 1);
  return number;
}

}  // namespace

std::string encode_hot(std::span<const std::string> keys) {
  std::string records;
  for (const std::string& key : keys) {
    records.append(std::to_string(key.size())).append(" ").append(key).append("\n");
  }
  return title_of(records, keys.size()) + records;
}

Result<std::vector<std::string>> decode_hot(std::string_view text) {
  if (!text.starts_with(kTitle)) {
    return damaged("it does not begin as a file of hot keys does");
  }
  const auto end = text.find('\n');
  if (end == text.npos) {
    return damaged("its first line has no end");
  }
  const std::string_view title = text.substr(0, end + 1);
  text.remove_prefix(end + 1);
  const std::string_view records = text;
  std::vector<std::string> keys;
  while (!text.empty()) {
    const auto size = take_number(text, ' ');
    if (!size || *size >= text.size() || text[*size] != '\n') {
      return damaged("it ends within a key, or has something between keys");
    }
    keys.emplace_back(text.substr(0, *size));
    text.remove_prefix(*size + 1);
  }
  if (title != title_of(records, keys.size())) {
    return damaged("the checksum or the number of keys is another");
  }
  return keys;
}

std::vector<std::string> merge_hot(std::vector<std::string> now,
                                   std::span<const std::string> before, std::size_t most,
                                   std::size_t most_bytes) {
  std::size_t bytes = 0;
  std::size_t fit = 0;
  while (fit < std::min(now.size(), most) && bytes + now[fit].size() <= most_bytes) {
    bytes += now[fit++].size();
  }
  now.resize(fit);
  const std::unordered_set<std::string> known(now.begin(), now.end());
  for (const std::string& key : before) {
    if (now.size() == most || bytes + key.size() > most_bytes) {
      break;
    }
    if (!known.contains(key)) {
      bytes += key.size();
      now.push_back(key);
    }
  }
  return now;
}

}  // namespace tiercache::warmup
