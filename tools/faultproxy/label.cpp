#include "label.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace tiercache::faultproxy {
namespace {

// The number of a line that begins with `mark`; moves `at` behind the line.
std::optional<std::size_t> number(std::string_view bytes, std::size_t& at, char mark) {
  const std::size_t end = bytes.find("\r\n", at);
  if (at >= bytes.size() || bytes[at] != mark || end == std::string_view::npos) {
    return std::nullopt;
  }
  std::size_t value = 0;
  const auto [stop, error] = std::from_chars(bytes.data() + at + 1, bytes.data() + end, value);
  if (error != std::errc{} || stop != bytes.data() + end) {
    return std::nullopt;
  }
  at = end + 2;
  return value;
}

// The first two words of a command, in capitals; moves `at` behind it. Nothing until it is whole.
std::optional<std::array<std::string, 2>> command(std::string_view bytes, std::size_t& at) {
  std::size_t pos = at;
  const auto count = number(bytes, pos, '*');
  if (!count) {
    return std::nullopt;
  }
  std::array<std::string, 2> words;
  for (std::size_t i = 0; i < *count; i++) {
    const auto size = number(bytes, pos, '$');
    if (!size || *size > bytes.size() || bytes.size() - pos < *size + 2) {
      return std::nullopt;
    }
    if (i < words.size()) {
      words[i] = bytes.substr(pos, *size);
      std::ranges::transform(words[i], words[i].begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
      });
    }
    pos += *size + 2;
  }
  at = pos;
  return words;
}

bool is_greeting(const std::array<std::string, 2>& words) {
  return words[0] == "AUTH" || words[0] == "HELLO" || words[0] == "SELECT" ||
         (words[0] == "INFO" && words[1] == "SERVER");
}

Label label_of(const std::array<std::string, 2>& words) {
  if (words[0] == "PSUBSCRIBE" || words[0] == "SUBSCRIBE" ||
      (words[0] == "CLIENT" && (words[1] == "ID" || words[1] == "TRACKING"))) {
    return Label::event;
  }
  if (words[0] == "INFO" || words[0] == "CONFIG") {
    return Label::control;
  }
  return Label::data;
}

}  // namespace

std::string_view name_of(Label label) {
  switch (label) {
    case Label::unknown:
      return "unknown";
    case Label::event:
      return "event";
    case Label::control:
      return "control";
    case Label::data:
      break;
  }
  return "data";
}

void Labeller::feed(std::string_view bytes) {
  if (decided_ || bytes.empty()) {
    return;
  }
  head_.append(bytes.substr(0, kMaxHead - head_.size()));
  label_ = Label::data;
  look();
  if (decided_ || head_.size() == kMaxHead || (at_ < head_.size() && head_[at_] != '*')) {
    decided_ = true;
    head_ = {};
  }
}

void Labeller::look() {
  while (const auto words = command(head_, at_)) {
    if (!is_greeting(*words)) {
      label_ = label_of(*words);
      decided_ = true;
      return;
    }
  }
}

}  // namespace tiercache::faultproxy
