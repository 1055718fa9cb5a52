#include "options.hpp"

#include "words.hpp"

#include <limits>

namespace tiercache::command {

Streams parse_streams(Args args) {
  Streams out;
  for (std::size_t i = 1; i < args.size(); ++i) {
    const std::size_t behind = args.size() - i - 1;
    if (is_word(args[i], "streams")) {
      // An odd rest is a syntax error at the server.
      if (behind >= 2 && behind % 2 == 0) {
        out.first_key = i + 1;
        out.count = behind / 2;
      }
      return out;
    }
    if (is_word(args[i], "block")) {
      out.block = true;
      ++i;
    } else if (is_word(args[i], "count")) {
      ++i;
    } else if (is_word(args[i], "group")) {
      i += 2;
    }
  }
  return out;
}

std::size_t sort_destination(Args args) {
  std::size_t destination = 0;
  for (std::size_t i = 2; i < args.size(); ++i) {
    if (is_word(args[i], "limit")) {
      i += 2;
    } else if (is_word(args[i], "by") || is_word(args[i], "get")) {
      ++i;
    } else if (is_word(args[i], "store") && i + 1 < args.size()) {
      destination = ++i;
    }
  }
  return destination;
}

std::size_t georadius_destination(Args args, std::size_t from) {
  for (std::size_t i = from; i + 1 < args.size(); ++i) {
    if (is_word(args[i], "count")) {
      ++i;
    } else if (is_word(args[i], "store") || is_word(args[i], "storedist")) {
      return i + 1;
    }
  }
  return 0;
}

CopyOptions parse_copy(Args args) {
  CopyOptions out;
  for (std::size_t i = 3; i < args.size(); ++i) {
    if (is_word(args[i], "db") && i + 1 < args.size()) {
      const std::optional<std::int32_t> db = parse_db(args[++i]);
      out.malformed = out.malformed || !db;
      out.db = db.value_or(-1);
    }
  }
  return out;
}

MigrateKeys parse_migrate(Args args) {
  constexpr std::size_t kKey = 3;
  constexpr std::size_t kOptions = 6;
  for (std::size_t i = kOptions; i < args.size(); ++i) {
    if (is_word(args[i], "auth")) {
      ++i;
    } else if (is_word(args[i], "auth2")) {
      i += 2;
    } else if (is_word(args[i], "keys")) {
      return {!args[kKey].empty(), i + 1, args.size()};
    }
  }
  return {false, kKey, kKey + 1};
}

bool bitfield_writes(Args args) {
  for (std::size_t i = 2; i < args.size(); ++i) {
    if (is_word(args[i], "get")) {
      i += 2;
    } else if (is_word(args[i], "overflow")) {
      ++i;
    } else {
      return true;
    }
  }
  return false;
}

std::optional<std::int32_t> parse_db(std::string_view text) {
  const std::optional<std::int64_t> value = parse_integer(text);
  if (!value || *value < 0 || *value > std::numeric_limits<std::int32_t>::max()) {
    return std::nullopt;
  }
  return static_cast<std::int32_t>(*value);
}

}  // namespace tiercache::command
