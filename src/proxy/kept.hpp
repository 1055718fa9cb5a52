// Which reads L1 may answer, from the words of `l1.commands`. Pure.
#pragma once

#include "tiercache/command/table.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tiercache::proxy {

// By position in the table, 1 or 0. A word is "all", a command in any letter case, or "-command",
// which takes it out again; a list that begins with such a one begins with all. What the table does
// not let L1 keep stays out.
std::vector<std::uint8_t> kept_commands(std::span<const std::string> words,
                                        const command::Table& table);

}  // namespace tiercache::proxy
