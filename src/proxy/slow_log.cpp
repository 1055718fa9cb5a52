#include "tiercache/proxy/slow_log.hpp"

#include "tiercache/base/words.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

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

void redact(std::vector<std::string>& words) {
  constexpr std::string_view kSecret[] = {"auth", "hello", "acl", "config", "migrate"};
  const bool secret = !words.empty() && std::ranges::any_of(kSecret, [&](std::string_view name) {
    return is_word(words[0], name);
  });
  if (secret && words.size() > 1) {
    words.resize(1);
    words.emplace_back("(redacted)");
  }
}

}  // namespace

void SlowEntry::set_head(std::string_view text) noexcept {
  head_size = static_cast<std::uint8_t>(std::min(kSlowHead, text.size()));
  std::memcpy(head.data(), text.data(), head_size);
}

SlowEntry* SlowLog::add(std::size_t max_len) {
  SlowEntry entry;
  while (!entries_.empty() && entries_.size() >= max_len) {
    entry = std::move(entries_.front());
    entries_.pop_front();
  }
  return max_len == 0 ? nullptr : &entries_.emplace_back(std::move(entry));
}

std::vector<std::string> words_of(const SlowEntry& entry) {
  const std::string_view head(entry.head.data(), entry.head_size);
  if (entry.hits > 0) {
    // Which of them it was that took long is not known.
    std::vector<std::string> words;
    if (!head.empty()) {
      words.emplace_back(head);
    }
    words.push_back("... (" + std::to_string(entry.hits) + " answers from memory at a time)");
    return words;
  }
  std::vector<std::string> words = words_of_head(head, entry.size);
  redact(words);
  return words;
}

}  // namespace tiercache::proxy
