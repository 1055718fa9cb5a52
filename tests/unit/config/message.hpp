// What the configuration says about a text.
#pragma once

#include "tiercache/config/load.hpp"

#include <string>
#include <string_view>

namespace tiercache::config {

inline std::string message_for(std::string_view text) {
  const auto config = parse(text, "f.toml");
  return config ? "accepted" : config.error().detail;
}

}  // namespace tiercache::config
