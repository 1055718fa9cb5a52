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
  words,     // a list of strings without white space
  patterns,  // a list of globs
};

enum class Reload { at_start, live };  // live: a reload or CACHE CONFIG SET may change it
enum class Secrecy { open, secret };

// A field as the table reads and writes it. A choice is the index of its name, an endpoint its
// text, durations and sizes are numbers in the unit of the key.
using Value = std::variant<bool, std::int64_t, std::string, std::vector<std::string>>;

// Of a key wherever it stands.
struct KeyFacts {
  std::string_view name;  // "listen.port"; keys of one section stand together
  Kind kind;
  std::int64_t min;  // numbers: the value; text: its length in bytes; words: how many
  std::int64_t max;
  std::span<const std::string_view> choices;
  Reload reload;
  Secrecy secrecy;
  std::string_view doc;  // one line

  std::string_view section() const noexcept;  // "listen"; empty at the top level
  std::string_view leaf() const noexcept;     // "port"
};

struct Key : KeyFacts {
  Value (*get)(const Config&);
  void (*set)(Config&, const Value&);  // REQUIRES: of the key's kind and in its range
};

std::span<const Key> schema() noexcept;
const Key* find_key(std::string_view name) noexcept;

// A key of the elements of an array of tables: "namespace.name" stands in each [[namespace]].
struct ElementKey : KeyFacts {
  Value (*get)(const void* element);
  void (*set)(void* element, const Value&);  // REQUIRES: as of a Key
};

// Something of which a file may have many, in an order that may matter. Only files have them: no
// environment variable, no `--set`. A file that has any replaces all that were there.
struct TableArray {
  std::string_view name;  // "namespace"
  std::string_view doc;   // one line
  std::size_t max;        // elements
  std::span<const ElementKey> keys;
  std::size_t (*size)(const Config&);
  const void* (*at)(const Config&, std::size_t index);
  void* (*add)(Config&);  // one more, of defaults; valid until the next
  void (*clear)(Config&);
  bool (*same)(const Config&, const Config&);
  void (*copy)(Config& to, const Config& from);
  // What is wrong with that element beside its values' kinds; empty: nothing.
  std::string (*wrong)(const Config&, std::size_t index);
};

std::span<const TableArray> table_arrays() noexcept;
const TableArray* find_table_array(std::string_view name) noexcept;

// What a valid value is, for people: "an integer from 0 to 65535".
std::string expectation(const KeyFacts& key);

enum class Secrets {
  hide,   // a secret that is set shows as kHidden
  reveal  // the text parses back to the same Config
};
enum class Comments { none, docs };

inline constexpr std::string_view kHidden = "(hidden)";

// The whole configuration as TOML, every key once, then the elements of the arrays of tables. With
// Secrets::hide it is for reading: parse() refuses kHidden as a secret.
std::string to_toml(const Config& config, Secrets secrets, Comments comments);

// conf/reference.toml: the defaults with their doc lines; of an array of tables, which has no
// elements by default, one of defaults as a comment.
std::string reference_toml();

// The keys whose name matches the glob (`* ? [a-z] \`), with their values as text. Secrets are
// hidden. Any text (but a hidden one) is accepted back by set_live().
std::vector<std::pair<std::string, std::string>> get_matching(const Config& config,
                                                              std::string_view pattern);

struct Change {
  std::string_view key;  // or the name of an array of tables
  Reload reload;

  bool operator==(const Change&) const = default;
};

// The keys whose values differ, in the schema's order, then arrays of tables, which are read at
// start.
std::vector<Change> changed_keys(const Config& before, const Config& after);

// Sets what `change` names to what it is in `from`.
void take_back(Config& config, const Change& change, const Config& from);

}  // namespace tiercache::config
