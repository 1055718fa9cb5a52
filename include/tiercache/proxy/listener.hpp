// Accepts clients on one listening socket, TCP or unix, and deals them to the workers in turn.
//
// Owned by the server room; used on the thread of its io_context. Out of descriptors it does not
// spin: it leaves the queue to the kernel and tries again shortly.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/config/config.hpp"
#include "tiercache/proxy/worker.hpp"

#include <cstdint>
#include <string>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace tiercache::proxy {

class Listener {
 public:
  // The hub's workers must be complete when start() is called.
  Listener(boost::asio::io_context& io, Hub& hub);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // From when on the kernel takes connections: from the opening, so that they wait in its queue
  // until start(), or from start(), so that they are refused before.
  enum class Queue : std::uint8_t { from_open, from_start };

  // Port 0: any free one, see port(). The socket of an earlier run at the path is replaced if
  // nobody listens on it.
  Status open_tcp(const config::Listen& listen, Queue queue = Queue::from_open);
  Status open_unix(const config::Listen& listen, Queue queue = Queue::from_open);
  // REQUIRES: opened. An error, of Queue::from_start only: somebody else listens there by now.
  Status start();
  // Closes the listening socket; clients stay.
  void stop();
  std::uint16_t port() const noexcept {
    return port_;
  }

 private:
  using Protocol = boost::asio::generic::stream_protocol;
  using Acceptor = boost::asio::basic_socket_acceptor<Protocol>;

  Status bind(const Protocol::endpoint& endpoint, const config::Listen& listen, Queue queue);
  Status listen();
  Error cannot_listen(const boost::system::error_code& error);
  void accept();
  void deal(Protocol::socket socket);

  boost::asio::io_context& io_;
  Hub& hub_;
  Acceptor acceptor_;
  boost::asio::steady_timer retry_;
  int family_ = 0;
  int keepalive_seconds_ = 0;
  int backlog_ = 0;
  bool listening_ = false;
  std::string where_;  // for people
  std::uint16_t port_ = 0;
  std::string path_;
  std::size_t next_worker_ = 0;
};

}  // namespace tiercache::proxy
