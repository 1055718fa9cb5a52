#include "reload.hpp"

#include "tiercache/config/load.hpp"
#include "tiercache/config/schema.hpp"

#include <string>
#include <utility>

#include <spdlog/spdlog.h>

namespace tiercache::server {

std::optional<config::Config> reload_config(const Options& options, const config::Config& before) {
  auto loaded = load_config(options);
  if (!loaded) {
    spdlog::error("the configuration stays as it was:\n{}", loaded.error().detail);
    return std::nullopt;
  }
  config::Config next = std::move(loaded).value();
  std::string changed;
  for (const config::Change& change : config::changed_keys(before, next)) {
    if (change.reload == config::Reload::at_start) {
      spdlog::warn("{} has changed; it takes effect at the next start", change.key);
      config::take_back(next, change, before);
    } else {
      changed.append(changed.empty() ? "" : ", ").append(change.key);
    }
  }
  // A pair that the file changes together may not fit if one half has to wait.
  if (Status status = config::validate(next); !status) {
    spdlog::error("the configuration stays as it was:\n{}", status.error().detail);
    return std::nullopt;
  }
  if (changed.empty()) {
    spdlog::info("configuration read again: nothing changes");
    return std::nullopt;
  }
  spdlog::info("configuration read again: {} changed", changed);
  return next;
}

}  // namespace tiercache::server
