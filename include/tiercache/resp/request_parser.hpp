// RequestParser finds one client request after another in the bytes a client sent: arrays of bulk
// strings, and inline commands (a line of words, quoted as in redis-cli).
//
// Owner and thread: one parser per client session, used on that session's thread only.
// Memory: 16 bytes per argument of the largest recent request (a large table is given back when the
// next request starts); while a request is incomplete, another 16 bytes per argument that has
// arrived. Nothing is ever reserved for a count or a length that is only claimed.
// Cost: a whole pipelined GET is one pass of a few comparisons, without allocation. A request that
// arrives in pieces costs O(bytes) in all, however small the pieces: the parser remembers offsets,
// so the input buffer may move and grow between calls.
//
// It accepts and refuses exactly what redis-server 7.0.15 does, in the same words, including two
// oddities: the byte pair that ends a line or a bulk is not compared with CRLF (RequestForm::sloppy
// marks such requests, because other servers are stricter), and a NUL byte hides the rest of a line
// (the request stays incomplete until it is "too big"). Beyond the server's limits there are two
// of our own: max_args and max_request.
#pragma once

#include "tiercache/resp/parse_status.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::resp {

struct RequestLimits {
  std::size_t max_args = std::size_t{1024} * 1024;
  std::size_t max_bulk = std::size_t{512} * 1024 * 1024;      // one argument
  std::size_t max_request = std::size_t{1024} * 1024 * 1024;  // all bytes of one request
  std::size_t max_inline = std::size_t{64} * 1024;            // a line: inline command or header
};

enum class RequestForm : std::uint8_t {
  canonical,    // as every client library writes it: `raw` may be relayed
  sloppy,       // an array with something else than CRLF where CRLF belongs
  inline_line,  // a line of words
};

// Views into the input of the parse() that returned complete; arguments of an inline request that
// had to be unquoted lie in the parser. All are valid until that input moves or parse() is called.
struct Request {
  std::span<const std::string_view> args;  // empty for "\r\n", "*0\r\n", "*-1\r\n": ignore these
  std::string_view raw;
  RequestForm form = RequestForm::canonical;
};

// Appends the request as an upstream server must see it: `raw` if canonical, else encoded anew.
void append_relay(std::string& out, const Request& request);

// Whose bytes these are. Before AUTH the server takes at most 10 arguments of 16 KiB each, so that
// a stranger cannot make it hold memory.
enum class Peer : std::uint8_t { trusted, unauthenticated };

class RequestParser {
 public:
  explicit RequestParser(RequestLimits limits = {});
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // REQUIRES: `input` begins at the first byte not consumed yet, and while the answer is incomplete
  // each call's input begins with the bytes of the call before.
  // After error every further call answers error.
  ParseStatus parse(std::string_view input);

  // Whether plain_get() may be asked in place of parse(): no request is incomplete, and none that
  // it recognises could be beyond a limit. What it has recognised is simply not given to parse().
  bool may_glance() const noexcept;

  // REQUIRES: the last parse() returned complete.
  const Request& request() const noexcept {
    return request_;
  }
  // Bytes that the last parse() used up: request().raw.size() after complete, else 0.
  std::size_t consumed() const noexcept {
    return consumed_;
  }
  // After incomplete: a lower bound of the bytes still missing, at least 1, for sizing the next
  // read. Never more than max(64 KiB, what has arrived), so that memory grows with real bytes.
  std::size_t wanted() const noexcept {
    return wanted_;
  }
  // After error: the text to answer after "-ERR ", for example "Protocol error: invalid bulk
  // length". One line.
  std::string_view error() const noexcept {
    return error_;
  }

  // Takes effect with the next header that is parsed. A new parser trusts its peer.
  void set_peer(Peer peer) noexcept {
    peer_ = peer;
  }

 private:
  enum class Step : std::uint8_t { start, line, count, bulk_header, bulk_body, failed };
  struct Slot {
    std::size_t offset;
    std::size_t length;
  };

  bool parse_small_array(std::string_view input);
  void begin(char first_byte);
  ParseStatus resume(std::string_view input);
  ParseStatus parse_line(std::string_view input);
  ParseStatus parse_count(std::string_view input);
  ParseStatus parse_bulk_header(std::string_view input);
  ParseStatus parse_bulk_body(std::string_view input);
  ParseStatus need(std::string_view input, std::size_t missing);
  std::size_t find_in_line(std::string_view input, char terminator);
  ParseStatus line_missing(std::string_view input, std::string_view too_big);
  ParseStatus complete(std::string_view input, std::size_t args, RequestForm form);
  ParseStatus fail(std::string_view text);
  void release_excess();

  // Constant after construction.
  RequestLimits limits_;

  Peer peer_ = Peer::trusted;
  Step step_ = Step::start;
  bool sloppy_ = false;
  // Offsets into the input, counted from the first byte of the request.
  std::size_t pos_ = 0;      // everything before it is understood
  std::size_t scanned_ = 0;  // no line end lies between pos_ and this
  std::size_t seen_ = 0;     // size of the last input
  std::size_t args_left_ = 0;
  std::size_t bulk_length_ = 0;
  std::vector<Slot> slots_;  // arguments of an incomplete request

  std::vector<std::string_view> args_;  // its size is the room there is, not the argument count
  std::string unquoted_;
  Request request_;
  std::size_t consumed_ = 0;
  std::size_t wanted_ = 0;
  std::string error_;
};

}  // namespace tiercache::resp
