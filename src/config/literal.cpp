#include "literal.hpp"

#include "suggest.hpp"
#include "text.hpp"
#include "toml_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>

namespace tiercache::config {
namespace {

constexpr std::size_t kBrief = 40;
constexpr std::size_t kMaxPattern = 256;
constexpr std::string_view kNotUtf8 = "it is not valid UTF-8";

struct SizeUnit {
  std::string_view suffix;
  int shift;
};
// The first of each power is the one that is printed. No bare "k": in Redis it means 1000.
constexpr SizeUnit kUnits[] = {{"tb", 40},  {"tib", 40}, {"gb", 30},  {"gib", 30}, {"mb", 20},
                               {"mib", 20}, {"kb", 10},  {"kib", 10}, {"b", 0},    {"", 0}};

bool is_control(char c) noexcept {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

// What commands, prefixes of keys and addresses are made of; nothing that would need escaping
// anywhere. A host's name may be as long.
constexpr std::string_view kWordMarks = "-_.|:/@#{}[]";
constexpr std::size_t kLongestWord = 255;

bool is_word_char(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         kWordMarks.find(c) != kWordMarks.npos;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    }
  }
  return result;
}

std::string mode_text(std::int64_t mode) {
  char buffer[24];
  std::snprintf(buffer, sizeof buffer, "%03o", static_cast<unsigned>(mode));
  return buffer;
}

std::optional<std::int64_t> parse_mode(std::string_view text) {
  std::int64_t mode = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (status != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return mode;
}

std::vector<std::string> split_words(std::string_view text) {
  constexpr std::string_view kSeparators = " \t,";
  std::vector<std::string> words;
  while (true) {
    const auto begin = text.find_first_not_of(kSeparators);
    if (begin == text.npos) {
      return words;
    }
    text.remove_prefix(begin);
    const auto end = std::min(text.find_first_of(kSeparators), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

// Secrets are described by their type alone.
std::string description(const KeyFacts& key, const Literal& literal) {
  const bool open = key.secrecy == Secrecy::open;
  if (const auto* flag = std::get_if<bool>(&literal)) {
    return !open ? "a boolean" : *flag ? "true" : "false";
  }
  if (const auto* number = std::get_if<std::int64_t>(&literal)) {
    return open ? std::to_string(*number) : "an integer";
  }
  if (const auto* text = std::get_if<std::string>(&literal)) {
    return open ? quoted_briefly(*text) : "a string";
  }
  if (std::holds_alternative<std::vector<std::string>>(literal)) {
    return "an array";
  }
  return std::string(std::get<Unsupported>(literal).what);
}

Error refused(const KeyFacts& key, const Literal& literal, std::string_view reason = {}) {
  std::string detail = "expected " + expectation(key) + ", got " + description(key, literal);
  if (!reason.empty()) {
    detail.append(": ").append(reason);
  }
  return {ErrorCode::invalid, std::move(detail)};
}

Result<Value> number_value(const KeyFacts& key, const Literal& literal,
                           std::optional<std::int64_t> number) {
  if (!number || *number < key.min || *number > key.max) {
    return refused(key, literal);
  }
  return Value{*number};
}

// Texts from the environment and command lines are any bytes. What the parser takes back is the one
// judgement that lets every accepted value be printed and read again.
bool is_printable_as_toml(std::string_view text) {
  return read_toml_value(quoted(text)).has_value();
}

Result<Value> text_value(const KeyFacts& key, const Literal& literal, const std::string& text) {
  const auto length = static_cast<std::int64_t>(text.size());
  if (length < key.min || length > key.max) {
    const std::string reason = "it has " + std::to_string(length) + " bytes";
    return refused(key, literal, length == 0 ? std::string_view{} : reason);
  }
  if (std::ranges::any_of(text, is_control)) {
    return refused(key, literal, "it holds a control character");
  }
  if (!is_printable_as_toml(text)) {
    return refused(key, literal, kNotUtf8);
  }
  if (key.secrecy == Secrecy::secret && text == kHidden) {
    return refused(key, literal, "it is what is printed in place of a secret");
  }
  return Value{text};
}

Result<Value> choice_value(const KeyFacts& key, const Literal& literal, const std::string& text) {
  const auto found = std::ranges::find(key.choices, text);
  if (found == key.choices.end()) {
    return refused(key, literal);
  }
  return Value{std::int64_t{found - key.choices.begin()}};
}

Result<Value> words_value(const KeyFacts& key, const Literal& literal,
                          const std::vector<std::string>& words) {
  if (static_cast<std::int64_t>(words.size()) > key.max) {
    return refused(key, literal, "it has " + std::to_string(words.size()) + " elements");
  }
  for (const std::string& word : words) {
    if (word.empty() || word.size() > kLongestWord || !std::ranges::all_of(word, is_word_char)) {
      return refused(
          key, literal,
          quoted_briefly(word) + " is not 1 to 255 letters, digits and - _ . | : / @ # { } [ ]");
    }
  }
  if (!key.choices.empty()) {
    for (const std::string& word : words) {
      const std::string name = lower(std::string_view(word).substr(word.starts_with('-') ? 1 : 0));
      if (std::ranges::find(key.choices, name) == key.choices.end()) {
        return refused(key, literal,
                       quoted_briefly(word) + " is none of them" + suggestion(name, key.choices));
      }
    }
  }
  return Value{words};
}

Result<Value> patterns_value(const KeyFacts& key, const Literal& literal,
                             const std::vector<std::string>& patterns) {
  if (static_cast<std::int64_t>(patterns.size()) > key.max) {
    return refused(key, literal, "it has " + std::to_string(patterns.size()) + " elements");
  }
  for (const std::string& pattern : patterns) {
    if (pattern.empty() || pattern.size() > kMaxPattern ||
        std::ranges::any_of(pattern, is_control)) {
      return refused(key, literal,
                     quoted_briefly(pattern) + " is not 1 to " + std::to_string(kMaxPattern) +
                         " bytes without control characters");
    }
  }
  return Value{patterns};
}

Result<Value> value_of_string(const KeyFacts& key, const Literal& literal,
                              const std::string& text) {
  switch (key.kind) {
    case Kind::size:
      return number_value(key, literal, parse_size(text));
    case Kind::mode:
      return number_value(key, literal, parse_mode(text));
    case Kind::text:
      return text_value(key, literal, text);
    case Kind::choice:
      return choice_value(key, literal, text);
    case Kind::endpoint: {
      const auto endpoint = parse_endpoint(text);
      if (!endpoint) {
        return refused(key, literal, endpoint.error().detail);
      }
      if (!is_printable_as_toml(text)) {
        return refused(key, literal, kNotUtf8);
      }
      return Value{to_string(endpoint.value())};
    }
    case Kind::boolean:
    case Kind::integer:
    case Kind::duration:
    case Kind::words:
    case Kind::patterns:
      break;
  }
  return refused(key, literal);
}

std::string range_text(const KeyFacts& key) {
  return "an integer from " + std::to_string(key.min) + " to " + std::to_string(key.max);
}

std::string choices_text(const KeyFacts& key) {
  std::string result;
  for (std::size_t i = 0; i < key.choices.size(); ++i) {
    if (i > 0) {
      result += i + 1 == key.choices.size() ? " or " : ", ";
    }
    result += quoted(key.choices[i]);
  }
  return result;
}

}  // namespace

std::optional<std::int64_t> parse_size(std::string_view text) {
  std::int64_t number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, status] = std::from_chars(text.data(), last, number);
  if (status != std::errc{} || number < 0) {
    return std::nullopt;
  }
  const std::string suffix = lower({end, static_cast<std::size_t>(last - end)});
  for (const SizeUnit& unit : kUnits) {
    if (suffix == unit.suffix) {
      if (number > (std::numeric_limits<std::int64_t>::max() >> unit.shift)) {
        return std::nullopt;
      }
      return number << unit.shift;
    }
  }
  return std::nullopt;
}

std::string size_text(std::int64_t bytes) {
  for (const SizeUnit& unit : kUnits) {
    if (unit.shift > 0 && bytes > 0 && bytes % (std::int64_t{1} << unit.shift) == 0) {
      return std::to_string(bytes >> unit.shift).append(unit.suffix);
    }
  }
  return std::to_string(bytes);
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result.append({'\\', c});
    } else if (is_control(c)) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04X", static_cast<unsigned>(c));
      result += buffer;
    } else {
      result += c;
    }
  }
  return result += '"';
}

