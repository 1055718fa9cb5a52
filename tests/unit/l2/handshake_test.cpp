#include "handshake.hpp"

#include "server_info.hpp"

#include <memory>
#include <string>

#include <doctest/doctest.h>

using tiercache::l2::Handshake;
using tiercache::l2::LinkSpec;
using tiercache::l2::Login;
using Outcome = Handshake::Outcome;
using tiercache::resp::Version;

namespace {

const std::string kInfo = "$20\r\n# Server\r\nrun_id:abc\r\n";

}  // namespace

TEST_CASE("only what the spec needs is sent") {
  std::string out;
  Handshake plain("", "", {}, out);
  CHECK(out == "*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n");
  CHECK(plain.on_reply(kInfo) == Outcome::ready);
  CHECK(plain.source() == tiercache::l2::source_of("abc"));
  CHECK(plain.source() != 0);

  out.clear();
  Handshake full("app", "word", {3, Version::resp3}, out);
  CHECK(out ==
        "*3\r\n$4\r\nAUTH\r\n$3\r\napp\r\n$4\r\nword\r\n*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"
        "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n");
  CHECK(full.on_reply("+OK\r\n") == Outcome::more);
  CHECK(full.on_reply("%1\r\n+a\r\n+b\r\n") == Outcome::more);
  CHECK(full.on_reply("+OK\r\n") == Outcome::more);
  CHECK(full.on_reply("=24\r\ntxt:# Server\r\nrun_id:abc\r\n") == Outcome::ready);
  CHECK(full.source() == plain.source());

  out.clear();
  Handshake nameless("", "word", {}, out);
  CHECK(out.starts_with("*2\r\n$4\r\nAUTH\r\n$4\r\nword\r\n"));
}

TEST_CASE("who has the connection alone learns its id, if Redis tells") {
  std::string out;
  Handshake own("", "", {}, out, Handshake::Use::own);
  CHECK(out == "*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n");
  CHECK(own.on_reply(":4711\r\n") == Outcome::more);
  CHECK(own.on_reply(kInfo) == Outcome::ready);
  CHECK(own.client_id() == 4711);

  Handshake forbidden("", "", {}, out, Handshake::Use::own);
  CHECK(forbidden.on_reply("-NOPERM no\r\n") == Outcome::more);
  CHECK(forbidden.on_reply(kInfo) == Outcome::ready);
  CHECK(forbidden.client_id() == 0);
}

TEST_CASE("where a master is expected the server must call itself one, if it says anything") {
  using tiercache::l2::Upstream;
  const auto asked = [](std::string& out) {
    return Handshake("", "", {}, out, Handshake::Use::shared, Upstream::Expect::master);
  };
  std::string out;
  Handshake master = asked(out);
  CHECK(out == "*1\r\n$4\r\nROLE\r\n*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n");
  CHECK(master.on_reply("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n") == Outcome::more);
  CHECK(master.on_reply(kInfo) == Outcome::ready);

  Handshake replica = asked(out);
  CHECK(replica.on_reply("*5\r\n$5\r\nslave\r\n$6\r\nmaster\r\n:1\r\n+a\r\n:0\r\n") ==
        Outcome::refused);
  CHECK(replica.not_master());

  Handshake forbidden = asked(out);
  CHECK(forbidden.on_reply("-NOPERM no\r\n") == Outcome::more);
  CHECK(forbidden.on_reply(kInfo) == Outcome::ready);
  CHECK_FALSE(forbidden.not_master());
}

TEST_CASE("any refusal ends it with Redis's line, but for INFO that may be forbidden") {
  std::string out;
  Handshake select("", "", {99}, out);
  CHECK(select.on_reply("-ERR DB index is out of range\r\n") == Outcome::refused);
  CHECK(select.why() == "-ERR DB index is out of range");

  for (const char* harmless : {"-NOPERM no\r\n", "-ERR unknown command 'INFO'\r\n"}) {
    Handshake info("", "", {}, out);
    CHECK(info.on_reply(harmless) == Outcome::ready);
    CHECK(info.source() == 0);
  }
  for (const char* fatal : {"-LOADING wait\r\n", "-ERR max number of clients\r\n"}) {
    Handshake info("", "", {}, out);
    CHECK(info.on_reply(fatal) == Outcome::refused);
    CHECK(info.why() + "\r\n" == fatal);
  }
  Handshake info("", "word", {}, out);
  CHECK(info.on_reply("+OK\r\n") == Outcome::more);
  CHECK(info.on_reply("-NOAUTH no\r\n") == Outcome::refused);
}

