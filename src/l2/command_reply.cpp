#include "command_reply.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <utility>

namespace tiercache::l2 {

namespace {

using command::LearntCommand;

// Walks over the values of a frame. After the first fault every call fails.
class Cursor {
 public:
  explicit Cursor(std::string_view frame) : rest_(frame) {
  }
  bool ok() const noexcept {
    return ok_;
  }

  std::int64_t array() {
    const auto [type, line] = header();
    const std::int64_t count = number(line);
    if (type != '*' || count > static_cast<std::int64_t>(rest_.size())) {
      ok_ = false;
    }
    return ok_ ? std::max<std::int64_t>(count, 0) : 0;
  }
  std::string_view text() {
    const auto [type, line] = header();
    if (type == '+') {
      return line;
    }
    if (type != '$') {
      ok_ = false;
      return {};
    }
    return payload(line);
  }
  std::int32_t integer() {
    const auto [type, line] = header();
    const std::int64_t value = number(line);
    if (type != ':' || value < std::numeric_limits<std::int32_t>::min() ||
        value > std::numeric_limits<std::int32_t>::max()) {
      ok_ = false;
    }
    return ok_ ? static_cast<std::int32_t>(value) : 0;
  }
  void skip() {
    for (std::uint64_t left = 1; left > 0 && ok_; left--) {
      const auto [type, line] = header();
      if (type == '$') {
        payload(line);
      } else if (type == '*') {
        left += static_cast<std::uint64_t>(std::max<std::int64_t>(number(line), 0));
      }
    }
  }

 private:
  std::pair<char, std::string_view> header() {
    const std::size_t end = rest_.find("\r\n");
    if (!ok_ || end == 0 || end == std::string_view::npos) {
      ok_ = false;
      return {'\0', {}};
    }
    const char type = rest_[0];
    const std::string_view line = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 2);
    return {type, line};
  }
  std::int64_t number(std::string_view line) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (error != std::errc{} || end != line.data() + line.size()) {
      ok_ = false;
    }
    return value;
  }
  std::string_view payload(std::string_view line) {
    const std::int64_t size = number(line);
    if (!ok_ || size < 0) {
      return {};
    }
    if (static_cast<std::uint64_t>(size) + 2 > rest_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view text = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(text.size() + 2);
    return text;
  }

  std::string_view rest_;
  bool ok_ = true;
};

constexpr int kMaxDepth = 4;  // Redis has two: a container and its subcommands

void read_entries(Cursor& cursor, std::vector<LearntCommand>& out, int depth) {
  const std::int64_t entries = cursor.array();
  for (std::int64_t i = 0; i < entries && cursor.ok(); i++) {
    std::int64_t fields = cursor.array();
    if (fields < 6 || depth == kMaxDepth) {
      for (; fields > 0 && cursor.ok(); fields--) {
        cursor.skip();
      }
      continue;
    }
    LearntCommand command;
    command.name = cursor.text();
    command.arity = cursor.integer();
    for (std::int64_t flags = cursor.array(); flags > 0 && cursor.ok(); flags--) {
      command.flags.emplace_back(cursor.text());
    }
    command.first_key = cursor.integer();
    command.last_key = cursor.integer();
    command.step = cursor.integer();
    out.push_back(std::move(command));
    // 7.0: ACL categories, tips, key specifications, subcommands.
    for (std::int64_t field = 6; field < fields && cursor.ok(); field++) {
      if (field == 9) {
        read_entries(cursor, out, depth + 1);
      } else {
        cursor.skip();
      }
    }
  }
}

}  // namespace

Result<std::vector<LearntCommand>> read_command_reply(std::string_view frame) {
  if (frame.starts_with('-')) {
    return Error{ErrorCode::refused, std::string(frame.substr(0, frame.find("\r\n")))};
  }
  std::vector<LearntCommand> commands;
  Cursor cursor(frame);
  read_entries(cursor, commands, 0);
  if (!cursor.ok()) {
    return Error{ErrorCode::invalid, "the reply to COMMAND has another shape than expected"};
  }
  return commands;
}

}  // namespace tiercache::l2
