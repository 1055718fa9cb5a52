// Sources of HTTP: a connection of the pool before a server in this process, and the real program.
#include "http_server.hpp"
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include "tiercache/l3/source.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {
namespace {

using Asked = HttpServer::Asked;
using Reply = HttpServer::Reply;
using Kind = l3::Loaded::Kind;

// A source of one query, "/v/{key}", one thread unless told otherwise.
class HttpSource {
 public:
  explicit HttpSource(const std::string& url,
                      std::chrono::milliseconds timeout = std::chrono::seconds(60),
                      std::size_t validated = 1 << 20) {
    l3::SourceConfig config;
    config.name = "api";
    config.url = url;
    config.concurrency = 1;
    config.timeout = timeout;
    config.validated = validated;
    source_ = l3::make_source(std::move(config), {{"/v/{key}", {"key"}, {false}, 1}});
  }

  l3::Loaded load(const std::string& key) {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<l3::Loaded> brought;
    const l3::Source::Taken taken = source_->submit({0, {key}, [&](l3::Loaded loaded) {
                                                       const std::lock_guard lock(mutex);
                                                       brought = std::move(loaded);
                                                       changed.notify_all();
                                                     }});
    if (taken != l3::Source::Taken::yes) {
      return {Kind::failed, "not taken"};
    }
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return brought.has_value(); }));
    return *brought;
  }
  l3::SourceTotals totals() const {
    return source_->totals();
  }

 private:
  std::unique_ptr<l3::Source> source_;
};

Reply ok(const std::string& body, const std::string& fields = "") {
  return {HttpServer::reply("200 OK", body, fields)};
}

// A date as HTTP has it, of some Sunday.
std::string on(const std::string& field, const std::string& time) {
  return field + ": Sun, 06 Nov 1994 " + time + " GMT\r\n";
}

}  // namespace

TEST_CASE("keys are asked for one after the other on one connection") {
  HttpServer server([](const Asked& asked) { return ok("value of " + asked.target); });
  HttpSource source(server.url() + "/api/");
  CHECK(source.load("a").bytes == "value of /api/v/a");
  CHECK(source.load("b").bytes == "value of /api/v/b");
  const l3::Loaded odd = source.load(std::string("a/b ?#%\r\n\0\xff", 11));
  CHECK(odd.kind == Kind::value);
  CHECK(odd.bytes == "value of /api/v/a%2Fb%20%3F%23%25%0D%0A%00%FF");
  CHECK(source.load("..").kind == Kind::absent);
  CHECK(server.connections() == 1);
  const std::vector<Asked> asked = server.asked();
  REQUIRE(asked.size() == 3);
  CHECK(asked[0].head.starts_with("GET /api/v/a HTTP/1.1\r\n"));
  CHECK(asked[0].field("Host") == "127.0.0.1:" + std::to_string(server.port()));
}

