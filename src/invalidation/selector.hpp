// Which keys a Selection means, and where Redis has them. Made at start, then only read:
// thread-safe, pure.
#pragma once

#include "tiercache/config/config.hpp"
#include "tiercache/config/key_pattern.hpp"
#include "tiercache/invalidation/invalidator.hpp"
#include "tiercache/namespaces/set.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::invalidation {

class Selector {
 public:
  explicit Selector(const config::Config& config);

  const namespaces::Set& set() const noexcept {
    return set_;
  }
  bool has_source(namespaces::Index index) const noexcept {
    return index != namespaces::kDefault && set_.at(index).tiers == config::Tiers::l1_l2_l3;
  }
  // The namespace of that name; kDefault: there is none.
  namespaces::Index find(std::string_view name) const noexcept;
  // Whether the keys of any namespace with a source have a part of that name.
  bool has_part(std::string_view name) const noexcept;
  // Of any db.
  bool selects(const Selection& selection, std::string_view key) const;
  // Redis's keys of namespaces with a source that are selected fit one of these. Empty: there are
  // no such namespaces among them.
  std::vector<std::string> globs(const Selection& selection) const;
  // "db=0,prefix=doc:,how=remove": differs for each two that differ.
  std::string text(const Selection& selection, How how) const;

 private:
  using Pattern = std::optional<config::KeyPattern>;

  const namespaces::Set set_;
  std::vector<Pattern> patterns_;  // by index, of those with a source
  bool any_source_ = false;
};

}  // namespace tiercache::invalidation
