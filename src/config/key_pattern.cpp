#include "tiercache/config/key_pattern.hpp"

#include "tiercache/base/glob.hpp"
#include "tiercache/base/words.hpp"

#include <algorithm>

namespace tiercache::config {

namespace {

constexpr std::size_t kMostParts = 16;

Error wrong(std::string detail) {
  return {ErrorCode::invalid, std::move(detail)};
}

bool is_name(std::string_view name) {
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

}  // namespace

Result<KeyPattern> KeyPattern::parse(std::string_view text) {
  KeyPattern pattern;
  std::string* literal = &pattern.before_;
  while (!text.empty()) {
    if (text[0] == '}') {
      return wrong("there is a '}' without '{'");
    }
    if (text[0] != '{') {
      literal->push_back(text[0]);
      text.remove_prefix(1);
      continue;
    }
    const auto end = text.find('}');
    if (end == text.npos) {
      return wrong("there is a '{' without '}'");
    }
    const std::string_view inside = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    const auto colon = inside.find(':');
    const std::string_view name = inside.substr(0, colon);
    const std::string_view kind = colon == inside.npos ? "text" : inside.substr(colon + 1);
    if (!is_name(name)) {
      return wrong("a part's name has letters, digits and _ only, and begins with no digit");
    }
    if (std::ranges::find(pattern.names_, name) != pattern.names_.end()) {
      return wrong("there are two parts of one name");
    }
    if (kind != "int" && kind != "text") {
      return wrong("a part is {name}, {name:text} or {name:int}");
    }
    if (!pattern.parts_.empty() && literal->empty()) {
      return wrong("nothing stands between two parts");
    }
    if (pattern.parts_.size() == kMostParts) {
      return wrong("there are more than 16 parts");
    }
    pattern.names_.emplace_back(name);
    pattern.parts_.push_back({kind == "int" ? Kind::integer : Kind::text, {}});
    literal = &pattern.parts_.back().after;
  }
  if (pattern.parts_.empty()) {
    return wrong("there is no part in it, such as {id:int}");
  }
  return pattern;
}

std::vector<bool> KeyPattern::integers() const {
  std::vector<bool> integers;
  for (const Part& part : parts_) {
    integers.push_back(part.kind == Kind::integer);
  }
  return integers;
}

// The number of parts: there is none of that name.
std::size_t KeyPattern::position(std::string_view name) const noexcept {
  return static_cast<std::size_t>(std::ranges::find(names_, name) - names_.begin());
}

bool KeyPattern::has(std::string_view key, std::string_view name, std::string_view value) const {
  const std::size_t at = position(name);
  const auto values = at < parts_.size() ? match(key) : std::nullopt;
  if (!values) {
    return false;
  }
  const auto* number = std::get_if<std::int64_t>(&(*values)[at]);
  return number != nullptr ? std::to_string(*number) == value
                           : std::get<std::string>((*values)[at]) == value;
}

std::string KeyPattern::glob(std::string_view name, std::string_view value) const {
  const std::size_t at = position(name);
  std::string glob = glob_escaped(before_);
  for (std::size_t i = 0; i < parts_.size(); i++) {
    glob += i == at ? glob_escaped(value) : "*";
    glob += glob_escaped(parts_[i].after);
  }
  return glob;
}

std::optional<std::vector<KeyPattern::Value>> KeyPattern::match(std::string_view key) const {
  if (!key.starts_with(before_)) {
    return std::nullopt;
  }
  key.remove_prefix(before_.size());
  std::vector<Value> values;
  values.reserve(parts_.size());
  for (const Part& part : parts_) {
    const bool last = &part == &parts_.back();
    // The last part takes all there is before the text that ends the key.
    std::size_t size = key.size();
    if (!part.after.empty()) {
      size = last ? key.size() - std::min(key.size(), part.after.size()) : key.find(part.after);
      if (size == key.npos || key.substr(size, part.after.size()) != part.after) {
        return std::nullopt;
      }
    }
    const std::string_view bytes = key.substr(0, size);
    if (part.kind == Kind::integer) {
      // "007" and "7" would be two keys of one row.
      const auto number = parse_integer(bytes);
      if (!number) {
        return std::nullopt;
      }
      values.emplace_back(*number);
    } else if (bytes.empty()) {
      return std::nullopt;
    } else {
      values.emplace_back(std::string(bytes));
    }
    key.remove_prefix(size + part.after.size());
  }
  return key.empty() ? std::optional(std::move(values)) : std::nullopt;
}

}  // namespace tiercache::config
