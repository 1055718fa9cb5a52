// How large values are: one size, or several with weights. Pure.
#pragma once

#include "random.hpp"

#include "tiercache/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tiercache::load {

inline constexpr std::size_t kMaxValue = std::size_t{512} * 1024 * 1024;  // what Redis allows

class ValueSizes {
 public:
  struct Choice {
    std::size_t size;
    std::uint64_t up_to;  // its weight and those of the choices before it
  };

  // "64", or "64*9,4096*1": nine of ten are 64 bytes.
  static Result<ValueSizes> parse(std::string_view text);
  ValueSizes() : choices_{{64, 1}} {
  }

  // The index of the next value's size in choices(). O(choices).
  std::size_t pick(Random& random) const noexcept;
  const std::vector<Choice>& choices() const noexcept {
    return choices_;
  }
  std::size_t largest() const noexcept;

 private:
  std::vector<Choice> choices_;  // at least one, at most kMaxChoices
};

}  // namespace tiercache::load
