#include "tiercache/topology/slots.hpp"

#include <array>
#include <charconv>

namespace tiercache::topology {

namespace {

constexpr std::uint16_t kPolynomial = 0x1021;

constexpr std::array<std::uint16_t, 256> kTable = [] {
  std::array<std::uint16_t, 256> table{};
  for (unsigned byte = 0; byte < 256; byte++) {
    unsigned crc = byte << 8U;
    for (int bit = 0; bit < 8; bit++) {
      crc = (crc & 0x8000U) != 0 ? crc << 1U ^ kPolynomial : crc << 1U;
    }
    table[byte] = static_cast<std::uint16_t>(crc);
  }
  return table;
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
  unsigned crc = 0;
  for (const char character : hashed_part(key)) {
    const auto byte = static_cast<unsigned char>(character);
    crc = (crc << 8U ^ kTable[(crc >> 8U ^ byte) & 0xffU]) & 0xffffU;
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
