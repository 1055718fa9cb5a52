// How the parts of a key become the parameters of a query: "account:{id:int}:{region}". Text stands
// for itself, {name} takes any bytes up to the text that follows, {name:int} a whole number as
// Redis reads one. Parts are values that are bound, never text that is spliced in.
//
// Made at start, then only read: thread-safe, pure. Matching is one pass over the key.
#pragma once

#include "tiercache/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tiercache::config {

class KeyPattern {
 public:
  using Value = std::variant<std::int64_t, std::string>;

  // What is wrong with it is said in the error.
  static Result<KeyPattern> parse(std::string_view text);

  // The values of the parts in their order; nothing if the key does not fit.
  std::optional<std::vector<Value>> match(std::string_view key) const;
  // Whether the key fits, and the part of that name has these bytes.
  bool has(std::string_view key, std::string_view name, std::string_view value) const;
  // A glob of Redis's for the keys of which that is so; it may fit others.
  // REQUIRES: there is a part of that name.
  std::string glob(std::string_view name, std::string_view value) const;
  // Of the parts in their order.
  const std::vector<std::string>& names() const noexcept {
    return names_;
  }
  // Which of them are whole numbers.
  std::vector<bool> integers() const;

 private:
  std::size_t position(std::string_view name) const noexcept;

  enum class Kind : std::uint8_t { text, integer };
  struct Part {
    Kind kind = Kind::text;
    std::string after;  // the text behind it; empty only at the end
  };

  std::string before_;
  std::vector<Part> parts_;
  std::vector<std::string> names_;
};

}  // namespace tiercache::config