std::string quoted_briefly(std::string_view text) {
  if (text.size() <= kBrief) {
    return quoted(text);
  }
  std::size_t end = kBrief;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) {
    --end;  // not in the middle of a character
  }
  return quoted(text.substr(0, end)) + "...";
}

Literal literal_of(const KeyFacts& key, std::string_view text) {
  if (key.kind != Kind::text) {
    text = trimmed(text);
  }
  const bool in_quotes = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
                         text.back() == text.front();
  switch (key.kind) {
    case Kind::boolean:
    case Kind::integer:
    case Kind::duration:
    case Kind::size:
      if (auto literal = read_toml_value(text)) {
        return *std::move(literal);
      }
      return std::string(text);
    case Kind::mode:
    case Kind::text:
    case Kind::choice:
    case Kind::endpoint:
      if (in_quotes) {
        if (auto literal = read_toml_value(text)) {
          return *std::move(literal);
        }
      }
      return std::string(text);
    case Kind::words:
    case Kind::patterns:
      if (in_quotes || text.starts_with('[')) {
        if (auto literal = read_toml_value(text)) {
          return *std::move(literal);
        }
      }
      return split_words(text);
  }
  return std::string(text);
}

Result<Value> to_value(const KeyFacts& key, const Literal& literal) {
  if (const auto* text = std::get_if<std::string>(&literal)) {
    return value_of_string(key, literal, *text);
  }
  if (const auto* flag = std::get_if<bool>(&literal); flag && key.kind == Kind::boolean) {
    return Value{*flag};
  }
  const bool numeric =
      key.kind == Kind::integer || key.kind == Kind::duration || key.kind == Kind::size;
  if (const auto* number = std::get_if<std::int64_t>(&literal); number && numeric) {
    return number_value(key, literal, *number);
  }
  const auto* words = std::get_if<std::vector<std::string>>(&literal);
  if (words && key.kind == Kind::words) {
    return words_value(key, literal, *words);
  }
  if (words && key.kind == Kind::patterns) {
    return patterns_value(key, literal, *words);
  }
  return refused(key, literal);
}

