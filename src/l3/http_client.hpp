// A client of one server of HTTP: a connection, kept between requests, that its owner waits for.
// The one place that knows Beast's connections, and OpenSSL.
//
// Owner: one thread, which runs the connection's own loop until the deadline of what it waits for.
// Limits: 64 KiB of header, kMostInterim answers of status 1xx before the one that counts, and the
// body that it is made for.
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/config/http_target.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace tiercache::l3 {

// The server, for all connections to it. Made at start, then not changed: thread-safe.
struct HttpPeer {
  explicit HttpPeer(config::BaseUrl url);

  config::BaseUrl base;
  std::optional<boost::asio::ssl::context> tls;  // of https
};

class HttpClient {
 public:
  using Error = boost::system::error_code;
  using Request = boost::beast::http::request<boost::beast::http::string_body>;
  using Answer = boost::beast::http::response<boost::beast::http::string_body>;
  static constexpr unsigned kMostInterim = 8;

  HttpClient(std::shared_ptr<HttpPeer> peer, std::uint64_t max_body);

  Request request(boost::beast::http::verb verb, std::string_view target) const;
  // Asks, and reads the whole answer. A kept connection may be closed by the server at any time,
  // also while the request is on its way: then once more on a new one. So it may be asked twice.
  Error exchange(const Request& request, Time deadline);
  // REQUIRES: the exchange before has brought one.
  Answer& answer() {
    return parser_->get();
  }
  // The answer has been looked at: the connection is kept, where the server does.
  void end();

  // The server has not answered, or not in time, or not with what is HTTP. For people.
  static std::string describe(const Error& error);
  // "it answered 503 (Service Unavailable)".
  static std::string describe_status(unsigned status);

 private:
  using Parser = boost::beast::http::response_parser<boost::beast::http::string_body>;
  using Tcp = boost::asio::ip::tcp;
  using Tls = boost::asio::ssl::stream<Tcp::socket&>;
  struct Outcome {
    bool done = false;
    Error error{};
  };

  Error ask(const Request& request);
  bool is_idle();
  Error connect();
  Error secure();
  Error resolve(Tcp::resolver::results_type& servers);
  Error send_and_read(const Request& request);
  void wait(const Outcome& outcome);
  template <class Begin>
  Error step(Begin begin);
  template <class Use>
  Error with_stream(Use&& use);
  void close();

  const std::shared_ptr<HttpPeer> peer_;
  const std::uint64_t max_body_;
  Time deadline_{};
  boost::asio::io_context io_{1};
  Tcp::resolver resolver_{io_};
  Tcp::socket socket_{io_};
  std::optional<Tls> secure_;  // around the socket, from its connecting on
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;  // of the answer that is read
};

}  // namespace tiercache::l3
