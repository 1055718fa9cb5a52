// HTTP: a server that is asked with GET. The one place that knows Beast, and OpenSSL.
//
// Each connection has a loop of its own, which runs until the deadline of what it waits for.
#include "http_answer.hpp"
#include "pool.hpp"
#include "validated.hpp"

#include "tiercache/base/mutex.hpp"
#include "tiercache/config/http_target.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

namespace tiercache::l3 {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Parser = http::response_parser<http::string_body>;
using Request = http::request<http::empty_body>;
using Tcp = asio::ip::tcp;
using Tls = asio::ssl::stream<Tcp::socket&>;

constexpr std::uint32_t kMaxHeader = 64 * 1024;
constexpr unsigned kMostInterim = 8;  // answers of status 1xx before the one that counts

// What the connections of a source have in common.
struct Shared {
  explicit Shared(std::size_t max_bytes) : validated(max_bytes) {
  }

  config::BaseUrl base;
  std::vector<config::PathPattern> paths;  // by query
  std::optional<asio::ssl::context> tls;   // of https; then only read
  Mutex mutex;
  ValidatedAnswers validated TC_GUARDED_BY(mutex);
};

Loaded failed(std::string why, bool away = false) {
  return {Loaded::Kind::failed, std::move(why), away};
}

std::string_view text_of(const http::fields& fields, http::field name) {
  const auto text = fields[name];
  return {text.data(), text.size()};
}

bool says(const http::fields& fields, http::field name, std::string_view word) {
  const auto [first, last] = fields.equal_range(name);
  for (auto one = first; one != last; ++one) {
    if (contains_word({one->value().data(), one->value().size()}, word)) {
      return true;
    }
  }
  return false;
}

class Http final : public Connection {
 public:
  explicit Http(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {
  }

  void run(std::span<const Load* const> loads, Time deadline, std::span<Loaded> results) override {
    deadline_ = deadline;
    results[0] = ask(*loads[0]);
  }

 private:
  Loaded ask(const Load& load) {
    const auto path = shared_->paths[load.query].path(load.values);
    if (!path) {
      return {Loaded::Kind::absent, {}};
    }
    const std::string target = shared_->base.path + *path;
    const std::optional<Validated> known = find(target);
    const Request request = make_request(target, known);
    if (const error_code error = exchange(request)) {
      close();
      return broken(error);
    }
    Loaded loaded = take(target, known);
    if (!parser_->keep_alive() || buffer_.size() > 0) {
      close();
    }
    parser_.reset();
    return loaded;
  }

  Request make_request(const std::string& target, const std::optional<Validated>& known) const {
    Request request(http::verb::get, target, 11);
    request.set(http::field::host, shared_->base.host);
    request.set(http::field::user_agent, "tiercache");
    request.set(http::field::accept_encoding, "identity");
    if (known && !known->etag.empty()) {
      request.set(http::field::if_none_match, known->etag);
    } else if (known) {
      request.set(http::field::if_modified_since, known->last_modified);
    }
    return request;
  }

  // A kept connection may be closed by the server at any time, also while the request is on its
  // way: then once more on a new one, since asking twice is no harm.
  error_code exchange(const Request& request) {
    if (is_idle()) {
      const error_code error = send_and_read(request);
      if (!error || error == asio::error::timed_out || (parser_ && parser_->got_some())) {
        return error;
      }
    }
    close();
    secure_.reset();
    if (const error_code error = connect()) {
      return error;
    }
    return send_and_read(request);
  }

  // Connected, and nothing has come since the last answer, not even its end.
  bool is_idle() {
    if (!socket_.is_open()) {
      return false;
    }
    char byte = 0;
    error_code error;
    socket_.receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, error);
    return error == asio::error::would_block;
  }

  template <class Use>
  error_code with_stream(Use&& use) {
    return secure_ ? use(*secure_) : use(socket_);
  }

  error_code connect() {
    Tcp::resolver::results_type servers;
    if (const error_code error = resolve(servers)) {
      return error;
    }
    if (const error_code error =
            step([&](auto done) { asio::async_connect(socket_, servers, std::move(done)); })) {
      return error;
    }
    error_code error;
    socket_.non_blocking(true, error);
    socket_.set_option(Tcp::no_delay(true), error);
    return shared_->tls ? secure() : error_code();
  }

