// What is known about each key, as one table: name, kind, range, doc line, field. Everything that
// speaks of keys derives from it: parsing, suggestions, `--print-config`, the reference file,
// `CACHE CONFIG GET|SET`, the comparison on reload. Constant data; thread-safe, pure. Not for the
// hot path: the functions allocate and search linearly over some sixty keys.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/config/config.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tiercache::config {

enum class Kind {
  boolean,
  integer,
  duration,  // milliseconds or seconds, as the suffix of the name says
  size,      // bytes
  mode,      // file permissions, written as an octal string
  text,
  choice,
  endpoint,
  words,  // a list of strings without white space
};

enum class Reload { at_start, live };  // live: a reload or CACHE CONFIG SET may change it
enum class Secrecy { open, secret };

// A field as the table reads and writes it. A choice is the index of its name, an endpoint its
// text, durations and sizes are numbers in the unit of the key.
using Value = std::variant<bool, std::int64_t, std::string, std::vector<std::string>>;

struct Key {
  std::string_view name;  // "listen.port"; keys of one section stand together
  Kind kind;
  std::int64_t min;  // numbers: the value; text: its length in bytes; words: how many
  std::int64_t max;
  std::span<const std::string_view> choices;
  Reload reload;
  Secrecy secrecy;
  std::string_view doc;  // one line
  Value (*get)(const Config&);
  void (*set)(Config&, const Value&);  // REQUIRES: of the key's kind and in its range

  std::string_view section() const noexcept;  // "listen"; empty at the top level
  std::string_view leaf() const noexcept;     // "port"
};

std::span<const Key> schema() noexcept;
const Key* find_key(std::string_view name) noexcept;

// What a valid value is, for people: "an integer from 0 to 65535".
std::string expectation(const Key& key);

enum class Secrets {
  hide,   // a secret that is set shows as kHidden
  reveal  // the text parses back to the same Config
};
enum class Comments { none, docs };

inline constexpr std::string_view kHidden = "(hidden)";

// The whole configuration as TOML, every key once. With Secrets::hide it is for reading: parse()
// refuses kHidden as a secret.
std::string to_toml(const Config& config, Secrets secrets, Comments comments);

// conf/reference.toml: the defaults with their doc lines.
std::string reference_toml();

// The keys whose name matches the glob (`* ? [a-z] \`), with their values as text. Secrets are
// hidden. Any text (but a hidden one) is accepted back by set_live().
std::vector<std::pair<std::string, std::string>> get_matching(const Config& config,
                                                              std::string_view pattern);

struct Change {
  std::string_view key;
  Reload reload;

  bool operator==(const Change&) const = default;
};

// The keys whose values differ, in the schema's order.
std::vector<Change> changed_keys(const Config& before, const Config& after);

}  // namespace tiercache::config
