#include "kept.hpp"

#include "tiercache/base/words.hpp"

#include <algorithm>

namespace tiercache::proxy {

using command::Kind;

std::vector<std::uint8_t> kept_commands(std::span<const std::string> words,
                                        const command::Table& table) {
  const std::span<const command::Command> commands = table.commands();
  const auto can_keep = [](const command::Command& command) {
    return command.kind == Kind::cacheable_read || command.kind == Kind::multi_read ||
           command.kind == Kind::ttl_read;
  };
  std::vector<std::uint8_t> kept(commands.size(), 0);
  const auto all = [&] {
    std::ranges::transform(commands, kept.begin(), can_keep);
  };
  if (!words.empty() && words.front().starts_with('-')) {
    all();
  }
  for (const std::string& word : words) {
    const bool out = word.starts_with('-');
    std::string name = word.substr(out ? 1 : 0);
    std::ranges::transform(name, name.begin(), lower);
    if (name == "all") {
      if (out) {
        std::ranges::fill(kept, std::uint8_t{0});
      } else {
        all();
      }
    } else if (const command::Command* command = table.find_name(name)) {
      kept[static_cast<std::size_t>(command - commands.data())] = !out && can_keep(*command);
    }
  }
  return kept;
}

}  // namespace tiercache::proxy
