// The entry that GET reads, which is what warmups fill. Its command is the position in the built-in
// table, as everywhere.
#pragma once

#include "tiercache/base/check.hpp"
#include "tiercache/command/table.hpp"
#include "tiercache/l1/entry.hpp"

#include <array>
#include <cstdint>

namespace tiercache::warmup {

inline const std::array<l1::Variant, 1>& get_variant() {
  static const std::array<l1::Variant, 1> variant = [] {
    const command::Table& table = *command::Table::builtin();
    const command::Command* get = table.find_name("get");
    TC_CHECK(get != nullptr);
    return std::array<l1::Variant, 1>{
        {{static_cast<std::uint16_t>(get - table.commands().data()), 0, {}}}};
  }();
  return variant;
}

}  // namespace tiercache::warmup
