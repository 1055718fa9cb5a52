// Result<T>: a value or an Error, for everything that can fail because of the world outside.
// Ignoring one is a compiler warning. Exceptions are left to start-up.
#pragma once

#include "tiercache/base/check.hpp"

#include <string>
#include <utility>
#include <variant>

namespace tiercache {

enum class ErrorCode {
  invalid,      // the input breaks its format
  limit,        // the input is well-formed but larger than allowed
  unavailable,  // a peer or resource cannot be reached now
  refused,      // a peer answered, and said no
  internal,
};

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string detail;  // for people; one line, no trailing full stop
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {
  }
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {
  }

  explicit operator bool() const noexcept {
    return state_.index() == 0;
  }
  // REQUIRES: holds a value.
  T& value() & {
    TC_CHECK(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    TC_CHECK(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    TC_CHECK(state_.index() == 0);
    return std::move(*std::get_if<0>(&state_));
  }
  T* operator->() {
    return &value();
  }
  T& operator*() & {
    return value();
  }
  // REQUIRES: holds an error.
  const Error& error() const& {
    TC_CHECK(state_.index() == 1);
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    TC_CHECK(state_.index() == 1);
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, Error> state_;
};

struct Unit {};
using Status = Result<Unit>;

}  // namespace tiercache
