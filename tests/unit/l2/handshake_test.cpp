#include "handshake.hpp"

#include "server_info.hpp"

#include <string>

#include <doctest/doctest.h>

using tiercache::l2::Handshake;
using tiercache::l2::LinkSpec;
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
  for (const char* fatal :
       {"-NOAUTH no\r\n", "-LOADING wait\r\n", "-ERR max number of clients\r\n"}) {
    Handshake info("", "", {}, out);
    CHECK(info.on_reply(fatal) == Outcome::refused);
    CHECK(info.why() + "\r\n" == fatal);
  }
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
