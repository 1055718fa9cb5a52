#include "hiredis_adapter.hpp"

#include "tiercache/base/check.hpp"

#include <utility>
#include <vector>

#include <hiredis/hiredis.h>

namespace tiercache::l2 {

namespace {

Reply convert(const redisReply& from) {
  Reply reply;
  switch (from.type) {
    case REDIS_REPLY_STATUS:
      reply.kind = Reply::Kind::status;
      break;
    case REDIS_REPLY_ERROR:
      reply.kind = Reply::Kind::error;
      break;
    case REDIS_REPLY_STRING:
      reply.kind = Reply::Kind::text;
      break;
    case REDIS_REPLY_INTEGER:
      reply.kind = Reply::Kind::integer;
      reply.integer = from.integer;
      return reply;
    case REDIS_REPLY_ARRAY:
      reply.kind = Reply::Kind::array;
      reply.items.reserve(from.elements);
      for (std::size_t i = 0; i < from.elements; i++) {
        reply.items.push_back(convert(*from.element[i]));
      }
      return reply;
    default:
      return reply;
  }
  reply.text.assign(from.str, from.len);
  return reply;
}

}  // namespace

void append_command(std::string& out, std::span<const std::string_view> args) {
  std::vector<const char*> words;
  std::vector<std::size_t> sizes;
  for (const std::string_view arg : args) {
    words.push_back(arg.data());
    sizes.push_back(arg.size());
  }
  char* formatted = nullptr;
  const int size =
      redisFormatCommandArgv(&formatted, static_cast<int>(args.size()), words.data(), sizes.data());
  TC_CHECK(size >= 0);
  out.append(formatted, static_cast<std::size_t>(size));
  redisFreeCommand(formatted);
}

ReplyReader::ReplyReader() : reader_(redisReaderCreate()) {
  TC_CHECK(reader_ != nullptr);
}

ReplyReader::~ReplyReader() {
  redisReaderFree(static_cast<redisReader*>(reader_));
}

Result<Reply> ReplyReader::read(std::string_view frame) {
  auto* reader = static_cast<redisReader*>(reader_);
  void* tree = nullptr;
  if (redisReaderFeed(reader, frame.data(), frame.size()) != REDIS_OK ||
      redisReaderGetReply(reader, &tree) != REDIS_OK || tree == nullptr) {
    return Error{ErrorCode::invalid, reader->err != 0 ? reader->errstr : "half a reply"};
  }
  Reply reply = convert(*static_cast<redisReply*>(tree));
  freeReplyObject(tree);
  return reply;
}

}  // namespace tiercache::l2
