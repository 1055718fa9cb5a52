#include "stamps.hpp"

#include <algorithm>

namespace tiercache::proxy {

std::size_t Stamps::place(const Subject& subject) const noexcept {
  const std::uint64_t mixed = subject.key.low ^ (subject.user * 0x9E3779B97F4A7C15ULL) ^
                              (std::uint64_t{subject.command} << 20) ^
                              (std::uint64_t{subject.db} << 7);
  return (mixed % (kStamps / kWays)) * kWays;
}

bool Stamps::live(const Subject& subject, Time now) const noexcept {
  if (stamps_.empty()) {
    return false;
  }
  const std::size_t first = place(subject);
  for (std::size_t i = first; i < first + kWays; i++) {
    if (stamps_[i].subject == subject) {
      return now < stamps_[i].until;
    }
  }
  return false;
}

void Stamps::add(const Subject& subject, Time until) {
  if (stamps_.empty()) {
    stamps_.resize(kStamps);
  }
  const std::size_t first = place(subject);
  std::size_t target = first;
  for (std::size_t i = first; i < first + kWays; i++) {
    if (stamps_[i].subject == subject) {
      stamps_[i].until = std::max(stamps_[i].until, until);
      return;
    }
    if (stamps_[i].until < stamps_[target].until) {
      target = i;
    }
  }
  stamps_[target] = {subject, until};
}

}  // namespace tiercache::proxy
