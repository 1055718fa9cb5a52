// One connection of the control plane: connects, writes what it is given, and hands what arrives
// to its user, who says how much of it was whole. The data path has its own (link_impl.hpp), which
// keeps nothing back.
//
// Owned by a shared_ptr, which its handlers hold too; the user may let go of it, and close it, from
// within a callback. One thread.
#pragma once

#include "socket.hpp"

#include "tiercache/base/time.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/steady_timer.hpp>

namespace tiercache::l2 {

class Wire final : public std::enable_shared_from_this<Wire>, private io::Stream::User {
 public:
  class User {
   public:
    virtual void on_up() = 0;
    // Everything that has arrived and was not consumed. Returns how much of it is now.
    virtual std::size_t on_bytes(std::string_view bytes) = 0;
    // It ended, or never came to be. The last call.
    virtual void on_down(const std::string& why) = 0;

   protected:
    ~User() = default;
  };

  Wire(boost::asio::io_context& io, const config::Endpoint& endpoint, User& user);
  // `limit`: until the user says ready().
  void start(Duration limit);
  void ready();
  // No callback comes after this.
  void close();

  // Append to out(), then flush(). Never calls back from within.
  std::string& out() noexcept {
    return out_.tail();
  }
  void flush();

 private:
  void on_connected(Socket socket);
  void on_readable() override;
  void on_writable() override;
  void on_detached() override;
  void make_room();
  void fail(const std::string& why);

  boost::asio::io_context& io_;
  const config::Endpoint endpoint_;
  User* user_;
  std::shared_ptr<Connector> connector_;
  boost::asio::steady_timer timer_;
  io::Stream stream_;
  std::shared_ptr<Wire> alive_;  // itself, while the stream may call
  Output out_;
  bool write_waiting_ = false;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // what lies before it has been consumed
  std::size_t end_ = 0;
};

}  // namespace tiercache::l2
