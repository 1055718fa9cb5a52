// From text to Config. Precedence: default < file < environment < `--set`. Pure, except for
// load_file() and check_files(). Thread-safe. Each function either gives a whole new state or an
// Error and changes nothing; the error's detail has one line for each mistake, beginning with its
// place (`conf.toml:3:1: `, `TIERCACHE_L1_SHARDS: `, `--set l1.shards: `), and never shows a
// secret.
//
// Limits: a text of kMaxText bytes; arrays and inline tables nested 8 deep and 32 dots outside
// strings in one line (the tree is destroyed recursively, so hostile depth must not get that far).
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/config/config.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace tiercache::config {

inline constexpr std::size_t kMaxText = 1 * kMib;

// All layers at once: what a program calls at start and on reload. Rules between keys are checked
// at the end, so a later layer may complete what an earlier one began.
struct Layers {
  std::string_view file_text;
  std::string_view file_name;                       // only for messages
  std::span<const std::string_view> environment{};  // NAME=value
  std::span<const std::string_view> sets{};         // key=value
};
Result<Config> load(const Layers& layers);

// A file on top of `base`, then the rules between keys.
Result<Config> parse(std::string_view text, std::string_view file_name, Config base = {});

// The layers one by one; these do not check the rules between keys, call validate() after the last.
//
// A value is read as TOML where the key's kind has such a form, otherwise as it stands: text needs
// quotes only to begin or end with them, a list is words between spaces or commas.
Status apply_environment(Config& config, std::span<const std::string_view> environment);
Status apply_set(Config& config, std::string_view assignment);

// The rules between keys.
Status validate(const Config& config);

// CACHE CONFIG SET: only keys marked Reload::live; the result is validated.
Status set_live(Config& config, std::string_view name, std::string_view value);

// TIERCACHE_L1_MAX_MEMORY for l1.max_memory.
std::string environment_name(std::string_view key);

// The shell of this room: the file's bytes, at most kMaxText.
Result<std::string> load_file(const std::string& path);
// Whether the files that `config` names and that are read later can be opened now (warmup.file).
Status check_files(const Config& config);

}  // namespace tiercache::config