TEST_CASE("large values come whole, in one piece or in chunks, up to a limit") {
  const std::string large(1'000'000, 'x');
  HttpServer server([&](const Asked& asked) -> Reply {
    if (asked.target == "/v/chunks") {
      std::string all = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
      for (int i = 0; i < 10; i++) {
        all += "186a0\r\n" + large.substr(0, 100'000) + "\r\n";
      }
      return {all + "0\r\n\r\n"};
    }
    if (asked.target == "/v/endless") {
      return {"HTTP/1.1 200 OK\r\nContent-Length: 67108865\r\n\r\n" + large};
    }
    if (asked.target == "/v/old") {
      return {"HTTP/1.0 200 OK\r\n\r\nuntil the end", true};
    }
    return ok(asked.target == "/v/empty" ? "" : large);
  });
  HttpSource source(server.url());
  CHECK(source.load("large").bytes == large);
  CHECK(source.load("chunks").bytes == large);
  const l3::Loaded empty = source.load("empty");
  CHECK(empty.kind == Kind::value);
  CHECK(empty.bytes.empty());
  CHECK(source.load("old").bytes == "until the end");
  const l3::Loaded endless = source.load("endless");
  CHECK(endless.kind == Kind::failed);
  CHECK(endless.bytes == "the value is larger than 64mb");
  CHECK_FALSE(endless.away);
  CHECK(source.load("large").bytes == large);
}

TEST_CASE("what a status means") {
  HttpServer server([](const Asked& asked) -> Reply {
    const std::string status = asked.target.substr(3);
    if (status == "204" || status == "304") {
      return {"HTTP/1.1 " + status + " x\r\n\r\n"};
    }
    if (status == "gzip") {
      return ok("x", "Content-Encoding: gzip\r\n");
    }
    if (status == "early") {
      return {"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok("late").bytes};
    }
    return {HttpServer::reply(status + " x", "body", "Location: /v/200\r\n")};
  });
  HttpSource source(server.url());
  CHECK(source.load("200").kind == Kind::value);
  for (const char* status : {"204", "404", "410"}) {
    CHECK(source.load(status).kind == Kind::absent);
  }
  CHECK(source.load("early").bytes == "late");
  const std::vector<std::pair<std::string, std::string>> failures = {
      {"302", "it answered 302 (Found), and redirects are not followed"},
      {"403", "it answered 403 (Forbidden)"},
      {"206", "it answered 206 (Partial Content)"},
      {"304", "it answered 304 (Not Modified) to what was not asked conditionally"},
      {"gzip", "the value is encoded, which was not asked for"}};
  for (const auto& [status, why] : failures) {
    const l3::Loaded loaded = source.load(status);
    CHECK(loaded.kind == Kind::failed);
    CHECK(loaded.bytes == why);
    CHECK_FALSE(loaded.away);
  }
  CHECK(source.load("503").bytes == "it answered 503 (Service Unavailable)");
  CHECK(source.load("429").away);
  CHECK(server.connections() == 1);
}

TEST_CASE("a connection that the server closes is made anew") {
  std::atomic<bool> close{false};
  HttpServer server([&](const Asked&) -> Reply {
    return {ok("it", close ? "Connection: close\r\n" : "").bytes, close};
  });
  HttpSource source(server.url());
  CHECK(source.load("a").bytes == "it");
  server.drop();
  CHECK(source.load("b").bytes == "it");
  CHECK(server.connections() == 2);
  close = true;
  CHECK(source.load("c").bytes == "it");
  CHECK(server.connections() == 2);
  CHECK(source.load("d").bytes == "it");
  CHECK(server.connections() == 3);
  CHECK(source.totals().failed == 0);
}

TEST_CASE("a kept connection that closes on the request is asked once more, a new one is not") {
  std::atomic<bool> silent{false};
  HttpServer server([&](const Asked& asked) -> Reply {
    // Of a kept connection the second request, of a new one the first.
    const bool closes = silent || (asked.target == "/v/again" && asked.connection == 1);
    return closes ? Reply{"", true} : ok("it");
  });
  HttpSource source(server.url());
  CHECK(source.load("a").bytes == "it");
  CHECK(source.load("again").bytes == "it");
  CHECK(server.asked().size() == 3);
  CHECK(server.connections() == 2);
  silent = true;
  const l3::Loaded loaded = source.load("b");
  CHECK(loaded.bytes == "the connection was closed without an answer");
  CHECK(loaded.away);
  CHECK(server.connections() == 3);
}

TEST_CASE("what comes after an answer is no answer to the next request") {
  HttpServer server([](const Asked& asked) -> Reply {
    return asked.connection == 1 ? Reply{ok("one").bytes + ok("not asked for").bytes} : ok("two");
  });
  HttpSource source(server.url());
  CHECK(source.load("a").bytes == "one");
  CHECK(source.load("b").bytes == "two");
}

TEST_CASE("an answer that breaks off, and what is no HTTP") {
  HttpServer server([](const Asked& asked) -> Reply {
    return asked.target == "/v/half"
               ? Reply{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", true}
               : Reply{"-ERR unknown command\r\n", true};
  });
  HttpSource source(server.url());
  const l3::Loaded half = source.load("half");
  CHECK(half.kind == Kind::failed);
  CHECK(half.bytes == "the connection was lost within the answer");
  CHECK(half.away);
  const l3::Loaded other = source.load("other");
  CHECK(other.bytes.starts_with("the answer is not HTTP: "));
  CHECK(other.away);
}

TEST_CASE("a server that is slow is waited for no longer than the time-out, wherever it is slow") {
  HttpServer server([](const Asked& asked) -> Reply {
    if (asked.target == "/v/silent") {
      return {};
    }
    return asked.target == "/v/half" ? Reply{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"}
                                     : ok("it");
  });
  HttpSource source(server.url(), std::chrono::milliseconds(200));
  for (const char* key : {"silent", "half"}) {
    const auto begun = std::chrono::steady_clock::now();
    const l3::Loaded loaded = source.load(key);
    CHECK(loaded.bytes == "the query took too long");
    CHECK(loaded.away);
    CHECK(std::chrono::steady_clock::now() - begun >= std::chrono::milliseconds(200));
  }
  CHECK(source.totals().timeouts == 2);
  // Nothing of them is taken for the answer to another.
  CHECK(eventually([&] { return source.load("good").bytes == "it"; }));
}

TEST_CASE("what has not changed is not sent again") {
  std::atomic<int> version{1};
  HttpServer server([&](const Asked& asked) -> Reply {
    const std::string tag = "\"v" + std::to_string(version) + "\"";
    if (asked.target == "/v/secret") {
      return ok("secret", "ETag: \"s\"\r\nCache-Control: private, no-store\r\n");
    }
    if (asked.target == "/v/gone" && version > 1) {
      return {HttpServer::reply("404 x", "")};
    }
    if (asked.field("If-None-Match") == tag) {
      return {"HTTP/1.1 304 Not Modified\r\nETag: " + tag + "\r\n\r\n"};
    }
    return ok("version " + std::to_string(version), "ETag: " + tag + "\r\n");
  });
  HttpSource source(server.url());
  CHECK(source.load("a").bytes == "version 1");
  const l3::Loaded again = source.load("a");
  CHECK(again.kind == Kind::value);
  CHECK(again.bytes == "version 1");
  CHECK(again.not_modified);
  CHECK(source.load("b").bytes == "version 1");
  CHECK(source.load("gone").bytes == "version 1");
  CHECK(source.totals().not_modified == 1);
  version = 2;
  CHECK(source.load("a").bytes == "version 2");
  CHECK(source.load("a").bytes == "version 2");
  CHECK(source.load("gone").kind == Kind::absent);
  CHECK(source.load("gone").kind == Kind::absent);
  CHECK(source.load("secret").bytes == "secret");
  CHECK(source.load("secret").bytes == "secret");
  CHECK(source.totals().not_modified == 2);
  const std::vector<Asked> asked = server.asked();
  CHECK(asked[0].field("If-None-Match").empty());
  CHECK(asked[1].field("If-None-Match") == "\"v1\"");
  CHECK(asked[5].field("If-None-Match") == "\"v2\"");
  for (const std::size_t unconditional : {7U, 8U, 9U}) {
    CHECK(asked[unconditional].field("If-None-Match").empty());
  }
}

TEST_CASE("Last-Modified is relied on where it cannot hide a change") {
  HttpServer server([](const Asked& asked) -> Reply {
    if (!asked.field("If-Modified-Since").empty()) {
      return {"HTTP/1.1 304 Not Modified\r\n\r\n"};
    }
    const std::string modified = asked.target == "/v/old" ? "08:00:00" : "08:59:30";
    return ok("it", on("Last-Modified", modified) + on("Date", "09:00:00"));
  });
  HttpSource source(server.url());
  for (int i = 0; i < 2; i++) {
    CHECK(source.load("old").bytes == "it");
    CHECK(source.load("new").bytes == "it");
  }
  CHECK(source.totals().not_modified == 1);
  CHECK(server.asked()[2].field("If-Modified-Since") == "Sun, 06 Nov 1994 08:00:00 GMT");
}

TEST_CASE("answers are kept in so much memory, and none of it is none") {
  HttpServer server([](const Asked& asked) -> Reply {
    return asked.field("If-None-Match").empty() ? ok(std::string(1000, 'x'), "ETag: \"e\"\r\n")
                                                : Reply{"HTTP/1.1 304 Not Modified\r\n\r\n"};
  });
  for (const std::size_t room : {std::size_t{0}, std::size_t{3000}}) {
    HttpSource source(server.url(), std::chrono::seconds(60), room);
    for (int round = 0; round < 2; round++) {
      for (int key = 0; key < 5; key++) {
        CHECK(source.load(std::to_string(key)).bytes.size() == 1000);
      }
    }
    CHECK(source.totals().not_modified == 0);
    CHECK(source.load("4").not_modified == (room > 0));
  }
}

TEST_CASE("a server that fails is left alone, and nobody who is not there is asked for long") {
  std::atomic<bool> works{false};
  HttpServer server([&](const Asked&) -> Reply {
    return works ? ok("it") : Reply{HttpServer::reply("500 x", "trouble")};
  });
  HttpSource source(server.url());
  CHECK(eventually([&] {
    source.load("a");
    return source.totals().left_alone;
  }));
  CHECK(server.asked().size() == 5);
  works = true;
  CHECK(eventually([&] { return source.load("a").bytes == "it"; }));
  CHECK_FALSE(source.totals().left_alone);

  HttpSource nowhere("http://127.0.0.1:" + std::to_string(free_port()));
  const l3::Loaded refused = nowhere.load("a");
  CHECK(refused.bytes == "Connection refused");
  CHECK(refused.away);
  HttpSource by_name("http://localhost:" + std::to_string(server.port()));
  CHECK(by_name.load("a").bytes == "it");
}

TEST_CASE("over TLS only a server is asked whose certificate is good, and of that name") {
  RedisServer for_its_directory;
  const std::string pem = (for_its_directory.directory() / "pem").string();
  HttpServer::write_pem(pem);
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL's writes know no MSG_NOSIGNAL
  HttpServer server([](const Asked& asked) { return ok("value of " + asked.target); }, pem);
  const std::string port = std::to_string(server.port());
  HttpSource stranger("https://localhost:" + port);
  const l3::Loaded refused = stranger.load("a");
  CHECK(refused.bytes.find("certificate verify failed") != std::string::npos);
  CHECK(refused.away);
  ::setenv("SSL_CERT_FILE", pem.c_str(), 1);
  HttpSource trusting("https://localhost:" + port + "/api");
  HttpSource other_name("https://127.0.0.1:" + port);
  HttpSource plain("http://localhost:" + port, std::chrono::milliseconds(500));
  ::unsetenv("SSL_CERT_FILE");
  const std::size_t before = server.connections();
  CHECK(trusting.load("a").bytes == "value of /api/v/a");
  CHECK(trusting.load("b").bytes == "value of /api/v/b");
  CHECK(server.connections() == before + 1);
  server.drop();
  CHECK(trusting.load("c").bytes == "value of /api/v/c");
  CHECK(other_name.load("a").bytes.find("certificate verify failed") != std::string::npos);
  CHECK(plain.load("a").kind == Kind::failed);
  CHECK(server.asked().size() == 3);
  HttpServer no_tls([](const Asked&) { return ok("it"); });
  HttpSource deaf("https://localhost:" + std::to_string(no_tls.port()),
                  std::chrono::milliseconds(300));
  const l3::Loaded late = deaf.load("a");
  CHECK(late.bytes == "the query took too long");
  CHECK(late.away);
}

TEST_CASE("a cold source is asked little, and as much as may be once it has answered") {
  std::atomic<bool> held{true};
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  HttpServer server([&](const Asked& asked) -> Reply {
    const int now = ++running;
    int before = most;
    while (now > before && !most.compare_exchange_weak(before, now)) {
    }
    eventually([&] { return !held; });
    --running;
    return ok(asked.target);
  });
  RedisServer redis;
  TiercacheProcess proxy(
      redis.port(), {"threads=2"},
      "[[source]]\nname = \"api\"\nurl = \"" + server.url() +
          "\"\ntimeout_ms = 60000\nconcurrency = 8\ncold_concurrency = 2\n"
          "[[namespace]]\nname = \"items\"\nmatch = [\"item:*\"]\ntiers = \"l1+l2+l3\"\n"
          "source = \"api\"\nkey = \"item:{id}\"\nquery = \"/{id}\"\n");
  proxy.wait_live();
  constexpr int kKeys = 300;
  Client client(proxy.port(), std::chrono::seconds(60));
  Client watch(proxy.port(), std::chrono::seconds(60));
  const auto counted = [&](const std::string& what) {
    const std::string text = "," + watch.call("CACHE", "STATS").find("source_api")->text;
    const auto at = text.find("," + what + "=");
    REQUIRE(at != std::string::npos);
    return std::stoi(text.substr(at + what.size() + 2));
  };
  for (int i = 0; i < kKeys; i++) {
    client.send("GET", "item:" + std::to_string(i));
  }
  CHECK(eventually([&] { return counted("waiting") == kKeys - 2; }));
  CHECK(eventually([&] { return most == 2; }));
  CHECK(counted("allowed") == 2);
  held = false;
  for (int i = 0; i < kKeys; i++) {
    CHECK(client.read().text == "/" + std::to_string(i));
  }
  CHECK(counted("allowed") == 8);
  CHECK(most <= 8);
  CHECK(counted("failed") == 0);
}

TEST_CASE("the program loads from a server of HTTP") {
  std::atomic<bool> works{true};
  HttpServer server([&](const Asked& asked) -> Reply {
    if (!works) {
      return {HttpServer::reply("503 x", "")};
    }
    if (asked.target.starts_with("/api/items/none")) {
      return {HttpServer::reply("404 x", "")};
    }
    return asked.field("If-None-Match").empty()
               ? ok(asked.target == "/api/items/large" ? std::string(1'000'000, 'x') : asked.target,
                    "ETag: \"e\"\r\n")
               : Reply{"HTTP/1.1 304 Not Modified\r\n\r\n"};
  });
  RedisServer redis;
  TiercacheProcess proxy(
      redis.port(), {"threads=2"},
      "[[source]]\nname = \"api\"\nurl = \"" + server.url() +
          "/api\"\ntimeout_ms = 60000\n"
          "[[namespace]]\nname = \"items\"\nmatch = [\"item:*\"]\ntiers = \"l1+l2+l3\"\n"
          "source = \"api\"\nkey = \"item:{id}\"\nquery = \"/items/{id}\"\nnegative_ttl_ms = 0\n");
  proxy.wait_live();
  Client client(proxy.port(), std::chrono::seconds(60));
  const auto counted = [&](const std::string& what) {
    const Value stats = client.call("CACHE", "STATS");
    const Value* line = stats.find("source_api");
    REQUIRE(line != nullptr);
    const std::string text = "," + line->text;
    const auto at = text.find("," + what + "=");
    REQUIRE(at != std::string::npos);
    return std::stoll(text.substr(at + what.size() + 2));
  };
  CHECK(client.call("GET", "item:7").text == "/api/items/7");
  CHECK(client.call("GET", "item:large").text.size() == 1'000'000);
  CHECK(client.call("GET", "item:none").is_nil());
  const std::string odd("item:\r\n\0/\xff?", 11);
  CHECK(client.call("GET", odd).text == "/api/items/%0D%0A%00%2F%FF%3F");
  CHECK(counted("not_modified") == 0);
  CHECK(client.call("CACHE", "INVALIDATE", "KEY", "item:7").integer >= 0);
  CHECK(client.call("GET", "item:7").text == "/api/items/7");
  CHECK(counted("not_modified") >= 1);
  works = false;
  CHECK(client.call("GET", "item:8").text ==
        "ERR tiercache: source 'api' of namespace 'items': it answered 503 (Service Unavailable)");
  CHECK(eventually([&] {
    return client.call("GET", "item:8")
        .text.ends_with("it does not answer, and is left alone for a while");
  }));
  CHECK(counted("left_alone") == 1);
  works = true;
  CHECK(eventually([&] { return client.call("GET", "item:8").text == "/api/items/8"; }));
}

}  // namespace tiercache::testing
