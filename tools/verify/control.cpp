#include "control.hpp"

#include <poll.h>

namespace tiercache::verify {
namespace {

void append_header(char type, std::size_t number, std::string& out) {
  out += type;
  out.append(std::to_string(number)).append("\r\n");
}

template <class Words>
void append_command(const Words& words, std::string& out) {
  append_header('*', words.size(), out);
  for (const std::string_view word : words) {
    append_header('$', word.size(), out);
    out.append(word).append("\r\n");
  }
}

}  // namespace

bool Control::wait(short events) {
  pollfd descriptor{connection_.fd(), events, 0};
  return ::poll(&descriptor, 1, timeout_ms_) == 1;
}

bool Control::ensure_open() {
  if (connection_.fd() >= 0) {
    return true;
  }
  if (!connection_.open(endpoint_) || !wait(POLLOUT) || !connection_.is_connected()) {
    close();
    return false;
  }
  return true;
}

bool Control::flush() {
  if (!ensure_open()) {
    queued_.clear();
    return false;
  }
  connection_.out().append(queued_);
  queued_.clear();
  for (;;) {
    const Connection::Io io = connection_.flush();
    if (io == Connection::Io::done) {
      return true;
    }
    if (io == Connection::Io::closed || !wait(POLLOUT)) {
      close();
      return false;
    }
  }
}

void Control::queue(const std::vector<std::string>& words) {
  append_command(words, queued_);
}

std::optional<Reply> Control::next() {
  connection_.consume(taken_);
  taken_ = 0;
  while (connection_.fd() >= 0) {
    Reply reply;
    std::size_t used = 0;
    const auto status = parser_->parse(connection_.input(), used, reply);
    if (status == ReplyParser::Status::whole) {
      taken_ = used;
      raw_ = connection_.input().substr(0, used);
      return reply;
    }
    if (status == ReplyParser::Status::broken || !wait(POLLIN) ||
        connection_.fill() == Connection::Io::closed) {
      close();
    }
  }
  return std::nullopt;
}

std::optional<Reply> Control::call(std::initializer_list<std::string_view> words) {
  append_command(words, queued_);
  return flush() ? next() : std::nullopt;
}

}  // namespace tiercache::verify
