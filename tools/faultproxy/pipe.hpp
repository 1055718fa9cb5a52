// One direction of a connection: reads from one socket, holds what it read as long as the faults
// say, writes it to the other.
//
// Owner: a Connection, which outlives every handler (keep()). One thread, that of the io_context.
// Limits: at most kMaxHeld bytes are held; beyond them nothing is read, so the sender feels it.
#pragma once

#include "faults.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

namespace tiercache::faultproxy {

class Pipe {
 public:
  static constexpr std::size_t kMaxHeld = std::size_t{64} << 10;
  // Of what is read at once, so many bytes are fragments and the rest follows whole: a backlog must
  // not become a flood of tiny segments, for which the receiver's kernel has no memory.
  static constexpr std::size_t kSingleBytes = 256;
  using Socket = boost::asio::ip::tcp::socket;

  class Owner {
   public:
    virtual std::shared_ptr<Owner> keep() = 0;
    virtual const Faults& faults() const = 0;
    // Before any of it is forwarded.
    virtual void on_read(Direction direction, std::string_view bytes) = 0;
    virtual void on_written(Direction direction, std::size_t size) = 0;
    // The sender has ended, and everything is forwarded.
    virtual void on_finished(Direction direction) = 0;
    virtual void on_broken() = 0;
    virtual void on_cut() = 0;

   protected:
    ~Owner() = default;
  };

  Pipe(Direction direction, Socket& from, Socket& to, Owner& owner);

  // Does what can be done now: call it after anything has changed.
  void kick(bool may_read, bool may_write);
  // Forwards so many bytes more and then tells its owner.
  void cut_after(std::uint64_t bytes);
  std::size_t held() const {
    return held_;
  }

 private:
  struct Piece {
    std::chrono::steady_clock::time_point arrived;
    std::string bytes;
    std::size_t sent = 0;
  };

  void read();
  void write();
  void wait_until(std::chrono::steady_clock::time_point due);
  void on_sent(std::size_t size);
  std::size_t index() const {
    return static_cast<std::size_t>(direction_);
  }

  const Direction direction_;
  Socket& from_;
  Socket& to_;
  Owner& owner_;
  boost::asio::steady_timer timer_;
  std::array<char, 16384> buffer_;
  std::deque<Piece> pieces_;
  std::size_t held_ = 0;
  std::optional<std::uint64_t> left_;  // until the cut
  std::uint64_t writing_size_ = 0;
  bool may_read_ = false;
  bool may_write_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool ended_ = false;
  bool finished_ = false;
};

}  // namespace tiercache::faultproxy
