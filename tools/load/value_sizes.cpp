#include "value_sizes.hpp"

#include "command_line.hpp"

#include <algorithm>
#include <string>

namespace tiercache::load {
namespace {

constexpr std::size_t kMaxChoices = 64;
constexpr std::uint64_t kMaxWeight = 1'000'000;

}  // namespace

Result<ValueSizes> ValueSizes::parse(std::string_view text) {
  const Error bad{ErrorCode::invalid,
                  "value sizes are BYTES or BYTES*WEIGHT,…, not " + std::string(text)};
  ValueSizes sizes;
  sizes.choices_.clear();
  std::uint64_t total = 0;
  for (std::string_view rest = text; !rest.empty() || sizes.choices_.empty();) {
    std::string_view item = tools::take_until(rest, ',');
    const bool weighted = item.find('*') != std::string_view::npos;
    const auto size = tools::to_number(tools::take_until(item, '*'), 0, kMaxValue);
    const auto weight = weighted ? tools::to_number(item, 1, kMaxWeight) : std::uint64_t{1};
    if (!size || !weight || sizes.choices_.size() == kMaxChoices) {
      return bad;
    }
    total += *weight;
    sizes.choices_.push_back({*size, total});
  }
  return sizes;
}

std::size_t ValueSizes::pick(Random& random) const noexcept {
  if (choices_.size() == 1) {
    return 0;
  }
  const std::uint64_t at = random.below(choices_.back().up_to);
  std::size_t index = 0;
  while (choices_[index].up_to <= at) {
    ++index;
  }
  return index;
}

std::size_t ValueSizes::largest() const noexcept {
  return std::max_element(choices_.begin(), choices_.end(),
                          [](const Choice& a, const Choice& b) { return a.size < b.size; })
      ->size;
}

}  // namespace tiercache::load
