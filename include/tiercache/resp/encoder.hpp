// Writes replies and requests: every function appends one frame, or the header of one, to `out`.
//
// Pure and thread-safe; the caller owns `out`, and bounds it. Cost: a few appends, no temporary
// allocation. Where a RESP3 type does not exist in RESP2, the server's own stand-in is written, so
// that a caller states what it means once and gives the client's version.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace tiercache::resp {

enum class Version : std::uint8_t { resp2 = 2, resp3 = 3 };

// "+text". CR and LF in text become spaces: they would end the frame early.
void append_simple(std::string& out, std::string_view text);
// "-text", likewise. The text begins with its code: "ERR unknown command".
void append_error(std::string& out, std::string_view text);
void append_integer(std::string& out, std::int64_t value);
void append_bulk(std::string& out, std::string_view bytes);
void append_null(std::string& out, Version version);                 // RESP2: a null bulk string
void append_null_array(std::string& out, Version version);           // RESP2: a null array
void append_boolean(std::string& out, bool value, Version version);  // RESP2: integer 1 or 0
// The shortest text that reads back as the same double; inf, -inf, nan. RESP2: a bulk string.
void append_double(std::string& out, double value, Version version);
// REQUIRES: format has three bytes ("txt", "mkd"). RESP2: a bulk string.
void append_verbatim(std::string& out, std::string_view format, std::string_view text,
                     Version version);

// Headers; the caller appends the elements. A map of n has n keys and n values and is an array of
// 2n in RESP2; sets and pushes are arrays there.
void append_array_header(std::string& out, std::size_t elements);
void append_map_header(std::string& out, std::size_t pairs, Version version);
void append_set_header(std::string& out, std::size_t elements, Version version);
void append_push_header(std::string& out, std::size_t elements, Version version);

// A request: an array of bulk strings.
void append_request(std::string& out, std::span<const std::string_view> args);
void append_request(std::string& out, std::initializer_list<std::string_view> args);

}  // namespace tiercache::resp
