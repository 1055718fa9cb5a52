#include "judge.hpp"

#include <algorithm>
#include <array>

namespace tiercache::verify {
namespace {

constexpr std::array<std::string_view, kChecks> kNames{
    "whole",   "monotonic", "own_write", "proxy_time", "staleness", "previous", "torn",
    "expired", "early",     "watch",     "settled",    "leftover",  "protocol"};

// Absences recur within 16 states and lengths are compared over as many; past this many candidates
// the read proves nothing and blames nobody.
constexpr Version kSearch = 256;

// Sets grow by one record a state, and start again with each absence.
bool has_member(const KeyInfo& info, Version number, Version member) noexcept {
  return !is_absent(info, number) && member <= number &&
         number - member < record_count(info, number);
}

bool fits(const KeyInfo& info, KeyId key, Version number, Seen seen) noexcept {
  switch (seen.kind) {
    case Seen::Kind::value:
      return seen.number == number && !is_absent(info, number);
    case Seen::Kind::absent:
      return is_absent(info, number);
    case Seen::Kind::present:
      return !is_absent(info, number);
    case Seen::Kind::length:
      return seen.number == length_of(info, key, number);
    case Seen::Kind::member:
      return has_member(info, number, seen.number);
    case Seen::Kind::outsider:
      return !has_member(info, number, seen.number);
    default:
      return false;
  }
}

struct Search {
  std::optional<Version> found{};
  bool exhausted = true;  // all candidates were looked at
};

Search first_fit(const KeyInfo& info, KeyId key, Version low, Version issued, Seen seen) noexcept {
  const Version end = std::min(issued, low > kMaxNumber - kSearch ? issued : low + kSearch);
  for (Version number = low; number <= end; ++number) {
    if (fits(info, key, number, seen)) {
      return {number, true};
    }
  }
  return {std::nullopt, end == issued};
}

Ruling judge_value(const KeyInfo& info, const Bounds& bounds, Version number) noexcept {
  if (number > bounds.issued || is_absent(info, number)) {
    return {Check::whole, std::nullopt};
  }
  if (number < bounds.session) {
    return {bounds.session_wrote ? Check::own_write : Check::monotonic, number};
  }
  if (number < bounds.proxy) {
    return {Check::proxy_time, number};
  }
  if (number < bounds.direct) {
    return {Check::staleness, number};
  }
  return {std::nullopt, number};
}

}  // namespace

std::string_view name_of(Check check) noexcept {
  return kNames[static_cast<std::size_t>(check)];
}

Ruling judge(const KeyInfo& info, KeyId key, const Bounds& bounds, Seen seen) noexcept {
  if (seen.kind == Seen::Kind::value) {
    return judge_value(info, bounds, seen.number);
  }
  if (seen.kind == Seen::Kind::corrupt) {
    return {Check::whole, std::nullopt};
  }
  if (seen.kind == Seen::Kind::mistyped) {
    return {Check::protocol, std::nullopt};
  }
  const Version low = std::max({bounds.session, bounds.proxy, bounds.direct});
  const Search search = first_fit(info, key, low, bounds.issued, seen);
  if (search.found || !search.exhausted) {
    return {std::nullopt, search.found};
  }
  const auto impossible = [&](Version floor) {
    const Search alone = first_fit(info, key, floor, bounds.issued, seen);
    return !alone.found && alone.exhausted;
  };
  if (impossible(0)) {
    return {Check::whole, std::nullopt};
  }
  if (impossible(bounds.session)) {
    return {bounds.session_wrote ? Check::own_write : Check::monotonic, std::nullopt};
  }
  return {impossible(bounds.proxy) ? Check::proxy_time : Check::staleness, std::nullopt};
}

bool is_previous(const KeyInfo& info, KeyId key, Version number, Seen seen) noexcept {
  return number > 0 && fits(info, key, number - 1, seen);
}

bool is_torn(std::span<const Seen> members) noexcept {
  return std::any_of(members.begin(), members.end(),
                     [&](Seen member) { return member != members.front(); });
}

}  // namespace tiercache::verify
