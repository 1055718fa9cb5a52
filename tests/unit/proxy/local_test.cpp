// Answers of the proxy's own in the midst of a relayed connection: where they stand, and that Redis
// hears what it must.
#include "exec_patch.hpp"
#include "fake_upstream.hpp"
#include "refusal.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy;
using namespace tiercache::proxy::testing;

namespace {

constexpr const char* kDenied = "-ERR unknown command 'SHUTDOWN', with args beginning with: \r\n";
constexpr const char* kSubscribed = "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n";

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) {
    all += (all.empty() ? "" : ", ") + word;
  }
  return all;
}

}  // namespace

TEST_CASE("what Redis does not know is refused in its words") {
  const auto text = [](std::vector<std::string_view> args) {
    return unknown_command(args);
  };
  CHECK(text({"NoSuch"}) == "ERR unknown command 'NoSuch', with args beginning with: ");
  CHECK(text({"X", "a", "b c"}) == "ERR unknown command 'X', with args beginning with: 'a' 'b c' ");
  const std::string longer(200, 'y');
  CHECK(text({longer, longer, "z"}) == "ERR unknown command '" + longer.substr(0, 128) +
                                           "', with args beginning with: '" +
                                           longer.substr(0, 128) + "' ");
  // What all have together is limited, quotes included.
  const std::string half(100, 'h');
  CHECK(text({"X", half, longer, "z"}) == "ERR unknown command 'X', with args beginning with: '" +
                                              half + "' '" + longer.substr(0, 25) + "' ");
  CHECK(text({"X", std::string_view("a\0b", 3)}) ==
        "ERR unknown command 'X', with args beginning with: 'a' ");
  const std::vector<std::string_view> sub{"config", "Set", "a"};
  CHECK(unknown_subcommand(sub) == "ERR unknown subcommand 'Set'. Try CONFIG HELP.");
}

TEST_CASE("a subcommand can be denied alone, or its whole container") {
  Rig rig(1, [](config::Config& config) { config.commands.deny = {"config|set", "FUNCTION"}; });
  TestClient client(rig);
  client.send("config set a b\r\nfunction list\r\nconfig get a");
  CHECK(client.read() ==
        "-ERR unknown subcommand 'set'. Try CONFIG HELP.\r\n"
        "-ERR unknown command 'function', with args beginning with: 'list' \r\n");
  CHECK(rig.pending() == "config get a");
}

TEST_CASE("a denied command of a subscriber is refused between two messages, never inside one") {
  Rig rig;
  TestClient client(rig);
  client.send("SUBSCRIBE a");
  rig.own().frame(kSubscribed);
  rig.run();
  CHECK(client.read() == kSubscribed);
  const std::string message =
      "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$100\r\n" + std::string(100, 'm') + "\r\n";
  rig.own().frame_piece(message.substr(0, 90));
  rig.run();
  client.send("SHUTDOWN");
  CHECK(client.read() == message.substr(0, 90));
  rig.own().frame(message.substr(90));
  rig.run();
  CHECK(client.read() == message.substr(90) + kDenied);
}

TEST_CASE("a denied command waits for the answers before it") {
  Rig rig;
  TestClient client(rig);
  client.send("SUBSCRIBE a\r\nSHUTDOWN\r\nSUBSCRIBE a");
  CHECK(client.read().empty());
  rig.own().frame(kSubscribed);
  rig.run();
  CHECK(client.read() == std::string(kSubscribed) + kDenied);
  CHECK(joined(rig.own().raw) == "SUBSCRIBE a, SUBSCRIBE a");
}

