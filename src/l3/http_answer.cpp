#include "http_answer.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>

namespace tiercache::l3 {

namespace {

constexpr std::time_t kLong = 60;

// Seconds since 1970.
std::optional<std::time_t> read_date(std::string_view text) {
  const std::string whole(text);
  std::tm parts{};
  const char* end = ::strptime(whole.c_str(), "%a, %d %b %Y %H:%M:%S", &parts);
  if (end == nullptr || std::strcmp(end, " GMT") != 0) {
    return std::nullopt;
  }
  return ::timegm(&parts);
}

}  // namespace

bool contains_word(std::string_view text, std::string_view word) {
  const auto found =
      std::search(text.begin(), text.end(), word.begin(), word.end(), [](char one, char other) {
        return (one >= 'A' && one <= 'Z' ? static_cast<char>(one - 'A' + 'a') : one) == other;
      });
  return found != text.end();
}

bool is_long_before(std::string_view last_modified, std::string_view date) {
  const auto modified = read_date(last_modified);
  const auto answered = read_date(date);
  return modified && answered && *answered - *modified >= kLong;
}

}  // namespace tiercache::l3
