// A server of HTTP for tests, in this process: on 127.0.0.1, its answers are the bytes that the
// test says. Each connection is kept until the client or the test closes it.
//
// Owner: the test. `answer` is called on threads of the server, several at a time; it must return.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tiercache::testing {

class HttpServer {
 public:
  struct Asked {
    std::string target;
    std::string head;            // all of it
    std::string body;            // as long as Content-Length says
    std::size_t connection = 0;  // the first is 1

    // Empty: there is none.
    std::string field(const std::string& name) const;
  };
  struct Reply {
    std::string bytes;  // empty: none
    bool close = false;
  };
  using Answer = std::function<Reply(const Asked&)>;

  // On a free port. Throws std::runtime_error if it cannot listen. `pem`: a file with a key and its
  // certificate, for TLS.
  explicit HttpServer(Answer answer, const std::string& pem = "");
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const {
    return port_;
  }
  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(port_);
  }
  // A file for `pem`, whose certificate is of localhost and signs itself.
  static void write_pem(const std::string& path);
  // What it has been asked so far.
  std::vector<Asked> asked() const;
  std::size_t connections() const {
    return accepted_.load();
  }
  // Closes all connections that there are; the next are taken.
  void drop();

  // An answer as servers write it. `fields`: further ones, each with "\r\n" at its end.
  static std::string reply(const std::string& status, const std::string& body,
                           const std::string& fields = "");

 private:
  void accept_all();
  void serve(int socket, std::size_t number);

  // A connection: with TLS or without.
  class Stream;

  const Answer answer_;
  std::shared_ptr<void> tls_;  // null: none
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<std::size_t> accepted_{0};
  mutable std::mutex mutex_;
  std::vector<Asked> asked_;
  std::vector<int> sockets_;  // closed when the server goes
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace tiercache::testing