TEST_CASE("what Redis says of a user beforehand becomes what the command itself would get") {
  const auto said = [](std::string_view reply) {
    return dry_run_refusal(reply, "set", "unsaid");
  };
  const auto bulk = [](const std::string& text) {
    return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
  };
  CHECK(said("+OK\r\n").empty());
  CHECK(said(bulk("This user has no permissions to run the 'set' command")) ==
        "NOPERM this user has no permissions to run the 'set' command");
  CHECK(said(bulk("This user has no permissions to access the ' permissions to ' key")) ==
        "NOPERM this user has no permissions to access one of the keys used as arguments");
  CHECK(said("-ERR tiercache: upstream is unavailable: x\r\n") ==
        "ERR tiercache: upstream is unavailable: x");
  for (const char* reply : {"-NOPERM this user has no permissions to run the 'acl|dryrun' command",
                            "-ERR User 'x' not found", "-ERR unknown subcommand", "+OKAY", ""}) {
    CHECK(said(std::string(reply) + "\r\n") == "unsaid");
    CHECK(dry_run_refusal(std::string(reply) + "\r\n", "get", "") ==
          "NOPERM this user has no permissions to run the 'get' command");
  }
  CHECK(trial_refusal("-ERR syntax error\r\n", "get").empty());
  CHECK(trial_refusal("-NOPERM x\r\n", "get") ==
        "NOPERM this user has no permissions to run the 'get' command");
  CHECK(trial_refusal("-NOAUTH Authentication required.\r\n", "get") ==
        "NOAUTH Authentication required.");
}

TEST_CASE("Redis hears of a refusal within MULTI, answers wanted or not") {
  Rig rig;
  TestClient client(rig);
  client.send("MULTI");
  rig.own().frame("+OK\r\n");
  rig.run();
  client.send("SHUTDOWN");
  rig.own().frame("-ERR unknown command\r\n");
  rig.run();
  CHECK(client.read() == "+OK\r\n" + std::string(kDenied));
  client.send("DISCARD");
  rig.own().frame("+OK\r\n");
  rig.run();
  client.read();
  client.send("CLIENT REPLY OFF\r\nMULTI\r\nSHUTDOWN\r\nEXEC");
  CHECK(client.read().empty());
  CHECK(joined(rig.own().raw) ==
        "MULTI, TIERCACHE.DENIED, DISCARD, CLIENT REPLY OFF, MULTI, TIERCACHE.DENIED, EXEC");
}

TEST_CASE("a command that ends here takes effect when no answer is wanted") {
  Rig rig;
  TestClient client(rig);
  client.send("CLIENT REPLY OFF\r\nCLIENT SETNAME quiet\r\nCLIENT REPLY ON\r\nCLIENT GETNAME");
  rig.own().frame("+OK\r\n");
  rig.run();
  CHECK(client.read() == "+OK\r\n$5\r\nquiet\r\n");
}

TEST_CASE("Redis skips the answer that the client wants skipped, and no other") {
  Rig rig;
  TestClient client(rig);
  client.send("CLIENT REPLY SKIP\r\nCLIENT ID\r\nGET k");
  CHECK(joined(rig.own().raw) == "CLIENT REPLY SKIP, ECHO tiercache, GET k");
  rig.own().frame("$1\r\nv\r\n");
  rig.run();
  CHECK(client.read() == "$1\r\nv\r\n");
}

TEST_CASE("answers of the proxy take their places in EXEC's reply") {
  const std::vector<LocalInExec> locals{{1, {}, ":7\r\n"}, {3, {}, "$-1\r\n"}};
  CHECK(patch_exec("*4\r\n+OK\r\n$1\r\nx\r\n*2\r\n:1\r\n*1\r\n:2\r\n$1\r\nx\r\n", locals) ==
        "*4\r\n+OK\r\n:7\r\n*2\r\n:1\r\n*1\r\n:2\r\n$-1\r\n");
  for (const char* other : {"*-1\r\n", "-EXECABORT no\r\n", "*2\r\n:1\r\n:2\r\n", "_\r\n"}) {
    CHECK(patch_exec(other, locals) == other);
  }
}

TEST_CASE("CLIENT within MULTI is done by the proxy when EXEC runs, and only then") {
  Rig rig;
  TestClient client(rig);
  client.send("CLIENT ID");
  const std::string id = client.read();
  const auto queue = [&](const std::string& line) {
    client.send(line);
    rig.own().frame(line == "MULTI" ? "+OK\r\n" : "+QUEUED\r\n");
    rig.run();
    client.read();
  };
  queue("MULTI");
  queue("CLIENT SETNAME me");
  queue("GET k");
  queue("CLIENT ID");
  queue("CLIENT KILL ID 0");
  queue("CLIENT UNPAUSE");
  CHECK(joined(rig.own().raw) ==
        "MULTI, ECHO tiercache, GET k, ECHO tiercache, ECHO tiercache, ECHO tiercache");
  client.send("EXEC\r\nCLIENT GETNAME");
  CHECK(client.read().empty());
  const std::string place = "$9\r\ntiercache\r\n";
  rig.own().frame("*5\r\n" + place + "$1\r\nv\r\n" + place + place + place);
  rig.run();
  CHECK(client.read() == "*5\r\n+OK\r\n$1\r\nv\r\n" + id +
                             "-ERR client-id should be greater than 0\r\n+OK\r\n$2\r\nme\r\n");

  queue("MULTI");
  queue("CLIENT SETNAME other");
  client.send("EXEC\r\nCLIENT GETNAME");
  rig.own().frame("*-1\r\n");
  rig.run();
  CHECK(client.read() == "*-1\r\n$2\r\nme\r\n");
}

