// What posts to a webhook, against servers of HTTP in this process.
#include "tiercache/l3/poster.hpp"

#include "http_server.hpp"
#include "redis_server.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <future>
#include <string>
#include <utility>

#include <doctest/doctest.h>

namespace tiercache::testing {

TEST_CASE("over TLS only a receiver is told whose certificate is good") {
  RedisServer for_its_directory;
  const std::string pem = (for_its_directory.directory() / "pem").string();
  HttpServer::write_pem(pem);
  std::signal(SIGPIPE, SIG_IGN);
  HttpServer server(
      [](const HttpServer::Asked&) { return HttpServer::Reply{HttpServer::reply("200 OK", "")}; },
      pem);
  const std::string url = "https://localhost:" + std::to_string(server.port()) + "/hook";
  const auto post = [](l3::Poster& poster) {
    std::promise<Status> promise;
    poster.post("[]", [&](Status status) { promise.set_value(std::move(status)); });
    return promise.get_future().get();
  };
  const auto stranger = l3::make_poster({url, "application/json", std::chrono::seconds(60)});
  const Status refused = post(*stranger);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail.find("certificate verify failed") != std::string::npos);
  CHECK(server.asked().empty());
  ::setenv("SSL_CERT_FILE", pem.c_str(), 1);
  const auto trusting = l3::make_poster({url, "application/json", std::chrono::seconds(60)});
  ::unsetenv("SSL_CERT_FILE");
  CHECK(post(*trusting));
  CHECK(post(*trusting));
  REQUIRE(server.asked().size() == 2);
  CHECK(server.asked()[1].body == "[]");
}

TEST_CASE("a receiver that is slow, or is not there") {
  HttpServer silent([](const HttpServer::Asked&) { return HttpServer::Reply{}; });
  const auto post = [](const std::string& url) {
    const auto poster = l3::make_poster({url, "application/json", std::chrono::milliseconds(200)});
    std::promise<Status> promise;
    poster->post("[]", [&](Status status) { promise.set_value(std::move(status)); });
    const Status status = promise.get_future().get();
    REQUIRE_FALSE(status);
    return status.error().detail;
  };
  CHECK(post(silent.url()) == "it did not answer in time");
  CHECK(post("http://127.0.0.1:" + std::to_string(free_port())) == "Connection refused");
}

}  // namespace tiercache::testing
