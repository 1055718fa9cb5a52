// What the checker writes, and how it knows it again: a key is a number with a shape; its states
// are numbered 0, 1, 2, ... by its one writer (a counter numbers them itself), and some numbers
// stand for "absent". From a key and a number follow the whole value, its length and its presence,
// so a reader needs nothing but the reply to say which state it saw.
//
// A Version packs the key's incarnation (7 bits) over the number (24 bits). The incarnation is part
// of the key's name: after a lost write or lost data a key starts again under a fresh name.
//
// Pure; no allocation but for the text that grows. Limits: kMaxNumber states an incarnation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tiercache::verify {

using KeyId = std::uint32_t;
using Version = std::uint32_t;

inline constexpr unsigned kNumberBits = 24;
inline constexpr Version kMaxNumber = (Version{1} << kNumberBits) - 1;
inline constexpr Version kMaxIncarnation = 127;

constexpr Version incarnation_of(Version version) noexcept {
  return version >> kNumberBits;
}
constexpr Version number_of(Version version) noexcept {
  return version & kMaxNumber;
}
constexpr Version make_version(Version incarnation, Version number) noexcept {
  return (incarnation << kNumberBits) | number;
}

enum class Shape : std::uint8_t {
  compact,  // one record of 8 bytes
  padded,   // a record, length, writer, checksum, padding
  records,  // up to kCycle records, grown by APPEND, started again by SET
  counter,  // decimal digits, by INCR
  hash,     // fields a and b hold the same record
  list,     // records, newest first, grown by LPUSH
  set,      // records, grown by SADD
  zset,     // member m, its score is the number
};

inline constexpr Version kCycle = 16;
inline constexpr std::size_t kRecordSize = 8;
inline constexpr std::size_t kPaddedHeader = 24;

struct KeyInfo {
  Shape shape = Shape::compact;
  // Every that many numbers the key is absent (0: only number 0 is). Lists and sets: kCycle.
  std::uint8_t absent_every = 0;
  // Numbers 2k+1 are written with an expiry; 2k+2 is the absence that follows by itself.
  bool expires = false;
  std::uint8_t owner = 0;  // which writer numbers its states
  std::uint32_t size = 0;  // padded: the least length
};

constexpr bool is_absent(const KeyInfo& info, Version number) noexcept {
  return number == 0 || (info.absent_every != 0 && number % info.absent_every == 0);
}
// How many records a growing value holds. REQUIRES: it is present.
constexpr Version record_count(const KeyInfo& info, Version number) noexcept {
  return info.shape == Shape::records ? (number - 1) % kCycle + 1 : number % kCycle;
}
// STRLEN of the state (LLEN of a list, SCARD of a set); 0 if absent.
std::uint64_t length_of(const KeyInfo& info, KeyId key, Version number) noexcept;

// One record: key, version and a checksum over both.
void append_record(KeyId key, Version version, std::string& out);
// The number in it, if it is whole and of this key and incarnation.
std::optional<Version> read_record(KeyId key, Version incarnation, std::string_view text) noexcept;

// The whole value of a string-like shape. REQUIRES: the version is a present one.
void append_value(const KeyInfo& info, KeyId key, Version version, std::uint16_t writer,
                  std::string& out);
std::optional<Version> read_value(const KeyInfo& info, KeyId key, Version incarnation,
                                  std::string_view text) noexcept;

// Digits only, no sign, no leading zero.
std::optional<Version> read_number(std::string_view text) noexcept;

// So many neighbours lie on one slot of a Cluster, whatever they are: a group that is written by
// one MSET, read in one MULTI. The plan lays the groups so that none crosses a border.
inline constexpr KeyId kTogether = 16;

// The names of one run: fixed width, so that commands can be stamped out.
class Names {
 public:
  static constexpr std::size_t kSize = 23;
  explicit Names(std::uint16_t run) noexcept;
  // Writes kSize bytes.
  void write(char* to, KeyId key, Version incarnation) const noexcept;
  std::string name(KeyId key, Version incarnation) const;

 private:
  char prefix_[12];
};

}  // namespace tiercache::verify
