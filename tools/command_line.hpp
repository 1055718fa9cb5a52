// What the programs of this folder read their command lines with: numbers, lists, and options that
// have a value. Pure; numbers are whole words within their limits, anything else is an error.
#pragma once

#include "tiercache/base/result.hpp"

#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace tiercache::tools {

inline Error invalid(std::string detail) {
  return {ErrorCode::invalid, std::move(detail)};
}

// What stands before the separator; `rest` becomes what stands behind it (nothing, if there is
// none).
inline std::string_view take_until(std::string_view& rest, char separator) noexcept {
  const std::size_t at = rest.find(separator);
  const std::string_view head = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return head;
}

template <class Number>
std::optional<Number> to_any_number(std::string_view text) noexcept {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

template <class Number = std::uint64_t>
std::optional<Number> to_number(std::string_view text, std::type_identity_t<Number> least,
                                std::type_identity_t<Number> most) noexcept {
  const auto number = to_any_number<Number>(text);
  return number && *number >= least && *number <= most ? number : std::nullopt;
}

inline std::optional<double> to_real(std::string_view text) noexcept {
  return to_any_number<double>(text);
}

template <class Settings, class Number>
struct NumberOption {
  std::string_view name;
  Number least;
  Number most;
  void (*set)(Settings&, Number);
};

// Takes an option that has a number; an error if it is not one of them or the number is bad.
template <class Settings, class Number, std::size_t N>
Status take_number(const NumberOption<Settings, Number> (&options)[N], Settings& settings,
                   std::string_view name, std::string_view value) {
  for (const NumberOption<Settings, Number>& option : options) {
    if (option.name != name) {
      continue;
    }
    const auto number = to_number<Number>(value, option.least, option.most);
    if (!number) {
      return invalid(std::string(name) + " wants a number from " + std::to_string(option.least) +
                     " to " + std::to_string(option.most) + ", not " + std::string(value));
    }
    option.set(settings, *number);
    return Unit{};
  }
  return invalid("no option is called " + std::string(name));
}

// Goes through options: flag(name) says whether it is one without a value, take(name, value) is
// given all others.
template <class Flag, class Take>
Status read_options(std::span<const std::string_view> arguments, Flag&& flag, Take&& take) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (flag(arguments[i])) {
      continue;
    }
    if (i + 1 == arguments.size()) {
      return invalid(std::string(arguments[i]) + " is no option, or its value is missing");
    }
    if (Status status = take(arguments[i], arguments[i + 1]); !status) {
      return status;
    }
    ++i;
  }
  return Unit{};
}

}  // namespace tiercache::tools
