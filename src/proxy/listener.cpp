#include "tiercache/proxy/listener.hpp"

#include <chrono>
#include <memory>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tiercache::proxy {

namespace asio = boost::asio;
using boost::system::error_code;

Listener::Listener(asio::io_context& io, Hub& hub) : io_(io), hub_(hub), acceptor_(io), retry_(io) {
}

Listener::~Listener() {
  stop();
}

Status Listener::open_tcp(const config::Listen& listen, Queue queue) {
  error_code error;
  const asio::ip::address address = asio::ip::make_address(listen.address, error);
  if (error) {
    return Error{ErrorCode::invalid, "listen.address " + listen.address + " is not an IP address"};
  }
  keepalive_seconds_ = static_cast<int>(listen.tcp_keepalive.count());
  where_ = listen.address + ":" + std::to_string(listen.port);
  if (Status status = bind(asio::ip::tcp::endpoint(address, listen.port), listen, queue); !status) {
    return status;
  }
  const auto endpoint = acceptor_.local_endpoint(error);
  asio::ip::tcp::endpoint tcp;
  std::memcpy(tcp.data(), endpoint.data(), std::min(endpoint.size(), tcp.capacity()));
  port_ = tcp.port();
  return Unit{};
}

Status Listener::open_unix(const config::Listen& listen, Queue queue) {
  if (listen.unix_socket.size() > config::kMaxSocketPath) {
    return Error{ErrorCode::invalid, "listen.unix_socket is too long"};
  }
  const asio::local::stream_protocol::endpoint endpoint(listen.unix_socket);
  error_code error;
  asio::local::stream_protocol::socket probe(io_);
  probe.connect(endpoint, error);
  if (error == asio::error::connection_refused) {
    ::unlink(listen.unix_socket.c_str());  // of an earlier run
  }
  where_ = listen.unix_socket;
  if (Status status = bind(endpoint, listen, queue); !status) {
    return status;
  }
  path_ = listen.unix_socket;
  if (::chmod(path_.c_str(), listen.unix_socket_mode) != 0) {
    return Error{ErrorCode::refused, "cannot set the mode of " + path_};
  }
  return Unit{};
}

Status Listener::bind(const Protocol::endpoint& endpoint, const config::Listen& listen,
                      Queue queue) {
  error_code error;
  family_ = endpoint.protocol().family();
  backlog_ = static_cast<int>(listen.backlog);
  acceptor_.open(endpoint.protocol(), error);
  if (!error && family_ != AF_UNIX) {
    acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  }
  if (!error) {
    acceptor_.bind(endpoint, error);
  }
  if (error) {
    return cannot_listen(error);
  }
  return queue == Queue::from_open ? this->listen() : Status(Unit{});
}

Status Listener::listen() {
  error_code error;
  acceptor_.listen(backlog_, error);
  if (error) {
    return cannot_listen(error);
  }
  listening_ = true;
  return Unit{};
}

Error Listener::cannot_listen(const error_code& error) {
  error_code ignored;
  acceptor_.close(ignored);
  return {ErrorCode::unavailable, "cannot listen on " + where_ + ": " + error.message()};
}

Status Listener::start() {
  if (!listening_) {
    if (Status status = listen(); !status) {
      return status;
    }
  }
  accept();
  return Unit{};
}

void Listener::stop() {
  error_code ignored;
  acceptor_.close(ignored);
  retry_.cancel();
  if (!path_.empty()) {
    ::unlink(path_.c_str());
    path_.clear();
  }
}

void Listener::accept() {
  acceptor_.async_accept([this](const error_code& error, Protocol::socket socket) {
    if (error == asio::error::operation_aborted || !acceptor_.is_open()) {
      return;
    }
    if (!error) {
      deal(std::move(socket));
      accept();
      return;
    }
    // A client that left at once costs nothing; anything else (descriptors, memory) must pass.
    if (error == asio::error::connection_aborted) {
      accept();
      return;
    }
    retry_.expires_after(std::chrono::milliseconds(100));
    retry_.async_wait([this](const error_code& cancelled) {
      if (!cancelled && acceptor_.is_open()) {
        accept();
      }
    });
  });
}

void Listener::deal(Protocol::socket socket) {
  error_code ignored;
  const int fd = socket.native_handle();
  if (family_ != AF_UNIX) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (keepalive_seconds_ > 0) {
      ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
      ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive_seconds_, sizeof keepalive_seconds_);
    }
  }
  Worker& worker = *hub_.workers[next_worker_++ % hub_.workers.size()];
  // The socket changes its io_context: only the descriptor travels.
  const int released = socket.release(ignored);
  if (ignored) {
    return;
  }
  worker.post([&worker, released, family = family_, id = hub_.new_client_id()] {
    Socket adopted(worker.io());
    error_code error;
    adopted.assign(Protocol(family, 0), released, error);
    if (error) {
      ::close(released);
      return;
    }
    worker.adopt(std::move(adopted), id);
  });
}

}  // namespace tiercache::proxy
