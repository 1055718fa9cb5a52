#include "tiercache/namespaces/set.hpp"

#include <utility>

namespace tiercache::namespaces {

namespace {

std::vector<std::vector<std::string>> patterns(const std::vector<config::Namespace>& namespaces) {
  std::vector<std::vector<std::string>> all;
  for (const config::Namespace& one : namespaces) {
    all.push_back(one.match);
  }
  return all;
}

}  // namespace

Set::Set(std::vector<config::Namespace> namespaces)
    : namespaces_(std::move(namespaces)), matcher_(patterns(namespaces_)) {
}

Duration jittered(Duration ttl, unsigned percent, std::uint64_t random) noexcept {
  // A multiplication spreads what callers can give: hashes, times.
  const std::uint64_t spread = (random * 0x9e3779b97f4a7c15U) >> 32;
  const double part = static_cast<double>(spread) / 4294967296.0 * percent / 100.0;
  return ttl - Duration(static_cast<Duration::rep>(static_cast<double>(ttl.count()) * part));
}

}  // namespace tiercache::namespaces
