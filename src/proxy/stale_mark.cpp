#include "stale_mark.hpp"

#include "tiercache/base/words.hpp"

namespace tiercache::proxy {

std::string stale_mark(const Staleness& stale) {
  std::string out;
  if (stale.values > 0) {
    out = "|2\r\n";
    resp::append_bulk(out, "tiercache.stale");
    resp::append_integer(out, std::int64_t{stale.values});
    resp::append_bulk(out, "tiercache.stale_because");
    resp::append_bulk(out, stale.failed ? "source_failed" : "loading");
  }
  return out;
}

bool is_mark(command::Args args) {
  return args.size() > 1 && is_word(args[1], "mark");
}

MarkWish read_mark(command::Args args, resp::Version version) {
  if (args.size() != 3) {
    return {false, "ERR wrong number of arguments for 'cache|mark' command"};
  }
  if (is_word(args[2], "off")) {
    return {};
  }
  if (!is_word(args[2], "on")) {
    return {false, "ERR syntax error, CACHE MARK is ON or OFF"};
  }
  if (version != resp::Version::resp3) {
    return {false, "ERR tiercache: RESP2 has no attributes, CACHE MARK needs HELLO 3"};
  }
  return {true};
}

}  // namespace tiercache::proxy
