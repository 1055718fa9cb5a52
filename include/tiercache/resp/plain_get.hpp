// Recognises a whole "GET key" as client libraries write it, at a glance: for runs of them, where a
// full look at each is most of what it costs. What it does not recognise is for RequestParser,
// which says the same of what it does.
//
// Pure; compares eight bytes at a time.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tiercache::resp {

// Longer keys are not recognised, so that a request has at most so many bytes.
inline constexpr std::size_t kLongestPlainKey = 999;
inline constexpr std::size_t kLongestPlainGet = 1024;

struct PlainGet {
  std::string_view key;
  std::size_t size = 0;  // of the whole request; 0: `input` does not begin with one
};

inline PlainGet plain_get(std::string_view input) noexcept {
  using Eight = std::array<char, 8>;
  constexpr std::size_t kShortest = 19;  // "*2\r\n$3\r\nGET\r\n$0\r\n\r\n"
  constexpr std::size_t kDigitsAt = 14;
  constexpr auto kCounts =
      std::bit_cast<std::uint64_t>(Eight{'*', '2', '\r', '\n', '$', '3', '\r', '\n'});
  constexpr auto kWord = std::bit_cast<std::uint64_t>(Eight{'g', 'e', 't', '\r', '\n', '$', 0, 0});
  constexpr auto kLower = std::bit_cast<std::uint64_t>(Eight{' ', ' ', ' ', 0, 0, 0, 0, 0});
  constexpr auto kSix = std::bit_cast<std::uint64_t>(Eight{-1, -1, -1, -1, -1, -1, 0, 0});
  const auto digit = [](char c) {
    return static_cast<std::size_t>(c) - std::size_t{'0'};
  };
  if (input.size() < kShortest) {
    return {};
  }
  const char* const p = input.data();
  std::uint64_t counts = 0;
  std::uint64_t word = 0;
  std::memcpy(&counts, p, sizeof counts);
  std::memcpy(&word, p + sizeof counts, sizeof word);
  if (counts != kCounts || ((word | kLower) & kSix) != kWord) {
    return {};
  }
  // A number of up to three digits without a leading zero.
  const char* q = p + kDigitsAt;
  std::size_t length = digit(*q++);
  if (length > 9) {
    return {};
  }
  if (length != 0 && digit(*q) <= 9) {
    length = length * 10 + digit(*q++);
    if (digit(*q) <= 9) {
      length = length * 10 + digit(*q++);
    }
  }
  if (q[0] != '\r' || q[1] != '\n') {
    return {};
  }
  q += 2;
  const auto left = static_cast<std::size_t>(p + input.size() - q);
  if (left < length + 2 || q[length] != '\r' || q[length + 1] != '\n') {
    return {};
  }
  return {std::string_view(q, length), static_cast<std::size_t>(q - p) + length + 2};
}

}  // namespace tiercache::resp
