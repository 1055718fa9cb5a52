#include "tiercache/topology/slots.hpp"

#include <array>
#include <charconv>

namespace tiercache::topology {

namespace {

constexpr std::uint16_t kPolynomial = 0x1021;

// What a byte makes of the checksum if so many others follow it: four bytes cost one step.
constexpr std::size_t kAtOnce = 4;
constexpr std::array<std::array<std::uint16_t, 256>, kAtOnce> kTables = [] {
  std::array<std::array<std::uint16_t, 256>, kAtOnce> tables{};
  for (unsigned byte = 0; byte < 256; byte++) {
    unsigned crc = byte << 8U;
    for (std::size_t behind = 0; behind < kAtOnce; behind++) {
      for (int bit = 0; bit < 8; bit++) {
        crc = (crc & 0x8000U) != 0 ? crc << 1U ^ kPolynomial : crc << 1U;
      }
      tables[behind][byte] = static_cast<std::uint16_t>(crc);
      crc = tables[behind][byte];
    }
  }
  return tables;
}();

std::string_view hashed_part(std::string_view key) noexcept {
  const std::size_t open = key.find('{');
  if (open == std::string_view::npos) {
    return key;
  }
  const std::size_t close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) {
    return key;
  }
  return key.substr(open + 1, close - open - 1);
}

template <class Number>
bool read_number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

Slot slot_of(std::string_view key) noexcept {
  const std::string_view hashed = hashed_part(key);
  const auto byte = [&](std::size_t at) {
    return static_cast<unsigned char>(hashed[at]);
  };
  unsigned crc = 0;
  std::size_t at = 0;
  for (; at + kAtOnce <= hashed.size(); at += kAtOnce) {
    crc = static_cast<unsigned>(kTables[3][crc >> 8U ^ byte(at)]) ^
          kTables[2][(crc & 0xffU) ^ byte(at + 1)] ^ kTables[1][byte(at + 2)] ^
          kTables[0][byte(at + 3)];
  }
  for (; at < hashed.size(); at++) {
    crc = (crc << 8U ^ kTables[0][crc >> 8U ^ byte(at)]) & 0xffffU;
  }
  return static_cast<Slot>(crc % kSlots);
}

std::optional<Redirect> read_redirect(std::string_view error) {
  Redirect redirect;
  if (error.starts_with("-MOVED ")) {
    error.remove_prefix(7);
  } else if (error.starts_with("-ASK ")) {
    redirect.kind = Redirect::Kind::ask;
    error.remove_prefix(5);
  } else {
    return std::nullopt;
  }
  error = error.substr(0, error.find('\r'));
  const std::size_t space = error.find(' ');
  const std::size_t colon = error.rfind(':');
  if (space == std::string_view::npos || colon == std::string_view::npos || colon < space ||
      !read_number(error.substr(0, space), redirect.slot) || redirect.slot >= kSlots) {
    return std::nullopt;
  }
  redirect.endpoint.host = error.substr(space + 1, colon - space - 1);
  if (!read_number(error.substr(colon + 1), redirect.endpoint.port) ||
      redirect.endpoint.port == 0 || redirect.endpoint.host.size() > config::kMaxHost) {
    return std::nullopt;
  }
  return redirect;
}

}  // namespace tiercache::topology
