// Answers of HTTP that become hashes, through the real program.
#include "http_server.hpp"
#include "redis_server.hpp"
#include "tiercache_process.hpp"

#include <chrono>
#include <string>

#include <doctest/doctest.h>

namespace tiercache::testing {

TEST_CASE("an object of JSON is a hash, conditional answers too") {
  const auto ok = [](const std::string& body, const std::string& fields = "") {
    return HttpServer::Reply{HttpServer::reply("200 OK", body, fields)};
  };
  HttpServer server([&](const HttpServer::Asked& asked) -> HttpServer::Reply {
    if (asked.target == "/list") {
      return ok("[1]");
    }
    return asked.field("If-None-Match").empty()
               ? ok(R"({"name": "Ann", "n": 1.50, "none": null, "tags": ["a", "b"]})",
                    "ETag: \"e\"\r\n")
               : HttpServer::Reply{"HTTP/1.1 304 Not Modified\r\n\r\n"};
  });
  RedisServer redis;
  TiercacheProcess proxy(
      redis.port(), {"threads=2"},
      "[[source]]\nname = \"api\"\nurl = \"" + server.url() +
          "\"\ntimeout_ms = 60000\n"
          "[[namespace]]\nname = \"items\"\nmatch = [\"item:*\"]\ntiers = \"l1+l2+l3\"\n"
          "source = \"api\"\nkey = \"item:{id}\"\nquery = \"/{id}\"\nresult = \"hash\"\n");
  proxy.wait_live();
  Client client(proxy.port(), std::chrono::seconds(60));
  for (int round = 0; round < 2; round++) {
    const Value all = client.call("HGETALL", "item:7");
    REQUIRE(all.items.size() == 6);
    CHECK(all.items[1].text == "Ann");
    CHECK(all.items[3].text == "1.50");
    CHECK(all.items[5].text == R"(["a","b"])");
    CHECK(client.call("CACHE", "INVALIDATE", "KEY", "item:7").integer >= 0);
  }
  const std::string text = "," + client.call("CACHE", "STATS").find("source_api")->text;
  CHECK(text.find(",not_modified=0,") == text.npos);
  CHECK(client.call("HLEN", "item:list").text ==
        "ERR tiercache: source 'api' of namespace 'items': the answer is JSON, but no object");
}

}  // namespace tiercache::testing
