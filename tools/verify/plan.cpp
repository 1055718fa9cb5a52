#include "plan.hpp"

namespace tiercache::verify {
namespace {

constexpr std::uint32_t kPairs = 16;
constexpr std::uint32_t kOctets = 8;
constexpr std::uint32_t kCounters = 8;
constexpr std::uint32_t kExpiring = 64;
constexpr std::uint32_t kToggles = 32;
constexpr std::uint32_t kOfEachCollection = 24;
constexpr std::uint32_t kWatched = 2;

// Mostly small; the large ones lie in the tail, so that they do not eat the run.
KeyInfo string_info(KeyId key) {
  KeyInfo info;
  if (key < 16 || key % 16 < 9) {
    info.shape = Shape::compact;
  } else if (key % 16 < 11) {
    info.shape = Shape::records;
  } else {
    info.shape = Shape::padded;
    info.size = key % 16 == 15 ? 200 : 32;
    if (key % 64 == 63) {
      info.size = 1000;
    }
    if (key % 1024 == 1023) {
      info.size = 10000;
    }
    if (key % 2048 == 2047) {
      info.size = 70000;
    }
  }
  if (key % 8 == 5 && info.shape != Shape::records) {
    info.absent_every = 8;
  }
  return info;
}

class Dealer {
 public:
  Dealer(std::vector<KeyInfo>& keys, unsigned writers) : keys_(keys), writers_(writers) {
  }
  // `together` keys in a row have one writer.
  template <class Make>
  Range deal(std::uint32_t count, Make&& make, std::uint32_t together = 1) {
    const Range range{static_cast<KeyId>(keys_.size()), count};
    for (std::uint32_t i = 0; i < count; ++i) {
      KeyInfo info = make(i);
      info.owner = static_cast<std::uint8_t>(i / together % writers_);
      keys_.push_back(info);
    }
    return range;
  }

 private:
  std::vector<KeyInfo>& keys_;
  unsigned writers_;
};

KeyInfo simple(Shape shape, std::uint8_t absent_every = 0) {
  KeyInfo info;
  info.shape = shape;
  info.absent_every = absent_every;
  return info;
}

KeyInfo collection_info(std::uint32_t i) {
  constexpr Shape kShapes[] = {Shape::hash, Shape::list, Shape::set, Shape::zset};
  const Shape shape = kShapes[i / kOfEachCollection];
  const bool grows = shape == Shape::list || shape == Shape::set;
  return simple(shape, grows ? static_cast<std::uint8_t>(kCycle) : 8);
}

}  // namespace

Plan::Plan(const Settings& settings) : proxies(static_cast<unsigned>(settings.proxies.size())) {
  Dealer dealer(keys, writers());
  pairs = dealer.deal(
      kPairs * 2, [](std::uint32_t) { return simple(Shape::compact); }, 2);
  octets = dealer.deal(
      kOctets * 8,
      [](std::uint32_t i) {
        KeyInfo info = simple(i % 8 < 5 ? Shape::compact : Shape::padded);
        info.size = 40;
        return info;
      },
      8);
  static_assert(kPairs * 2 % kTogether == 0 && kTogether % 8 == 0,
                "the groups come first, and none crosses a border of slots");
  strings = dealer.deal(settings.keys, string_info);
  counters = dealer.deal(kCounters, [](std::uint32_t) { return simple(Shape::counter); });
  expiring = dealer.deal(kExpiring, [](std::uint32_t) {
    KeyInfo info = simple(Shape::compact, 2);
    info.expires = true;
    return info;
  });
  toggles = dealer.deal(kToggles, [](std::uint32_t) { return simple(Shape::compact, 2); });
  collections = dealer.deal(4 * kOfEachCollection, collection_info);
  watched = dealer.deal(kWatched, [](std::uint32_t) { return simple(Shape::counter); });
  probes = dealer.deal(proxies, [](std::uint32_t) { return simple(Shape::compact); });
}

Range Plan::group_of(KeyId key) const noexcept {
  if (pairs.has(key)) {
    return {key - (key - pairs.first) % 2, 2};
  }
  return {key - (key - octets.first) % 8, 8};
}

}  // namespace tiercache::verify