  error_code secure() {
    const std::string& host = shared_->base.server.host;
    secure_.emplace(socket_, *shared_->tls);
    secure_->set_verify_callback(asio::ssl::host_name_verification(host));
    error_code error;
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
  error_code resolve(Tcp::resolver::results_type& servers) {
    const config::Endpoint& server = shared_->base.server;
    error_code error;
    const asio::ip::address address = asio::ip::make_address(server.host, error);
    if (!error) {
      servers =
          Tcp::resolver::results_type::create(Tcp::endpoint(address, server.port), server.host, "");
      return {};
    }
    const auto found = std::make_shared<Tcp::resolver::results_type>();
    const auto outcome = std::make_shared<Outcome>();
    resolver_.async_resolve(server.host, std::to_string(server.port),
                            [found, outcome](const error_code& why, auto results) {
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

  error_code send_and_read(const Request& request) {
    parser_.reset();
    buffer_.clear();
    const error_code sent = with_stream([&](auto& stream) {
      return step([&](auto done) { http::async_write(stream, request, std::move(done)); });
    });
    if (sent) {
      return sent;
    }
    for (unsigned i = 0; i < kMostInterim; i++) {
      parser_.emplace();
      parser_->header_limit(kMaxHeader);
      parser_->body_limit(kMaxValue);
      const error_code read = with_stream([&](auto& stream) {
        return step(
            [&](auto done) { http::async_read(stream, buffer_, *parser_, std::move(done)); });
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

  struct Outcome {
    bool done = false;
    error_code error{};
  };

  void wait(const Outcome& outcome) {
    io_.restart();
    while (!outcome.done && io_.run_one_until(deadline_) > 0) {
    }
  }

  // Begins something and waits for it; nothing of it is left under way.
  template <class Begin>
  error_code step(Begin begin) {
    Outcome outcome;
    begin([&outcome](const error_code& error, const auto&...) { outcome = {true, error}; });
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

  Loaded broken(const error_code& error) const {
    if (error == asio::error::timed_out) {
      return failed(std::string(kTimeout), true);
    }
    if (error == http::error::body_limit) {
      return failed("the value is larger than 64mb");
    }
    if (error == http::error::partial_message) {
      return failed("the connection was lost within the answer", true);
    }
    if (error == http::error::end_of_stream) {
      return failed("the connection was closed without an answer", true);
    }
    const bool of_http = error.category() == http::make_error_code(http::error{}).category();
    return failed((of_http ? "the answer is not HTTP: " : "") + error.message(), true);
  }

  Loaded take(const std::string& target, const std::optional<Validated>& known) {
    http::response<http::string_body>& answer = parser_->get();
    switch (meaning(answer.result_int())) {
      case Meaning::value:
        if (const auto encoding = text_of(answer, http::field::content_encoding);
            !encoding.empty() && !contains_word(encoding, "identity")) {
          return failed("the value is encoded, which was not asked for");
        }
        return {Loaded::Kind::value, keep(target, answer)};
      case Meaning::absent:
        forget(target);
        return {Loaded::Kind::absent, {}};
      case Meaning::kept:
        if (!known) {
          return failed("it answered 304 (Not Modified) to what was not asked conditionally");
        }
        return {Loaded::Kind::value, *known->body, false, true};
      case Meaning::failed:
        return failed(said(answer.result_int()));
      case Meaning::away:
        break;
    }
    return failed(said(answer.result_int()), true);
  }

  static std::string said(unsigned status) {
    const auto reason = http::obsolete_reason(http::int_to_status(status));
    std::string text = "it answered " + std::to_string(status) + " (";
    text.append(reason.data(), reason.size()).append(")");
    return status / 100 == 3 ? text + ", and redirects are not followed" : text;
  }

  std::optional<Validated> find(const std::string& target) {
    MutexLock lock(shared_->mutex);
    return shared_->validated.find(target);
  }
  void forget(const std::string& target) {
    MutexLock lock(shared_->mutex);
    shared_->validated.erase(target);
  }
  // The body.
  std::string keep(const std::string& target, http::response<http::string_body>& answer) {
    Validated one;
    one.etag = text_of(answer, http::field::etag);
    if (const auto modified = text_of(answer, http::field::last_modified);
        is_long_before(modified, text_of(answer, http::field::date))) {
      one.last_modified = modified;
    }
    if ((one.etag.empty() && one.last_modified.empty()) ||
        says(answer, http::field::cache_control, "no-store")) {
      forget(target);
      return std::move(answer.body());
    }
    one.body = std::make_shared<const std::string>(answer.body());
    MutexLock lock(shared_->mutex);
    shared_->validated.put(target, std::move(one));
    return std::move(answer.body());
  }

  void close() {
    error_code ignored;
    socket_.close(ignored);
  }

  const std::shared_ptr<Shared> shared_;
  Time deadline_{};
  asio::io_context io_{1};
  Tcp::resolver resolver_{io_};
  Tcp::socket socket_{io_};
  std::optional<Tls> secure_;  // around the socket, from its connecting on
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;  // of the answer that is read
};

}  // namespace

std::unique_ptr<Source> make_http(SourceConfig config, const std::vector<Query>& queries) {
  const auto shared = std::make_shared<Shared>(config.validated);
  shared->base = config::parse_base_url(config.url).value();
  if (shared->base.tls) {
    shared->tls.emplace(asio::ssl::context::tls_client);
    shared->tls->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
    shared->tls->set_default_verify_paths();
    shared->tls->set_verify_mode(asio::ssl::verify_peer);
  }
  for (const Query& query : queries) {
    shared->paths.push_back(config::PathPattern::parse(query.text, query.parameters).value());
  }
  return std::make_unique<Pool>(std::move(config), queries,
                                [shared] { return std::make_unique<Http>(shared); });
}

}  // namespace tiercache::l3
