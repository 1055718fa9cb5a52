#include "control_port.hpp"

#include "commands.hpp"
#include "forwarder.hpp"

#include <memory>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

namespace tiercache::faultproxy {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, Forwarder& forwarder)
      : socket_(std::move(socket)), forwarder_(forwarder) {
  }

  void read() {
    asio::async_read_until(socket_, asio::dynamic_buffer(in_, ControlPort::kMaxLine), '\n',
                           [self = shared_from_this()](const error_code& error, std::size_t size) {
                             if (!error) {
                               self->answer(size);
                             }
                           });
  }

 private:
  void answer(std::size_t size) {
    out_ = run_command(forwarder_, std::string_view(in_).substr(0, size));
    in_.erase(0, size);
    asio::async_write(socket_, asio::buffer(out_),
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                        if (!error) {
                          self->read();
                        }
                      });
  }

  tcp::socket socket_;
  Forwarder& forwarder_;
  std::string in_;
  std::string out_;
};

}  // namespace

ControlPort::ControlPort(asio::io_context& io, std::uint16_t port, Forwarder& forwarder)
    : acceptor_(io, tcp::endpoint(asio::ip::address_v4::loopback(), port)), forwarder_(forwarder) {
  accept();
}

void ControlPort::accept() {
  acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) {
      return;
    }
    if (!error) {
      std::make_shared<Session>(std::move(socket), forwarder_)->read();
    }
    accept();
  });
}

}  // namespace tiercache::faultproxy
