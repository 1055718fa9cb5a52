// Batches of changes for the tests of writers to a source.
#pragma once

#include "tiercache/l3/writer.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::testing {

inline l3::Change change(std::size_t statement, std::int64_t id, std::string value = {}) {
  return {statement, {id, std::move(value)}};
}

struct Writing {
  std::unique_ptr<l3::Writer> writer;

  // Their sequences count from `first` on.
  static l3::Written apply(l3::Writer& by, const std::vector<l3::Change>& changes,
                           std::string_view journal = {}, std::uint64_t first = 0,
                           std::chrono::milliseconds within = std::chrono::seconds(60)) {
    std::vector<const l3::Change*> pointers;
    std::vector<std::uint64_t> sequences;
    for (const l3::Change& change : changes) {
      pointers.push_back(&change);
      sequences.push_back(first++);
    }
    return by.apply(pointers, {journal, sequences},
                    Time(std::chrono::steady_clock::now()) + within);
  }
  l3::Written apply(const std::vector<l3::Change>& changes, std::string_view journal = {},
                    std::uint64_t first = 0) const {
    return apply(*writer, changes, journal, first);
  }
};

}  // namespace tiercache::testing
