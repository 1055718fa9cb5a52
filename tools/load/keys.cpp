#include "keys.hpp"

#include "command_line.hpp"

#include <string>

namespace tiercache::load {
namespace {

Error bad_keys(std::string_view text) {
  return {ErrorCode::invalid,
          "keys are one, uniform:N, zipf:THETA:N or sequence:N, not " + std::string(text)};
}

}  // namespace

Result<KeySpec> parse_keys(std::string_view text) {
  if (text == "one") {
    return KeySpec{};
  }
  KeySpec spec;
  std::string_view rest = text;
  const std::string_view shape = tools::take_until(rest, ':');
  if (shape == "uniform") {
    spec.shape = KeyShape::uniform;
  } else if (shape == "sequence") {
    spec.shape = KeyShape::sequence;
  } else if (shape == "zipf") {
    spec.shape = KeyShape::zipf;
    const auto theta = tools::to_real(tools::take_until(rest, ':'));
    if (!theta || !(*theta > 0 && *theta <= 10)) {  // nan is neither
      return bad_keys(text);
    }
    spec.theta = *theta;
  } else {
    return bad_keys(text);
  }
  const auto keys = tools::to_number(rest, 1, kMaxKeys);
  if (!keys) {
    return bad_keys(text);
  }
  spec.keys = *keys;
  return spec;
}

KeyPicker::KeyPicker(const KeySpec& spec, Part part, std::uint64_t seed)
    : spec_(spec),
      part_(part),
      random_(seed * 0x100000001b3ULL + part.index),
      position_(part.index % spec.keys) {
  if (spec.shape == KeyShape::zipf) {
    zipf_.emplace(spec.theta, spec.keys);
  }
}

std::uint64_t KeyPicker::next() noexcept {
  switch (spec_.shape) {
    case KeyShape::one:
      return 0;
    case KeyShape::uniform:
      return random_.below(spec_.keys);
    case KeyShape::zipf:
      return zipf_->draw(random_);
    case KeyShape::sequence:
      break;
  }
  const std::uint64_t key = position_;
  position_ += part_.count;
  if (position_ >= spec_.keys) {
    position_ = part_.index % spec_.keys;
  }
  return key;
}

}  // namespace tiercache::load
