// What a scan of a byte stream can come to. Shared by the request parser and the reply scanner.
#pragma once

#include <cstdint>

namespace tiercache::resp {

enum class ParseStatus : std::uint8_t {
  complete,
  incomplete,  // everything seen so far is fine; the rest has not arrived
  error,       // the stream cannot be followed any further: close the connection
};

}  // namespace tiercache::resp
