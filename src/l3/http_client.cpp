#include "http_client.hpp"

#include "pool.hpp"

#include <chrono>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/write.hpp>

namespace tiercache::l3 {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr std::uint32_t kMaxHeader = 64 * 1024;

}  // namespace

HttpPeer::HttpPeer(config::BaseUrl url) : base(std::move(url)) {
  if (base.tls) {
    tls.emplace(asio::ssl::context::tls_client);
    tls->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
    tls->set_default_verify_paths();
    tls->set_verify_mode(asio::ssl::verify_peer);
  }
}

HttpClient::HttpClient(std::shared_ptr<HttpPeer> peer, std::uint64_t max_body)
    : peer_(std::move(peer)), max_body_(max_body) {
}

HttpClient::Request HttpClient::request(http::verb verb, std::string_view target) const {
  Request request(verb, {target.data(), target.size()}, 11);
  request.set(http::field::host, peer_->base.host);
  request.set(http::field::user_agent, "tiercache");
  request.set(http::field::accept_encoding, "identity");
  return request;
}

HttpClient::Error HttpClient::exchange(const Request& request, Time deadline) {
  deadline_ = deadline;
  const Error error = ask(request);
  if (error) {
    close();
  }
  return error;
}

HttpClient::Error HttpClient::ask(const Request& request) {
  if (is_idle()) {
    const Error error = send_and_read(request);
    if (!error || error == asio::error::timed_out || (parser_ && parser_->got_some())) {
      return error;
    }
  }
  close();
  secure_.reset();
  if (const Error error = connect()) {
    return error;
  }
  return send_and_read(request);
}

void HttpClient::wait(const Outcome& outcome) {
  io_.restart();
  while (!outcome.done && io_.run_one_until(deadline_) > 0) {
  }
}

// Begins something and waits for it; nothing of it is left under way.
template <class Begin>
HttpClient::Error HttpClient::step(Begin begin) {
  Outcome outcome;
  begin([&outcome](const Error& error, const auto&...) { outcome = {true, error}; });
  wait(outcome);
  if (outcome.done) {
    return outcome.error;
  }
  close();
  while (!outcome.done) {
    io_.run_one();
  }
  return asio::error::timed_out;
}

// Connected, and nothing has come since the last answer, not even its end.
bool HttpClient::is_idle() {
  if (!socket_.is_open()) {
    return false;
  }
  char byte = 0;
  Error error;
  socket_.receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, error);
  return error == asio::error::would_block;
}

template <class Use>
HttpClient::Error HttpClient::with_stream(Use&& use) {
  return secure_ ? use(*secure_) : use(socket_);
}

HttpClient::Error HttpClient::connect() {
  Tcp::resolver::results_type servers;
  if (const Error error = resolve(servers)) {
    return error;
  }
  if (const Error error =
          step([&](auto done) { asio::async_connect(socket_, servers, std::move(done)); })) {
    return error;
  }
  Error error;
  socket_.non_blocking(true, error);
  socket_.set_option(Tcp::no_delay(true), error);
  return peer_->tls ? secure() : Error();
}

HttpClient::Error HttpClient::secure() {
  const std::string& host = peer_->base.server.host;
  secure_.emplace(socket_, *peer_->tls);
  secure_->set_verify_callback(asio::ssl::host_name_verification(host));
  Error error;
  asio::ip::make_address(host, error);
  if (error) {  // a name: one server may have many
    SSL_ctrl(secure_->native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(host.c_str()));
  }
  return step([&](auto done) {
    secure_->async_handshake(asio::ssl::stream_base::client, std::move(done));
  });
}

// The library's own thread asks, and cannot be stopped: one that is late is not waited for.
HttpClient::Error HttpClient::resolve(Tcp::resolver::results_type& servers) {
  const config::Endpoint& server = peer_->base.server;
  Error error;
  const asio::ip::address address = asio::ip::make_address(server.host, error);
  if (!error) {
    servers =
        Tcp::resolver::results_type::create(Tcp::endpoint(address, server.port), server.host, "");
    return {};
  }
  const auto found = std::make_shared<Tcp::resolver::results_type>();
  const auto outcome = std::make_shared<Outcome>();
  resolver_.async_resolve(server.host, std::to_string(server.port),
                          [found, outcome](const Error& why, auto results) {
                            *found = std::move(results);
                            *outcome = {true, why};
                          });
  wait(*outcome);
  if (!outcome->done) {
    resolver_.cancel();
    return asio::error::timed_out;
  }
  servers = *found;
  return outcome->error;
}

HttpClient::Error HttpClient::send_and_read(const Request& request) {
  parser_.reset();
  buffer_.clear();
  const Error sent = with_stream([&](auto& stream) {
    return step([&](auto done) { http::async_write(stream, request, std::move(done)); });
  });
  if (sent) {
    return sent;
  }
  for (unsigned i = 0; i < kMostInterim; i++) {
    parser_.emplace();
    parser_->header_limit(kMaxHeader);
    parser_->body_limit(max_body_);
    const Error read = with_stream([&](auto& stream) {
      return step([&](auto done) { http::async_read(stream, buffer_, *parser_, std::move(done)); });
    });
    if (read) {
      return read;
    }
    if (parser_->get().result_int() / 100 != 1) {
      return {};
    }
  }
  return http::error::unexpected_body;
}

void HttpClient::end() {
  if (!parser_->keep_alive() || buffer_.size() > 0) {
    close();
  }
  parser_.reset();
}

void HttpClient::close() {
  Error ignored;
  socket_.close(ignored);
}

std::string HttpClient::describe(const Error& error) {
  if (error == asio::error::timed_out) {
    return std::string(Connection::kTimeout);
  }
  if (error == http::error::partial_message) {
    return "the connection was lost within the answer";
  }
  if (error == http::error::end_of_stream) {
    return "the connection was closed without an answer";
  }
  const bool of_http = error.category() == http::make_error_code(http::error{}).category();
  return (of_http ? "the answer is not HTTP: " : "") + error.message();
}

std::string HttpClient::describe_status(unsigned status) {
  const auto reason = http::obsolete_reason(http::int_to_status(status));
  std::string text = "it answered " + std::to_string(status) + " (";
  text.append(reason.data(), reason.size()).append(")");
  return status / 100 == 3 ? text + ", and redirects are not followed" : text;
}

}  // namespace tiercache::l3
