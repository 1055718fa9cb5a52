#include "tiercache/base/result.hpp"

#include <memory>
#include <string>

#include <doctest/doctest.h>

using tiercache::Error;
using tiercache::ErrorCode;
using tiercache::Result;

TEST_CASE("a result holds a value or an error") {
  Result<int> good = 7;
  CHECK(good);
  CHECK(good.value() == 7);

  Result<int> bad = Error{ErrorCode::limit, "too long"};
  CHECK_FALSE(bad);
  CHECK(bad.error().code == ErrorCode::limit);
  CHECK(bad.error().detail == "too long");
}

TEST_CASE("a result moves its value and its error out") {
  Result<std::unique_ptr<int>> good = std::make_unique<int>(3);
  std::unique_ptr<int> taken = std::move(good).value();
  CHECK(*taken == 3);

  Result<int> bad = Error{ErrorCode::invalid, std::string(100, 'x')};
  CHECK(std::move(bad).error().detail.size() == 100);
}
