// What every connection of this room is made of: a stream socket (TCP or unix), how it is
// connected, and the bytes that wait to be written to it. One thread, that of the io_context.
#pragma once

#include "tiercache/config/endpoint.hpp"
#include "tiercache/io/stream.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

namespace tiercache::l2 {

using Socket = boost::asio::generic::stream_protocol::socket;
using boost::system::error_code;

// One attempt to connect: looks the name up without blocking (an address needs no look-up) and
// tries its addresses in turn. It has no time limit of its own: whoever waits cancels it.
class Connector : public std::enable_shared_from_this<Connector> {
 public:
  // `error` is empty on success, and the socket then set up.
  using Done = std::function<void(const std::string& error, Socket socket)>;

  // `done` is called once, later, unless cancelled before.
  static std::shared_ptr<Connector> start(boost::asio::io_context& io,
                                          const config::Endpoint& endpoint, Done done);
  void cancel();

  Connector(boost::asio::io_context& io, const config::Endpoint& endpoint, Done done);

 private:
  void begin();
  void resolve();
  void try_next();
  void finish(const error_code& error);

  config::Endpoint endpoint_;
  Done done_;
  Socket socket_;
  boost::asio::ip::tcp::resolver resolver_;
  std::vector<boost::asio::generic::stream_protocol::endpoint> candidates_;
  std::size_t next_ = 0;
  error_code last_error_;
};

// Bytes to write. Sent at once as far as the socket takes them; the rest waits.
class Output {
 public:
  enum class Flush : std::uint8_t {
    done,
    blocked,  // wait until the stream is writable
    failed,
  };

  void append(std::string_view bytes) {
    bytes_.append(bytes);
  }
  // For encoders; append only.
  std::string& tail() noexcept {
    return bytes_;
  }
  std::size_t size() const noexcept {
    return bytes_.size() - begin_;
  }
  Flush flush(io::Stream& stream, error_code& error);

 private:
  void compact();

  std::string bytes_;
  std::size_t begin_ = 0;
};

}  // namespace tiercache::l2
