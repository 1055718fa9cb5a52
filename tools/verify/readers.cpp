#include "readers.hpp"

#include <array>

namespace tiercache::verify {

std::span<const KeyId> ReadingSession::any_group() noexcept {
  const Range& range = random_.below(2) == 0 ? run_.plan.pairs : run_.plan.octets;
  const Range group = run_.plan.group_of(any(range));
  for (std::uint32_t i = 0; i < group.count; ++i) {
    group_[i] = group.first + i;
  }
  return std::span(group_).first(group.count);
}

std::array<KeyId, 4> ReadingSession::neighbours(KeyId key) noexcept {
  const Range& strings = run_.plan.strings;
  std::array<KeyId, 4> keys{key, key, key, key};
  for (KeyId& other : std::span(keys).subspan(1)) {
    const KeyId candidate = key - key % kTogether + random_.below(kTogether);
    other = strings.has(candidate) ? candidate : key;
  }
  return keys;
}

void FastReader::prepare(Nanos) {
  for (std::size_t i = 0; i < depth(); ++i) {
    const std::uint32_t choice = random_.next() & 127U;
    if (choice < 24) {
      get(run_.plan.strings.first);
    } else if (choice < 116) {
      get(popular());
    } else {
      add_rare(choice);
    }
  }
}

void FastReader::add_rare(std::uint32_t choice) {
  switch (choice) {
    case 116:
      read_many(OpKind::mget, any_group());
      return;
    case 117:
      get(any_group()[0]);
      return;
    case 118:
      get(any(run_.plan.counters));
      return;
    case 119:
    case 120:
      get(any(run_.plan.expiring));
      return;
    case 121:
    case 122:
      get(any(run_.plan.toggles));
      return;
    case 123:
      get(any(run_.plan.strings));
      return;
    case 124:
      get(any(run_.plan.probes));
      return;
    case 125:
    case 126:
      read_collection(any(run_.plan.collections));
      return;
    default:
      get(run_.plan.strings.first + random_.below(8));
  }
}

void MixedReader::prepare(Nanos) {
  const std::size_t count = 1 + random_.below(static_cast<std::uint32_t>(depth()));
  for (std::size_t i = 0; i < count; ++i) {
    add_one();
  }
}

void MixedReader::add_one() {
  constexpr std::array kStringReads{OpKind::getrange, OpKind::strlen, OpKind::exists};
  constexpr std::array kExpiringReads{OpKind::exists, OpKind::strlen, OpKind::pttl, OpKind::type};
  const Plan& plan = run_.plan;
  switch (random_.below(16)) {
    case 0:
      read_many(OpKind::mget, any_group());
      return;
    case 1:
      if (random_.below(8) == 0) {
        read_in_exec(any_group());
        return;
      }
      [[fallthrough]];
    case 2:
      get(any(plan.expiring));
      return;
    case 3:
      read(kExpiringReads[random_.below(4)], any(plan.expiring));
      return;
    case 4:
      read(random_.below(2) == 0 ? OpKind::exists : OpKind::getrange, any(plan.toggles));
      return;
    case 5:
      get(any(plan.toggles));
      return;
    case 6:
      get(any(random_.below(2) == 0 ? plan.counters : plan.watched));
      return;
    case 7: {
      const std::array keys{popular(), popular(), popular(), popular()};
      if (random_.below(8) == 0) {
        read_in_exec(neighbours(keys[0]));
      } else {
        read_many(OpKind::mget, keys);
      }
      return;
    }
    case 8:
    case 9:
    case 10:
      read(kStringReads[random_.below(3)], popular());
      return;
    case 11:
    case 12:
      get(popular());
      return;
    default:
      read_collection(any(plan.collections));
  }
}

}  // namespace tiercache::verify
