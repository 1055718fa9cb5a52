#include "socket.hpp"

#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/socket_base.hpp>
#include <netinet/tcp.h>

namespace tiercache::l2 {

namespace {

namespace asio = boost::asio;
using KeepIdle = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>;
using KeepInterval = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>;
using KeepCount = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPCNT>;
using UserTimeout = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>;

// What an Output keeps allocated when it is empty.
constexpr std::size_t kKeptCapacity = std::size_t{1} << 20;

// A peer whose machine is gone must not hold requests for the quarter of an hour that TCP grants
// by default. Failing to set one of these is no reason not to use the connection.
void tune_tcp(Socket& socket) {
  error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  socket.set_option(KeepIdle(15), ignored);
  socket.set_option(KeepInterval(5), ignored);
  socket.set_option(KeepCount(3), ignored);
  socket.set_option(UserTimeout(30'000), ignored);
}

}  // namespace

Connector::Connector(asio::io_context& io, const config::Endpoint& endpoint, Done done)
    : endpoint_(endpoint), done_(std::move(done)), socket_(io), resolver_(io) {
}

std::shared_ptr<Connector> Connector::start(asio::io_context& io, const config::Endpoint& endpoint,
                                            Done done) {
  auto connector = std::make_shared<Connector>(io, endpoint, std::move(done));
  connector->begin();
  return connector;
}

void Connector::cancel() {
  done_ = nullptr;
  resolver_.cancel();
  error_code ignored;
  socket_.close(ignored);
}

void Connector::begin() {
  if (endpoint_.kind == config::EndpointKind::unix_socket) {
    if (endpoint_.path.size() > config::kMaxSocketPath) {
      last_error_ = asio::error::name_too_long;
    } else {
      candidates_.emplace_back(asio::local::stream_protocol::endpoint(endpoint_.path));
    }
  } else {
    error_code not_literal;
    const auto address = asio::ip::make_address(endpoint_.host, not_literal);
    if (not_literal) {
      resolve();
      return;
    }
    candidates_.emplace_back(asio::ip::tcp::endpoint(address, endpoint_.port));
  }
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->try_next(); });
}

void Connector::resolve() {
  resolver_.async_resolve(
      endpoint_.host, std::to_string(endpoint_.port), asio::ip::tcp::resolver::numeric_service,
      [self = shared_from_this()](const error_code& error,
                                  const asio::ip::tcp::resolver::results_type& results) {
        self->last_error_ = error;
        for (const auto& result : results) {
          self->candidates_.emplace_back(result.endpoint());
        }
        self->try_next();
      });
}

void Connector::try_next() {
  if (!done_) {
    return;
  }
  if (next_ == candidates_.size()) {
    finish(last_error_ ? last_error_ : error_code(asio::error::host_not_found));
    return;
  }
  error_code ignored;
  socket_.close(ignored);
  const auto& candidate = candidates_[next_++];
  socket_.async_connect(candidate, [self = shared_from_this()](const error_code& error) {
    if (error) {
      self->last_error_ = error;
      self->try_next();
      return;
    }
    self->finish({});
  });
}

void Connector::finish(const error_code& error) {
  if (!done_) {
    return;
  }
  const Done done = std::exchange(done_, nullptr);
  if (error) {
    done("cannot connect to " + config::to_string(endpoint_) + ": " + error.message(),
         std::move(socket_));
    return;
  }
  if (endpoint_.kind == config::EndpointKind::tcp) {
    tune_tcp(socket_);
  }
  done({}, std::move(socket_));
}

Output::Flush Output::flush(io::Stream& stream, error_code& error) {
  while (begin_ < bytes_.size()) {
    begin_ += stream.send(std::string_view(bytes_).substr(begin_), error);
    if (error == asio::error::would_block || error == asio::error::try_again) {
      error = {};
      compact();
      return Flush::blocked;
    }
    if (error) {
      return Flush::failed;
    }
  }
  begin_ = 0;
  if (bytes_.capacity() > kKeptCapacity) {
    std::string().swap(bytes_);
  } else {
    bytes_.clear();
  }
  return Flush::done;
}

// Moves at most as many bytes as have left since it moved last.
void Output::compact() {
  if (begin_ > bytes_.size() / 2) {
    bytes_.erase(0, begin_);
    begin_ = 0;
  }
}

}  // namespace tiercache::l2
