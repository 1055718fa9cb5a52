// The command line of tiercache-verify.
#pragma once

#include "plan.hpp"

#include "tiercache/base/result.hpp"

#include <span>
#include <string_view>

namespace tiercache::verify {

std::string_view usage() noexcept;
Result<Settings> parse_options(std::span<const std::string_view> arguments);

}  // namespace tiercache::verify
