#include "tiercache/resp/encoder.hpp"

#include "tiercache/base/check.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

namespace tiercache::resp {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

template <class Number>
void append_number_line(std::string& out, char type, Number value) {
  std::array<char, 24> line;  // type, at most 20 characters, CRLF
  line[0] = type;
  char* p = std::to_chars(line.data() + 1, line.data() + line.size() - 2, value).ptr;
  *p++ = '\r';
  *p++ = '\n';
  out.append(line.data(), static_cast<std::size_t>(p - line.data()));
}

void append_text_line(std::string& out, char type, std::string_view text) {
  out.push_back(type);
  const std::size_t begin = out.size();
  out.append(text);
  for (std::size_t i = begin; i < out.size(); ++i) {
    if (out[i] == '\r' || out[i] == '\n') {
      out[i] = ' ';
    }
  }
  out.append(kLineEnd);
}

}  // namespace

void append_simple(std::string& out, std::string_view text) {
  append_text_line(out, '+', text);
}

void append_error(std::string& out, std::string_view text) {
  append_text_line(out, '-', text);
}

void append_integer(std::string& out, std::int64_t value) {
  append_number_line(out, ':', value);
}

void append_bulk(std::string& out, std::string_view bytes) {
  append_number_line(out, '$', bytes.size());
  out.append(bytes);
  out.append(kLineEnd);
}

void append_null(std::string& out, Version version) {
  out.append(version == Version::resp3 ? "_\r\n" : "$-1\r\n");
}

void append_null_array(std::string& out, Version version) {
  out.append(version == Version::resp3 ? "_\r\n" : "*-1\r\n");
}

void append_boolean(std::string& out, bool value, Version version) {
  if (version == Version::resp3) {
    out.append(value ? "#t\r\n" : "#f\r\n");
  } else {
    append_integer(out, value ? 1 : 0);
  }
}

void append_double(std::string& out, double value, Version version) {
  std::array<char, 32> digits;  // the longest shortest form has 24 characters
  // A NaN's sign means nothing, and "-nan" is not a number in RESP3.
  const auto [end, code] =
      std::to_chars(digits.data(), digits.data() + digits.size(), std::isnan(value) ? NAN : value);
  TC_CHECK(code == std::errc{});
  const std::string_view text(digits.data(), static_cast<std::size_t>(end - digits.data()));
  if (version == Version::resp3) {
    append_text_line(out, ',', text);
  } else {
    append_bulk(out, text);
  }
}

void append_verbatim(std::string& out, std::string_view format, std::string_view text,
                     Version version) {
  TC_CHECK(format.size() == 3);
  if (version == Version::resp2) {
    append_bulk(out, text);
    return;
  }
  append_number_line(out, '=', text.size() + 4);
  out.append(format);
  out.push_back(':');
  out.append(text);
  out.append(kLineEnd);
}

void append_array_header(std::string& out, std::size_t elements) {
  append_number_line(out, '*', elements);
}

void append_map_header(std::string& out, std::size_t pairs, Version version) {
  if (version == Version::resp3) {
    append_number_line(out, '%', pairs);
  } else {
    append_number_line(out, '*', pairs * 2);
  }
}

void append_set_header(std::string& out, std::size_t elements, Version version) {
  append_number_line(out, version == Version::resp3 ? '~' : '*', elements);
}

void append_push_header(std::string& out, std::size_t elements, Version version) {
  append_number_line(out, version == Version::resp3 ? '>' : '*', elements);
}

void append_request(std::string& out, std::span<const std::string_view> args) {
  append_array_header(out, args.size());
  for (const std::string_view arg : args) {
    append_bulk(out, arg);
  }
}

void append_request(std::string& out, std::initializer_list<std::string_view> args) {
  append_request(out, std::span<const std::string_view>(args.begin(), args.size()));
}

}  // namespace tiercache::resp