std::string toml_of(const KeyFacts& key, const Value& value) {
  if (const auto* words = std::get_if<std::vector<std::string>>(&value)) {
    std::string result = "[";
    for (const std::string& word : *words) {
      result.append(result.size() > 1 ? ", " : "").append(quoted(word));
    }
    return result += ']';
  }
  std::string text = text_of(key, value);
  const bool bare =
      key.kind == Kind::boolean || key.kind == Kind::integer || key.kind == Kind::duration ||
      (key.kind == Kind::size && std::ranges::all_of(text, [](char c) { return c <= '9'; }));
  return bare ? text : quoted(text);
}

std::string text_of(const KeyFacts& key, const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) {
    return *flag ? "true" : "false";
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    return *text;
  }
  if (const auto* words = std::get_if<std::vector<std::string>>(&value)) {
    std::string result;
    for (const std::string& word : *words) {
      result.append(result.empty() ? "" : " ").append(word);
    }
    return result;
  }
  const auto number = std::get<std::int64_t>(value);
  switch (key.kind) {
    case Kind::size:
      return size_text(number);
    case Kind::mode:
      return mode_text(number);
    case Kind::choice:
      return std::string(key.choices[static_cast<std::size_t>(number)]);
    default:
      return std::to_string(number);
  }
}

bool must_hide(const KeyFacts& key, const Value& value) {
  return key.secrecy == Secrecy::secret && value != Value{std::string{}};
}

std::string expectation(const KeyFacts& key) {
  switch (key.kind) {
    case Kind::boolean:
      return "true or false";
    case Kind::integer:
      return range_text(key);
    case Kind::duration:
      return range_text(key) + (key.name.ends_with("_ms") ? " (milliseconds)" : " (seconds)");
    case Kind::size:
      return "a size from " + size_text(key.min) + " to " + size_text(key.max) +
             ", in bytes or like \"256mb\"";
    case Kind::mode:
      return "an octal string from \"" + mode_text(key.min) + "\" to \"" + mode_text(key.max) +
             "\"";
    case Kind::text:
      return (key.min > 0 ? "a string of " + std::to_string(key.min) + " to "
                          : std::string("a string of at most ")) +
             std::to_string(key.max) + " bytes";
    case Kind::choice:
      return choices_text(key);
    case Kind::endpoint:
      return R"("host:port", "[v6]:port" or "unix:/path")";
    case Kind::words:
      return "an array of at most " + std::to_string(key.max) +
             (key.choices.empty() ? " words" : " known words, each with a '-' in front or not");
    case Kind::patterns:
      return "an array of at most " + std::to_string(key.max) + " patterns";
  }
  return {};
}

}  // namespace tiercache::config
