// INFO: which of our sections a request asks for, and how they join Redis's text. Pure.
#pragma once

#include "tiercache/command/command.hpp"
#include "tiercache/resp/encoder.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tiercache::admin {

struct InfoWish {
  bool tiercache = false;
  bool tiers = false;
  bool any() const noexcept {
    return tiercache || tiers;
  }
};
// `args`: INFO [section ...]
InfoWish info_wish(command::Args args);

// The text within Redis's reply; nothing if that is not a text.
std::optional<std::string_view> info_text(std::string_view reply);
// Redis's text, with so many more clients blocked: CLIENT PAUSE holds them here.
std::string with_blocked(std::string_view redis, std::uint32_t more);
// Redis's text and ours as one reply. Either may be empty.
std::string info_reply(std::string_view redis, std::string_view ours, resp::Version version);

}  // namespace tiercache::admin
