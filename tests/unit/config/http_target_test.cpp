// Where a source of HTTP is, and the paths that are made of keys.
#include "tiercache/config/http_target.hpp"

#include "message.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::config;

namespace {

std::string wrong_url(std::string_view text) {
  const auto url = parse_base_url(text);
  return url ? "accepted" : url.error().detail;
}

std::string wrong_path(std::string_view text) {
  const auto path = PathPattern::parse(text, {"id", "kind"});
  return path ? "accepted" : path.error().detail;
}

std::string path_of(std::string_view text, const KeyPattern::Value& id,
                    const KeyPattern::Value& kind = "k") {
  const std::vector<KeyPattern::Value> values{id, kind};
  return PathPattern::parse(text, {"id", "kind"}).value().path(values).value_or("(none)");
}

}  // namespace

TEST_CASE("the parts of a URL") {
  const BaseUrl whole = parse_base_url("http://api.example:8080/v1/data/").value();
  CHECK(whole.server == Endpoint{EndpointKind::tcp, "api.example", 8080, ""});
  CHECK(whole.host == "api.example:8080");
  CHECK(whole.path == "/v1/data");
  const BaseUrl plain = parse_base_url("http://127.0.0.1").value();
  CHECK(plain.server == Endpoint{EndpointKind::tcp, "127.0.0.1", 80, ""});
  CHECK(plain.host == "127.0.0.1");
  CHECK(plain.path.empty());
  CHECK(parse_base_url("http://127.0.0.1:80/").value() == plain);
  CHECK_FALSE(plain.tls);
  const BaseUrl secure = parse_base_url("https://a.example/b").value();
  CHECK(secure.tls);
  CHECK(secure.server.port == 443);
  CHECK(secure.host == "a.example");
  CHECK(parse_base_url("https://a.example:443/b").value() == secure);
  CHECK(parse_base_url("https://a.example:80").value().host == "a.example:80");
  const BaseUrl v6 = parse_base_url("http://[::1]/a").value();
  CHECK(v6.server == Endpoint{EndpointKind::tcp, "::1", 80, ""});
  CHECK(v6.host == "[::1]");
  CHECK(parse_base_url("http://[::1]:81").value().host == "[::1]:81");
}

TEST_CASE("a whole URL may have a query") {
  CHECK(parse_url("http://a.example/b/?c=d").value().path == "/b/?c=d");
  CHECK(parse_url("http://a.example?c=d").value().path == "/?c=d");
  CHECK(parse_url("http://a.example").value().path == "/");
  const BaseUrl url = parse_url("https://a.example:8443/b").value();
  CHECK(url.host == "a.example:8443");
  CHECK(url.tls);
  CHECK_FALSE(parse_url("http://a/b c"));
}

TEST_CASE("what is no URL for us, and why") {
  for (const char* text : {"", "ftp://a", "a:80", "HTTP://a", "/path"}) {
    CHECK(wrong_url(text) == "it does not begin with http:// or https://");
  }
  CHECK(wrong_url("http://") == "the host is missing");
  CHECK(wrong_url("http:///path") == "the host is missing");
  CHECK(wrong_url("http://me:word@a/") == "it has a user, which is not supported");
  CHECK(wrong_url("http://a:0") == "the port must be a number from 1 to 65535");
  CHECK(wrong_url("http://a:x/") == "the port must be a number from 1 to 65535");
  CHECK(wrong_url("http://a b/") == "the host is neither a name nor an address");
  CHECK(wrong_url("http://::1/") == "an IPv6 address must stand in brackets");
  CHECK(wrong_url("http://[::1/") == "']' is missing");
  CHECK(wrong_url("http://a/b c") == "it has a ' ' that has to be percent-encoded");
  CHECK(wrong_url("http://a/b#c") == "it has a '#' that has to be percent-encoded");
  CHECK(wrong_url("http://a/b?c=1") == "it has a '?': what is asked stands in namespace.query");
}

