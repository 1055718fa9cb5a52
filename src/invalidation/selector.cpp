#include "selector.hpp"

#include "tiercache/base/glob.hpp"

#include <algorithm>

namespace tiercache::invalidation {

using namespaces::Index;

namespace {

bool pattern_has(const std::optional<config::KeyPattern>& pattern, std::string_view name) noexcept {
  return pattern && std::ranges::find(pattern->names(), name) != pattern->names().end();
}

// For a line of fields: what would break it as %XX.
std::string escaped(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == ',' || c == '=' || c == '%') {
      out.append({'%', kHex[byte >> 4U], kHex[byte & 0xfU]});
    } else {
      out.push_back(c);
    }
  }
  return out;
}

}  // namespace

Selector::Selector(const config::Config& config)
    : set_(config.namespaces), patterns_(set_.size() + 1) {
  for (std::size_t i = 1; i < patterns_.size(); i++) {
    if (has_source(static_cast<Index>(i))) {
      patterns_[i] = config::KeyPattern::parse(set_.at(static_cast<Index>(i)).key).value();
      any_source_ = true;
    }
  }
}

Index Selector::find(std::string_view name) const noexcept {
  for (std::size_t i = 1; i <= set_.size(); i++) {
    if (set_.at(static_cast<Index>(i)).name == name) {
      return static_cast<Index>(i);
    }
  }
  return namespaces::kDefault;
}

bool Selector::has_part(std::string_view name) const noexcept {
  return std::ranges::any_of(patterns_, [&](const Pattern& one) { return pattern_has(one, name); });
}

bool Selector::selects(const Selection& selection, std::string_view key) const {
  if (selection.part) {
    const Pattern& pattern = patterns_[set_.find(key)];
    return pattern && pattern->has(key, selection.part->name, selection.part->value);
  }
  return selection.space != namespaces::kDefault ? set_.find(key) == selection.space
                                                 : key.starts_with(selection.prefix);
}

std::vector<std::string> Selector::globs(const Selection& selection) const {
  if (selection.part) {
    std::vector<std::string> globs;
    for (const Pattern& pattern : patterns_) {
      if (pattern_has(pattern, selection.part->name)) {
        globs.push_back(pattern->glob(selection.part->name, selection.part->value));
      }
    }
    return globs;
  }
  if (!any_source_) {
    return {};
  }
  if (selection.space == namespaces::kDefault) {
    return {glob_escaped(selection.prefix) + "*"};
  }
  return has_source(selection.space) ? set_.at(selection.space).match : std::vector<std::string>();
}

std::string Selector::text(const Selection& selection, How how) const {
  std::string text = "db=" + std::to_string(selection.db);
  if (selection.part) {
    text += ",tag=" + escaped(selection.part->name) + ":" + escaped(selection.part->value);
  } else if (selection.space != namespaces::kDefault) {
    text += ",namespace=" + escaped(set_.at(selection.space).name);
  } else {
    text += ",prefix=" + escaped(selection.prefix);
  }
  return text + (how == How::soften ? ",how=soften" : ",how=remove");
}

}  // namespace tiercache::invalidation
