#include "verify/value.hpp"

#include <string>

#include <doctest/doctest.h>

namespace tiercache::verify {
namespace {

KeyInfo info_of(Shape shape, std::uint32_t size = 0, std::uint8_t absent_every = 0) {
  KeyInfo info;
  info.shape = shape;
  info.size = size;
  info.absent_every = absent_every;
  return info;
}

std::string value_of(const KeyInfo& info, KeyId key, Version version) {
  std::string text;
  append_value(info, key, version, 3, text);
  return text;
}

}  // namespace

TEST_CASE("a value of any shape and size says which state it is") {
  for (const KeyInfo& info :
       {info_of(Shape::compact), info_of(Shape::padded, 32), info_of(Shape::padded, 70000),
        info_of(Shape::records), info_of(Shape::counter)}) {
    for (const Version number : {1U, 2U, 15U, 16U, 17U, 4711U, 1000000U}) {
      const Version version = make_version(5, number);
      const std::string text = value_of(info, 70001, version);
      CAPTURE(static_cast<int>(info.shape));
      CHECK(read_value(info, 70001, 5, text) == number);
      CHECK(text.size() == length_of(info, 70001, number));
    }
  }
}

TEST_CASE("a value with any one byte changed is not whole") {
  for (const KeyInfo& info :
       {info_of(Shape::compact), info_of(Shape::padded, 48), info_of(Shape::records)}) {
    const std::string text = value_of(info, 12, make_version(0, 5));
    for (std::size_t i = 0; i < text.size(); ++i) {
      std::string changed = text;
      changed[i] = static_cast<char>(changed[i] ^ 0x20);
      CAPTURE(i);
      CHECK(read_value(info, 12, 0, changed) == std::nullopt);
    }
  }
}

TEST_CASE("a value that is cut, prolonged or put together from two is not whole") {
  const KeyInfo info = info_of(Shape::padded, 64);
  const std::string text = value_of(info, 12, 5);
  CHECK(read_value(info, 12, 0, text.substr(0, text.size() - 1)) == std::nullopt);
  CHECK(read_value(info, 12, 0, text + "x") == std::nullopt);
  CHECK(read_value(info, 12, 0, "") == std::nullopt);
  const std::string next = value_of(info, 12, 6);
  CHECK(read_value(info, 12, 0, next.substr(0, 30) + text.substr(30)) == std::nullopt);
}

TEST_CASE("a value of another key or incarnation is not this key's") {
  const KeyInfo info = info_of(Shape::compact);
  const std::string text = value_of(info, 12, make_version(2, 5));
  CHECK(read_value(info, 12, 2, text) == 5);
  CHECK(read_value(info, 13, 2, text) == std::nullopt);
  // The record holds 16 bits of the key; its checksum covers all of them.
  CHECK(read_value(info, 12 + 65536, 2, text) == std::nullopt);
  CHECK(read_value(info, 12, 1, text) == std::nullopt);
}

TEST_CASE("appended records must follow each other and be complete") {
  const KeyInfo info = info_of(Shape::records);
  std::string text;
  for (const Version version : {17U, 18U, 19U}) {
    append_record(9, version, text);
  }
  CHECK(read_value(info, 9, 0, text) == 19);
  CHECK(read_value(info, 9, 0, text.substr(8)) == std::nullopt);
  CHECK(read_value(info, 9, 0, text.substr(0, 8) + text.substr(16)) == std::nullopt);
  CHECK(read_value(info, 9, 0, text.substr(0, 12)) == std::nullopt);
}

TEST_CASE("absent states are the first and every n-th") {
  const KeyInfo toggle = info_of(Shape::compact, 0, 2);
  CHECK(is_absent(toggle, 0));
  CHECK_FALSE(is_absent(toggle, 1));
  CHECK(is_absent(toggle, 2));
  CHECK(length_of(toggle, 1, 2) == 0);
  const KeyInfo lasting = info_of(Shape::compact);
  CHECK(is_absent(lasting, 0));
  CHECK_FALSE(is_absent(lasting, 16));
}

TEST_CASE("neighbouring padded states have different lengths") {
  const KeyInfo info = info_of(Shape::padded, 100);
  for (Version number = 1; number < 200; ++number) {
    if (number % 8 != 7) {
      CHECK(length_of(info, 4, number) != length_of(info, 4, number + 1));
    }
  }
}

TEST_CASE("a number is digits only") {
  CHECK(read_number("0") == 0);
  CHECK(read_number("1234567") == 1234567);
  for (const char* text : {"", "-1", "+1", "01", "1.5", "1e3", " 1", "99999999", "123456789"}) {
    CAPTURE(text);
    CHECK(read_number(text) == std::nullopt);
  }
}

TEST_CASE("names differ by run, incarnation and key, and have one length") {
  const Names names(0xabcd);
  CHECK(names.name(0x12345, 0x7f) == "verify:abcd:7f:{01234}5");
  CHECK(names.name(1, 0).size() == Names::kSize);
  CHECK(names.name(1, 0) != names.name(1, 1));
  CHECK(names.name(1, 0) != names.name(2, 0));
  CHECK(names.name(1, 0) != Names(1).name(1, 0));
}

}  // namespace tiercache::verify