TEST_CASE("the parts of a key stand in the path, encoded") {
  CHECK(path_of("/users/{id}", std::int64_t{-7}) == "/users/-7");
  CHECK(path_of("/{kind}/{id}?full=1&again={id}", "a", "user") == "/user/a?full=1&again=a");
  CHECK(path_of("/plain", "a") == "/plain");
  CHECK(path_of("/u/{id}", "aZ09-._~") == "/u/aZ09-._~");
  CHECK(path_of("/u/{id}", "a/b?c#d%e&f=g h") == "/u/a%2Fb%3Fc%23d%25e%26f%3Dg%20h");
  CHECK(path_of("/u/{id}", "{kind}") == "/u/%7Bkind%7D");
  CHECK(path_of("/u/{id}", "\xc3\xa4") == "/u/%C3%A4");
  CHECK(path_of("/u/{id}", std::string("\r\n\0\xff", 4)) == "/u/%0D%0A%00%FF");
}

TEST_CASE("no key reaches another path by dots") {
  CHECK(path_of("/u/{id}", ".") == "(none)");
  CHECK(path_of("/u/{id}", "..") == "(none)");
  CHECK(path_of("/u/{id}/x", "..") == "(none)");
  CHECK(path_of("/u/.{id}?a", ".") == "(none)");
  CHECK(path_of("/u/{id}{kind}", ".", ".") == "(none)");
  CHECK(path_of("/u/{id}", "...") == "/u/...");
  CHECK(path_of("/u/{id}", "a/b") == "/u/a%2Fb");
  // For servers that decode first.
  for (const char* key : {"../x", "x/..", "x/../y", "..\\x", "x/./y"}) {
    CHECK(path_of("/u/{id}", key) == "(none)");
  }
  CHECK(path_of("/u?up={id}", "..") == "/u?up=..");
}

TEST_CASE("what is no path, and why") {
  for (const char* text : {"", "users/{id}", "{id}", "select 1"}) {
    CHECK(wrong_path(text) == "it is no path, such as /users/{id}");
  }
  CHECK(wrong_path("/u/{id") == "there is a '{' without '}'");
  CHECK(wrong_path("/u/}") == "it has a '}' that has to be percent-encoded");
  CHECK(wrong_path("/u/{no}") == "it has {no}, which is no part of the key");
  CHECK(wrong_path("/u/{id:int}") == "it has {id:int}, which is no part of the key");
  CHECK(wrong_path("/u/{}") == "it has {}, which is no part of the key");
  CHECK(wrong_path("/u /{id}") == "it has a ' ' that has to be percent-encoded");
  CHECK(wrong_path("/u/{id}#x") == "it has a '#' that has to be percent-encoded");
  CHECK(wrong_path("/u/{id}/\xc3\xa4") == "it has a character that has to be percent-encoded");
}

TEST_CASE("a namespace's path is looked at when the configuration is") {
  const std::string source = "[[source]]\nname = \"api\"\nurl = \"http://a:81/b\"\n";
  const std::string space =
      "[[namespace]]\nname = \"n\"\nmatch = [\"a\"]\ntiers = \"l1+l2+l3\"\nsource = \"api\"\n"
      "key = \"user:{id:int}\"\nquery = ";
  CHECK(message_for(source + "validated = \"1mb\"\n" + space + "\"/users/{id}\"\n") == "accepted");
  CHECK(message_for(source + space + "\"/users/{name}\"\n")
            .ends_with("namespace 'n': namespace.query: it has {name}, which is no part of the "
                       "key"));
  CHECK(message_for(source + space + "\"/users/{id}\"\nbatch = 2\n")
            .ends_with("namespace.batch needs PostgreSQL and a key of one part"));
  CHECK(message_for(source + "listen = \"a\"\n").ends_with("source.listen needs PostgreSQL"));
  CHECK(message_for("[[source]]\nname = \"api\"\nurl = \"ftp://a\"\n")
            .ends_with("source 'api': source.url: it does not begin with http:// or https://"));
}