TEST_CASE("behind EXEC each of its SELECTs is asked for, and its script is waited for") {
  // However the requests lie in the session's ring.
  for (int before = 0; before < 4; before++) {
    Rig rig;
    TestClient client(rig);
    const auto ask = [&](const std::string& line, const std::string& reply) {
      client.send(line);
      rig.own().frame(reply);
      rig.run();
      CHECK(client.read() == reply);
    };
    for (int i = 0; i < before; i++) {
      ask("WATCH k", "+OK\r\n");
    }
    ask("MULTI", "+OK\r\n");
    ask("CLIENT GETNAME", "+QUEUED\r\n");
    ask("EVAL x 0", "+QUEUED\r\n");
    std::string results = ":1\r\n";
    for (int i = 0; i < 9; i++) {
      ask("SELECT 0", "+QUEUED\r\n");
      results += "+OK\r\n";
    }
    client.send("EXEC");
    const std::size_t sent = rig.own().raw.size();
    rig.own().frame("*11\r\n$9\r\ntiercache\r\n" + results);
    rig.run();
    CHECK(rig.own().raw.size() == sent + 9);
    CHECK(client.read().empty());
    for (int i = 0; i < 9; i++) {
      rig.own().frame("+OK\r\n");
    }
    rig.run();
    CHECK(client.read().empty());
    rig.acknowledge();
    CHECK(client.read() == "*11\r\n$-1\r\n" + results);
  }
}

TEST_CASE("CLIENT within a MULTI that is not answered is done all the same") {
  Rig rig;
  TestClient client(rig);
  client.send("CLIENT REPLY OFF\r\nMULTI\r\nCLIENT SETNAME me\r\nEXEC\r\nCLIENT REPLY ON");
  CHECK(joined(rig.own().raw) == "CLIENT REPLY OFF, MULTI, ECHO tiercache, EXEC, CLIENT REPLY ON");
  rig.own().frame("+OK\r\n");
  rig.run();
  client.send("CLIENT GETNAME");
  CHECK(client.read() == "+OK\r\n$2\r\nme\r\n");
}

TEST_CASE("a replica's stream is passed on as it comes, behind what was answered before") {
  Rig rig(1, [](config::Config& config) { config.commands.deny = {}; });
  TestClient client(rig);
  client.send("REPLCONF capa eof\r\nPSYNC ? -1");
  CHECK(joined(rig.own().raw) == "REPLCONF capa eof");
  rig.own().frame("+OK\r\n");
  rig.run();
  CHECK(joined(rig.own().raw) == "REPLCONF capa eof, PSYNC ? -1");
  CHECK(rig.own().passes_through);
  rig.own().frame("+FULLRESYNC 1 0\r\n$3\r\nRDB*1\r\n", true);
  client.send("REPLCONF ACK 14");
  rig.own().frame("$4\r\nPI", true);
  rig.run();
  CHECK(client.read() == "+OK\r\n+FULLRESYNC 1 0\r\n$3\r\nRDB*1\r\n$4\r\nPI");
  CHECK(rig.own().raw.back() == "REPLCONF ACK 14");
}

TEST_CASE("a subscriber's CLIENT is Redis's to refuse, and CACHE is refused like it") {
  Rig rig;
  TestClient client(rig);
  client.send("SUBSCRIBE a");
  rig.own().frame(kSubscribed);
  rig.run();
  client.read();
  client.send("CACHE STATS\r\nCLIENT ID");
  CHECK(client.read() ==
        "-ERR Can't execute 'cache|stats': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
        "RESET are allowed in this context\r\n");
  CHECK(rig.own().raw.back() == "CLIENT ID");
}
