#include "pipe.hpp"

#include <algorithm>

#include <boost/asio/buffer.hpp>

namespace tiercache::faultproxy {

namespace asio = boost::asio;
using boost::system::error_code;

Pipe::Pipe(Direction direction, Socket& from, Socket& to, Owner& owner)
    : direction_(direction), from_(from), to_(to), owner_(owner), timer_(from.get_executor()) {
}

void Pipe::kick(bool may_read, bool may_write) {
  may_read_ = may_read;
  may_write_ = may_write;
  read();
  write();
}

void Pipe::cut_after(std::uint64_t bytes) {
  // What is on its way already does not count.
  left_ = bytes + (writing_ ? writing_size_ : 0);
  write();
}

void Pipe::read() {
  // A full buffer's room or none: whoever reads each byte that becomes free has single bytes to
  // write for ever after.
  if (!may_read_ || reading_ || ended_ || held_ + buffer_.size() > kMaxHeld) {
    return;
  }
  reading_ = true;
  from_.async_read_some(asio::buffer(buffer_), [this, keep = owner_.keep()](const error_code& error,
                                                                            std::size_t size) {
    reading_ = false;
    if (error == asio::error::eof) {
      ended_ = true;
    } else if (error) {
      owner_.on_broken();
      return;
    } else {
      pieces_.push_back({std::chrono::steady_clock::now(), {buffer_.data(), size}});
      held_ += size;
      owner_.on_read(direction_, pieces_.back().bytes);
    }
    read();
    write();
  });
}

void Pipe::write() {
  if (!may_write_ || writing_ || finished_) {
    return;
  }
  if (left_ == std::uint64_t{0}) {
    owner_.on_cut();
    return;
  }
  if (pieces_.empty()) {
    if (ended_) {
      finished_ = true;
      owner_.on_finished(direction_);
    }
    return;
  }
  const Faults& faults = owner_.faults();
  if (faults.paused[index()] || faults.blackhole) {
    return;
  }
  const Piece& piece = pieces_.front();
  const auto due = piece.arrived + faults.delay[index()];
  if (std::chrono::steady_clock::now() < due) {
    wait_until(due);
    return;
  }
  const bool single = faults.fragment && piece.sent < kSingleBytes;
  std::uint64_t size = single ? 1 : piece.bytes.size() - piece.sent;
  size = std::min(size, left_.value_or(size));
  writing_ = true;
  writing_size_ = size;
  to_.async_write_some(asio::buffer(piece.bytes.data() + piece.sent, size),
                       [this, keep = owner_.keep()](const error_code& error, std::size_t sent) {
                         writing_ = false;
                         if (error) {
                           owner_.on_broken();
                           return;
                         }
                         on_sent(sent);
                       });
}

// Setting it anew ends the wait before.
void Pipe::wait_until(std::chrono::steady_clock::time_point due) {
  timer_.expires_at(due);
  timer_.async_wait([this, keep = owner_.keep()](const error_code& error) {
    if (!error) {
      write();
    }
  });
}

void Pipe::on_sent(std::size_t size) {
  held_ -= size;
  Piece& piece = pieces_.front();
  piece.sent += size;
  if (piece.sent == piece.bytes.size()) {
    pieces_.pop_front();
  }
  if (left_) {
    *left_ -= size;
  }
  owner_.on_written(direction_, size);
  read();
  write();
}

}  // namespace tiercache::faultproxy
