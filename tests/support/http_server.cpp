#include "http_server.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tiercache::testing {

namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

class HttpServer::Stream {
 public:
  Stream(int socket, void* tls) : socket_(socket) {
    if (tls != nullptr) {
      ssl_.reset(SSL_new(static_cast<SSL_CTX*>(tls)));
      SSL_set_fd(ssl_.get(), socket);
      good_ = SSL_accept(ssl_.get()) == 1;
    }
  }
  bool receive(std::string& bytes) {
    char buffer[4096];
    const ssize_t n = !good_ ? -1
                      : ssl_ ? SSL_read(ssl_.get(), buffer, sizeof buffer)
                             : ::recv(socket_, buffer, sizeof buffer, 0);
    if (n <= 0) {
      return false;
    }
    bytes.append(buffer, static_cast<std::size_t>(n));
    return true;
  }
  bool send(const std::string& bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const char* rest = bytes.data() + sent;
      const std::size_t size = bytes.size() - sent;
      const ssize_t n = ssl_ ? SSL_write(ssl_.get(), rest, static_cast<int>(size))
                             : ::send(socket_, rest, size, MSG_NOSIGNAL);
      if (n <= 0) {
        return false;
      }
      sent += static_cast<std::size_t>(n);
    }
    return true;
  }

 private:
  struct Free {
    void operator()(SSL* ssl) const {
      SSL_free(ssl);
    }
  };

  const int socket_;
  bool good_ = true;
  std::unique_ptr<SSL, Free> ssl_;
};

void HttpServer::write_pem(const std::string& path) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86'400);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  for (const auto& [kind, text] : {std::pair(NID_basic_constraints, "critical,CA:TRUE"),
                                   std::pair(NID_subject_alt_name, "DNS:localhost")}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, text);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509_sign(certificate, key, EVP_sha256());
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  const bool written =
      file != nullptr &&
      PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1 &&
      PEM_write_X509(file, certificate) == 1;
  if (file != nullptr) {
    std::fclose(file);
  }
  X509_free(certificate);
  EVP_PKEY_free(key);
  if (!written) {
    throw std::runtime_error("cannot write a certificate to " + path);
  }
}

std::string HttpServer::Asked::field(const std::string& name) const {
  const std::string mark = "\r\n" + lower(name) + ": ";
  const auto at = lower(head).find(mark);
  if (at == std::string::npos) {
    return "";
  }
  const auto begin = at + mark.size();
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

HttpServer::HttpServer(Answer answer, const std::string& pem) : answer_(std::move(answer)) {
  if (!pem.empty()) {
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    tls_ =
        std::shared_ptr<void>(context, [](void* it) { SSL_CTX_free(static_cast<SSL_CTX*>(it)); });
    if (SSL_CTX_use_PrivateKey_file(context, pem.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_certificate_file(context, pem.c_str(), SSL_FILETYPE_PEM) != 1) {
      throw std::runtime_error("the test's server of HTTP cannot use " + pem);
    }
  }
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = 0;
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_, 128) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    ::close(listener_);
    throw std::runtime_error("the test's server of HTTP cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

HttpServer::~HttpServer() {
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  drop();
  for (std::thread& thread : threads_) {
    thread.join();
  }
  for (const int socket : sockets_) {
    ::close(socket);
  }
  ::close(listener_);
}

std::vector<HttpServer::Asked> HttpServer::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

void HttpServer::drop() {
  const std::lock_guard lock(mutex_);
  for (const int socket : sockets_) {
    ::shutdown(socket, SHUT_RDWR);
  }
}

std::string HttpServer::reply(const std::string& status, const std::string& body,
                              const std::string& fields) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         fields + "\r\n" + body;
}

void HttpServer::accept_all() {
  for (;;) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) {
      return;
    }
    const std::size_t number = ++accepted_;
    const std::lock_guard lock(mutex_);
    sockets_.push_back(socket);
    threads_.emplace_back([this, socket, number] { serve(socket, number); });
  }
}

void HttpServer::serve(int socket, std::size_t number) {
  Stream stream(socket, tls_.get());
  std::string bytes;
  for (;;) {
    const auto end = bytes.find("\r\n\r\n");
    if (end == std::string::npos) {
      if (!stream.receive(bytes)) {
        break;
      }
      continue;
    }
    Asked asked;
    asked.head = bytes.substr(0, end + 2);
    asked.connection = number;
    bytes.erase(0, end + 4);
    const std::string length = asked.field("Content-Length");
    const std::size_t size = length.empty() ? 0 : std::stoul(length);
    bool whole = true;
    while (whole && bytes.size() < size) {
      whole = stream.receive(bytes);
    }
    if (!whole) {
      break;
    }
    asked.body = bytes.substr(0, size);
    bytes.erase(0, size);
    const auto space = asked.head.find(' ');
    asked.target = asked.head.substr(space + 1, asked.head.find(' ', space + 1) - space - 1);
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(asked);
    }
    const Reply reply = answer_(asked);
    if (!stream.send(reply.bytes) || reply.close) {
      break;
    }
  }
  ::shutdown(socket, SHUT_RDWR);
}

}  // namespace tiercache::testing
