#include "load_shape.hpp"

#include "tiercache/base/words.hpp"
#include "tiercache/l1/reply.hpp"
#include "tiercache/resp/encoder.hpp"

#include <algorithm>

namespace tiercache::proxy {

namespace {

// As Redis counts: from the end if negative, both ends included.
std::string_view part_of(std::string_view bytes, std::int64_t first, std::int64_t last) {
  if (bytes.empty() || (first < 0 && last < 0 && first > last)) {
    return {};
  }
  const auto size = static_cast<std::int64_t>(bytes.size());
  const auto begin = std::max<std::int64_t>(0, first < 0 ? first + size : first);
  const auto end = std::min(size - 1, std::max<std::int64_t>(0, last < 0 ? last + size : last));
  if (begin > end) {
    return {};
  }
  return bytes.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin + 1));
}

}  // namespace

bool loads_value(std::string_view command) {
  constexpr std::string_view kLoading[] = {"get", "strlen", "exists", "getrange", "substr"};
  return std::ranges::find(kLoading, command) != std::end(kLoading);
}

bool same_if_empty(std::string_view command) {
  return command == "strlen" || command == "getrange" || command == "substr";
}

bool lacks_value(std::string_view command, std::string_view reply, bool gone) {
  if (same_if_empty(command)) {
    return gone && (reply == ":0\r\n" || reply == "$0\r\n\r\n");
  }
  return reply == ":0\r\n" || reply == "$-1\r\n" || reply == "_\r\n";
}

LoadShape shape_of(command::Args args) {
  if (is_word(args[0], "strlen")) {
    return {LoadShape::Kind::length};
  }
  if (is_word(args[0], "exists")) {
    return {LoadShape::Kind::exists};
  }
  if (args.size() == 4) {
    return {LoadShape::Kind::range, parse_integer(args[2]).value_or(0),
            parse_integer(args[3]).value_or(0)};
  }
  return {};
}

std::string shaped(std::string_view value, const LoadShape& shape) {
  const std::string_view bytes = l1::Reply::of(value).body();
  std::string reply;
  switch (shape.kind) {
    case LoadShape::Kind::value:
      reply = value;
      break;
    case LoadShape::Kind::length:
      resp::append_integer(reply, static_cast<std::int64_t>(bytes.size()));
      break;
    case LoadShape::Kind::exists:
      resp::append_integer(reply, 1);
      break;
    case LoadShape::Kind::range:
      resp::append_bulk(reply, part_of(bytes, shape.first, shape.last));
      break;
  }
  return reply;
}

std::string_view shaped_absent(const LoadShape& shape) {
  switch (shape.kind) {
    case LoadShape::Kind::value:
      break;
    case LoadShape::Kind::length:
    case LoadShape::Kind::exists:
      return ":0\r\n";
    case LoadShape::Kind::range:
      return "$0\r\n\r\n";
  }
  return {};
}

}  // namespace tiercache::proxy
