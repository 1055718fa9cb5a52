#include "fields.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::l3 {

std::string wrong_names(std::span<const std::string_view> names) {
  if (names.empty()) {
    return "the query yields no column that could be a field";
  }
  std::vector<std::string_view> sorted(names.begin(), names.end());
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  return twice == sorted.end() ? std::string()
                               : "two of the fields are called '" + std::string(*twice).append("'");
}

void Fields::add(std::string_view name, std::string value) {
  bytes_ += name.size() + value.size();
  if (bytes_ <= kMaxValue && fields_.size() <= 2 * kMaxFields) {
    fields_.emplace_back(name);
    fields_.push_back(std::move(value));
  }
}

Loaded Fields::take() && {
  if (bytes_ > kMaxValue) {
    return {Loaded::Kind::failed, "the value is larger than 64mb"};
  }
  if (fields_.size() > 2 * kMaxFields) {
    return {Loaded::Kind::failed, "the value has more than 10000 fields"};
  }
  if (fields_.empty()) {
    return {Loaded::Kind::absent, {}};
  }
  return {Loaded::Kind::value, {}, false, false, std::move(fields_)};
}

}  // namespace tiercache::l3
