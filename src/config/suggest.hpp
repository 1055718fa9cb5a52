// "did you mean": the known name nearest to a mistyped one. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tiercache::config {

// `; did you mean 'x'?`, or nothing when no known name is near. A name of which only the section is
// wrong counts as near.
std::string suggestion(std::string_view name, std::span<const std::string_view> known);

}  // namespace tiercache::config
