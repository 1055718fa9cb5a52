// The only place that knows hiredis: it formats commands and understands replies for the control
// plane. It owns no socket. Limit: hiredis 0.14 follows seven levels of nesting.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/l2/reply.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tiercache::l2 {

void append_command(std::string& out, std::span<const std::string_view> args);

class ReplyReader {
 public:
  ReplyReader();
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;
  ~ReplyReader();

  // REQUIRES: `frame` is one whole reply.
  Result<Reply> read(std::string_view frame);

 private:
  void* reader_;
};

}  // namespace tiercache::l2