TEST_CASE("who has not logged in is told so by Redis, request by request") {
  std::string out;
  Handshake plain("", "", {}, out);
  CHECK(plain.on_reply("-NOAUTH no\r\n") == Outcome::ready);
  CHECK(plain.source() == 0);

  // The proxy's own login is not for clients that have none.
  out.clear();
  Handshake client("app", "word", {0, Version::resp2, 7}, out);
  CHECK(out == "*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n");
  CHECK(client.on_reply("-NOAUTH no\r\n") == Outcome::ready);

  Handshake hello("", "", {0, Version::resp3}, out);
  CHECK(hello.on_reply("-NOAUTH HELLO must\r\n") == Outcome::refused);
  CHECK(hello.why() == "-NOAUTH HELLO must");
}

TEST_CASE("a client's login comes last, when the proxy's user has done the rest") {
  const auto login = std::make_shared<const Login>(Login{"alice", "pw", true});
  std::string out;
  Handshake link("app", "word", {3, Version::resp2, 7, login}, out);
  CHECK(out ==
        "*3\r\n$4\r\nAUTH\r\n$3\r\napp\r\n$4\r\nword\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
        "*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n*3\r\n$4\r\nAUTH\r\n$5\r\nalice\r\n$2\r\npw\r\n");
  CHECK(link.on_reply("+OK\r\n") == Outcome::more);
  CHECK(link.on_reply("+OK\r\n") == Outcome::more);
  CHECK(link.on_reply(kInfo) == Outcome::more);
  CHECK(link.on_reply("+OK\r\n") == Outcome::ready);
  CHECK(link.source() != 0);

  // AUTH with a password alone is another command than AUTH with the name it stands for.
  const auto nameless = std::make_shared<const Login>(Login{"default", "pw", false});
  out.clear();
  Handshake other("", "", {0, Version::resp2, 8, nameless}, out);
  CHECK(out.ends_with("*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n"));
  CHECK(other.on_reply(kInfo) == Outcome::more);
  CHECK(other.on_reply("-ERR AUTH <password> called without\r\n") == Outcome::refused);
  CHECK(other.why() == "-ERR AUTH <password> called without");
}

TEST_CASE("what is refused before the login is asked for again after it") {
  const auto login = std::make_shared<const Login>(Login{"alice", "pw", true});
  std::string out;
  Handshake link("", "", {3, Version::resp3, 7, login}, out);
  CHECK(link.on_reply("-NOAUTH HELLO must\r\n") == Outcome::more);
  CHECK(link.on_reply("-NOAUTH no\r\n") == Outcome::more);
  CHECK(link.on_reply("-NOAUTH no\r\n") == Outcome::more);
  CHECK(link.on_reply("+OK\r\n") == Outcome::again);
  CHECK(link.take_requests() ==
        "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
        "*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n");
  CHECK(link.on_reply("%0\r\n") == Outcome::more);
  SUBCASE("and then Redis does it") {
    CHECK(link.on_reply("+OK\r\n") == Outcome::more);
    CHECK(link.on_reply(kInfo) == Outcome::ready);
    CHECK(link.source() != 0);
  }
  SUBCASE("once") {
    CHECK(link.on_reply("-NOPERM select\r\n") == Outcome::refused);
    CHECK(link.why() == "-NOPERM select");
  }
}

TEST_CASE("a wrong login of the proxy's is not taken for the client's") {
  const auto login = std::make_shared<const Login>(Login{"alice", "pw", true});
  std::string out;
  Handshake link("", "wrong", {0, Version::resp2, 7, login}, out);
  CHECK(link.on_reply("-WRONGPASS no\r\n") == Outcome::refused);
  CHECK(link.why() == "the proxy's user: -WRONGPASS no");
}

TEST_CASE("a field of INFO is found by its whole name") {
  using tiercache::l2::info_field;
  const std::string info = "# Server\r\nxrun_id:no\r\nrun_id_x:no\r\nrun_id:yes\r\nrole:master";
  CHECK(info_field(info, "run_id") == "yes");
  CHECK(info_field(info, "role") == "master");
  CHECK(info_field(info, "run").empty());
  CHECK(info_field("", "run_id").empty());
  CHECK(tiercache::l2::source_of("") == 0);
}
