#include "value.hpp"

#include <algorithm>
#include <cstring>

#include <xxhash.h>

namespace tiercache::verify {
namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

std::uint64_t pack_record(KeyId key, Version version) noexcept {
  const std::uint64_t body = (std::uint64_t{version} << 16) | (key & 0xffffU);
  const std::uint64_t sum = mix(((std::uint64_t{key} << 32) | version) + kGolden) & 0xffffU;
  return body | (sum << 48);
}

template <class T>
T load(const char* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void store(char* to, T value) noexcept {
  std::memcpy(to, &value, sizeof value);
}

// Over everything but the checksum's own 8 bytes, which lie behind the first 16.
std::uint64_t checksum(std::string_view text) noexcept {
  return XXH3_64bits_withSeed(text.data() + kPaddedHeader, text.size() - kPaddedHeader,
                              XXH3_64bits(text.data(), 16));
}

void append_padded(const KeyInfo& info, KeyId key, Version version, std::uint16_t writer,
                   std::string& out) {
  const std::size_t start = out.size();
  const std::size_t size = length_of(info, key, number_of(version));
  out.resize(start + size);
  char* const to = out.data() + start;
  store(to, pack_record(key, version));
  store(to + 8, static_cast<std::uint32_t>(size));
  store(to + 12, writer);
  store(to + 14, std::uint16_t{0});
  std::uint64_t pad = mix(key + kGolden * version);
  for (std::size_t at = kPaddedHeader; at < size; at += 8) {
    pad = pad * 6364136223846793005ULL + 1442695040888963407ULL;
    std::memcpy(to + at, &pad, std::min<std::size_t>(8, size - at));
  }
  store(to + 16, checksum({to, size}));
}

std::optional<Version> read_padded(KeyId key, Version incarnation, std::string_view text) noexcept {
  if (text.size() < kPaddedHeader || load<std::uint32_t>(text.data() + 8) != text.size() ||
      load<std::uint64_t>(text.data() + 16) != checksum(text)) {
    return std::nullopt;
  }
  return read_record(key, incarnation, text.substr(0, kRecordSize));
}

std::optional<Version> read_records(const KeyInfo& info, KeyId key, Version incarnation,
                                    std::string_view text) noexcept {
  if (text.empty() || text.size() % kRecordSize != 0) {
    return std::nullopt;
  }
  const auto count = static_cast<Version>(text.size() / kRecordSize);
  const auto newest = read_record(key, incarnation, text.substr(text.size() - kRecordSize));
  if (!newest || *newest == 0 || record_count(info, *newest) != count) {
    return std::nullopt;
  }
  for (Version i = 0; i + 1 < count; ++i) {
    if (read_record(key, incarnation, text.substr(i * kRecordSize, kRecordSize)) !=
        *newest - (count - 1 - i)) {
      return std::nullopt;
    }
  }
  return newest;
}

void hex(char* to, std::uint32_t value, unsigned digits) noexcept {
  for (unsigned i = 0; i < digits; ++i) {
    to[i] = "0123456789abcdef"[(value >> (4 * (digits - 1 - i))) & 0xfU];
  }
}

}  // namespace

std::uint64_t length_of(const KeyInfo& info, KeyId key, Version number) noexcept {
  if (is_absent(info, number)) {
    return 0;
  }
  switch (info.shape) {
    case Shape::compact:
      return kRecordSize;
    case Shape::padded:
      // Neighbours differ, so that STRLEN tells them apart.
      return info.size + mix(key + kGolden * (number / 8)) % (info.size / 2 + 1) + number % 8;
    case Shape::records:
      return kRecordSize * record_count(info, number);
    case Shape::counter:
      return std::to_string(number).size();
    case Shape::list:
    case Shape::set:
      return record_count(info, number);
    case Shape::hash:
      return 2;
    case Shape::zset:
      return 1;
  }
  return 0;
}

void append_record(KeyId key, Version version, std::string& out) {
  char bytes[kRecordSize];
  store(bytes, pack_record(key, version));
  out.append(bytes, sizeof bytes);
}

std::optional<Version> read_record(KeyId key, Version incarnation, std::string_view text) noexcept {
  if (text.size() != kRecordSize) {
    return std::nullopt;
  }
  const auto packed = load<std::uint64_t>(text.data());
  const auto version = static_cast<Version>(packed >> 16);
  if (packed != pack_record(key, version) || incarnation_of(version) != incarnation) {
    return std::nullopt;
  }
  return number_of(version);
}

void append_value(const KeyInfo& info, KeyId key, Version version, std::uint16_t writer,
                  std::string& out) {
  switch (info.shape) {
    case Shape::padded:
      append_padded(info, key, version, writer, out);
      return;
    case Shape::records: {
      const Version count = record_count(info, number_of(version));
      for (Version i = 0; i < count; ++i) {
        append_record(key, version - (count - 1 - i), out);
      }
      return;
    }
    case Shape::counter:
      out += std::to_string(number_of(version));
      return;
    default:
      append_record(key, version, out);
  }
}

std::optional<Version> read_value(const KeyInfo& info, KeyId key, Version incarnation,
                                  std::string_view text) noexcept {
  switch (info.shape) {
    case Shape::padded:
      return read_padded(key, incarnation, text);
    case Shape::records:
      return read_records(info, key, incarnation, text);
    case Shape::counter:
      return read_number(text);
    default:
      return read_record(key, incarnation, text);
  }
}

std::optional<Version> read_number(std::string_view text) noexcept {
  if (text.empty() || text.size() > 8 || (text[0] == '0' && text.size() > 1)) {
    return std::nullopt;
  }
  Version number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    number = number * 10 + static_cast<Version>(c - '0');
  }
  return number <= kMaxNumber ? std::optional(number) : std::nullopt;
}

Names::Names(std::uint16_t run) noexcept {
  std::memcpy(prefix_, "verify:0000:", 12);
  hex(prefix_ + 7, run, 4);
}

void Names::write(char* to, KeyId key, Version incarnation) const noexcept {
  std::memcpy(to, prefix_, 12);
  hex(to + 12, incarnation, 2);
  std::memcpy(to + 14, ":{", 2);
  hex(to + 16, key / kTogether, 5);
  to[21] = '}';
  hex(to + 22, key % kTogether, 1);
}

std::string Names::name(KeyId key, Version incarnation) const {
  std::string text(kSize, '\0');
  write(text.data(), key, incarnation);
  return text;
}

}  // namespace tiercache::verify
