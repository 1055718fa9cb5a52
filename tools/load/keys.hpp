// Which keys are asked, and in what shares: one, uniform, zipf, or each once in turn. Pure.
#pragma once

#include "random.hpp"
#include "zipf.hpp"

#include "tiercache/base/result.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace tiercache::load {

// Keys are numbers; RequestWriter spells them.
inline constexpr std::uint64_t kMaxKeys = std::uint64_t{1} << 32;

enum class KeyShape : std::uint8_t { one, uniform, zipf, sequence };

struct KeySpec {
  KeyShape shape = KeyShape::one;
  std::uint64_t keys = 1;
  double theta = 0;  // zipf

  bool operator==(const KeySpec&) const = default;
};

// "one", "uniform:N", "zipf:THETA:N" (0 < THETA <= 10), "sequence:N"
Result<KeySpec> parse_keys(std::string_view text);

// A thread's part of the work: thread `index` of `count`.
struct Part {
  unsigned index = 0;
  unsigned count = 1;

  // How many of `total` things are this part's, so that the parts' sum is the total.
  std::uint64_t share(std::uint64_t total) const noexcept {
    return total / count + (index < total % count ? 1 : 0);
  }
};

// One thread's choices. Of a sequence each part takes every count-th key, so that the parts
// together ask each key once a round.
class KeyPicker {
 public:
  KeyPicker(const KeySpec& spec, Part part, std::uint64_t seed);

  // The number of the next key, below spec.keys.
  std::uint64_t next() noexcept;

 private:
  KeySpec spec_;
  Part part_;
  Random random_;
  std::optional<Zipf> zipf_;
  std::uint64_t position_;  // in the sequence
};

}  // namespace tiercache::load
