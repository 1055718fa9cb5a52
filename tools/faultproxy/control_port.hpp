// Takes commands over TCP on 127.0.0.1, one a line, and answers them in order.
//
// One thread, the forwarder's. A line is at most kMaxLine long; who sends a longer one is closed.
#pragma once

#include <cstddef>
#include <cstdint>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace tiercache::faultproxy {

class Forwarder;

class ControlPort {
 public:
  static constexpr std::size_t kMaxLine = 4096;

  ControlPort(boost::asio::io_context& io, std::uint16_t port, Forwarder& forwarder);

  std::uint16_t port() const {
    return acceptor_.local_endpoint().port();
  }

 private:
  void accept();

  boost::asio::ip::tcp::acceptor acceptor_;
  Forwarder& forwarder_;
};

}  // namespace tiercache::faultproxy
