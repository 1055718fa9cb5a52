#include "tiercache/proxy/slow_log.hpp"

#include <algorithm>
#include <charconv>

namespace tiercache::proxy {

namespace {

// The number of a header line "*3\r\n" or "$3\r\n", which is taken off; -1 if there is none whole.
std::int64_t take_header(std::string_view& text, char type) {
  const std::size_t end = text.find("\r\n");
  std::int64_t number = -1;
  if (text.empty() || text[0] != type || end == text.npos) {
    return -1;
  }
  const auto [stop, error] = std::from_chars(text.data() + 1, text.data() + end, number);
  if (error != std::errc() || stop != text.data() + end) {
    return -1;
  }
  text.remove_prefix(end + 2);
  return number;
}

std::string missing(std::int64_t count, std::string_view what) {
  return "... (" + std::to_string(count) + " more " + std::string(what) + ")";
}

std::vector<std::string> inline_words(std::string_view head, bool cut) {
  std::vector<std::string> words;
  while (true) {
    head.remove_prefix(std::min(head.find_first_not_of(" \r\n"), head.size()));
    if (head.empty()) {
      break;
    }
    const std::size_t end = std::min(head.find_first_of(" \r\n"), head.size());
    words.emplace_back(head.substr(0, end));
    head.remove_prefix(end);
  }
  if (cut) {
    words.emplace_back("...");
  }
  return words;
}

}  // namespace

std::vector<std::string> words_of_head(std::string_view head, std::size_t whole) {
  std::string_view rest = head;
  const std::int64_t count = take_header(rest, '*');
  if (count < 0) {
    return inline_words(head, head.size() < whole);
  }
  std::vector<std::string> words;
  while (static_cast<std::int64_t>(words.size()) < count) {
    const std::int64_t size = take_header(rest, '$');
    if (size < 0 || (size > 0 && rest.empty())) {
      words.push_back(missing(count - static_cast<std::int64_t>(words.size()), "arguments"));
      return words;
    }
    const auto bytes = static_cast<std::size_t>(size);
    const std::size_t shown = std::min(bytes, rest.size());
    words.emplace_back(rest.substr(0, shown));
    if (shown < bytes) {
      words.back() += missing(static_cast<std::int64_t>(bytes - shown), "bytes");
    }
    rest.remove_prefix(std::min(bytes + 2, rest.size()));
  }
  return words;
}

}  // namespace tiercache::proxy
