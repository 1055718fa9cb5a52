// What a frame on a pinned link is, and when the link is as good as new.
#include "pinned_flow.hpp"

#include "tiercache/command/table.hpp"
#include "tiercache/resp/request_parser.hpp"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace tiercache;
using proxy::PinnedFlow;

namespace {

// Requests are numbered from 1. A frame is told as "3" (answers request 3 in full), "3.." (in
// part) or "-" (passed on).
class Flow {
 public:
  explicit Flow(resp::Version version = resp::Version::resp2) : flow(0, version) {
  }
  PinnedFlow::Sent send(const std::string& line) {
    resp::RequestParser parser;
    const std::string bytes = line + "\r\n";
    REQUIRE(parser.parse(bytes) == resp::ParseStatus::complete);
    const auto args = parser.request().args;
    const command::Command* command = command::find(args);
    if (command != nullptr && !command::arity_fits(*command, args)) {
      command = nullptr;
    }
    const command::Route route =
        command != nullptr ? command::classify(*command, args).route : command::Route::shared;
    return flow.on_request(command, route, args, ++sent_);
  }
  std::string frame(std::string_view bytes) {
    const PinnedFlow::Frame frame = flow.on_frame(bytes, bytes.starts_with('>'));
    const bool done = flow.on_frame_end(bytes, bytes);
    return frame.answers ? std::to_string(frame.op) + (done ? "" : "..") : "-";
  }
  PinnedFlow flow;

 private:
  std::uint64_t sent_ = 0;
};

std::string confirm(std::string_view word, std::string_view channel, int count, char type = '*') {
  return type + std::string("3\r\n$") + std::to_string(word.size()) + "\r\n" + std::string(word) +
         "\r\n$" + std::to_string(channel.size()) + "\r\n" + std::string(channel) +
         "\r\n:" + std::to_string(count) + "\r\n";
}

const std::string kMessage = "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n";

}  // namespace

TEST_CASE("a transaction is over with EXEC's reply, whatever it is") {
  for (const char* exec : {"*1\r\n:1\r\n", "*-1\r\n", "_\r\n", "-EXECABORT no\r\n"}) {
    Flow f;
    f.send("MULTI");
    CHECK(f.flow.in_multi());
    CHECK(f.send("INCR a").queued);
    CHECK(f.frame("+OK\r\n") == "1");
    CHECK(f.frame("+QUEUED\r\n") == "2");
    CHECK_FALSE(f.flow.clean());
    CHECK(f.send("EXEC").exec);
    CHECK_FALSE(f.flow.in_multi());
    CHECK_FALSE(f.flow.clean());
    CHECK(f.frame(exec) == "3");
    CHECK(f.flow.clean());
    CHECK_FALSE(f.flow.tainted());
  }
}

TEST_CASE("MULTI refused leaves nothing") {
  Flow f;
  f.send("MULTI");
  CHECK(f.frame("-NOPERM no\r\n") == "1");
  CHECK_FALSE(f.flow.in_multi());
  CHECK(f.flow.clean());
}

TEST_CASE("WATCH ends with EXEC, DISCARD or UNWATCH") {
  Flow f;
  f.send("WATCH a");
  f.frame("+OK\r\n");
  CHECK_FALSE(f.flow.clean());
  f.send("EXEC");
  f.frame("-ERR EXEC without MULTI\r\n");
  CHECK_FALSE(f.flow.clean());
  f.send("UNWATCH");
  f.frame("+OK\r\n");
  CHECK(f.flow.clean());
  f.send("WATCH a");
  f.frame("+OK\r\n");
  f.send("MULTI");
  f.frame("+OK\r\n");
  CHECK(f.send("DISCARD").discard);
  f.frame("+OK\r\n");
  CHECK(f.flow.clean());
}

TEST_CASE("SUBSCRIBE is answered by one frame for each channel") {
  for (const char type : {'*', '>'}) {
    Flow f(type == '*' ? resp::Version::resp2 : resp::Version::resp3);
    f.send("SUBSCRIBE a b");
    f.send("PSUBSCRIBE p");
    CHECK(f.frame(confirm("subscribe", "a", 1, type)) == "1..");
    CHECK(f.frame(confirm("subscribe", "b", 2, type)) == "1");
    std::string message = kMessage;
    message[0] = type;
    CHECK(f.frame(message) == "-");
    CHECK(f.frame(confirm("psubscribe", "p", 3, type)) == "2");
    CHECK(f.flow.endless());
    f.send("UNSUBSCRIBE");
    f.send("PUNSUBSCRIBE");
    f.send("PUNSUBSCRIBE");
    CHECK(f.frame(confirm("unsubscribe", "a", 2, type)) == "3..");
    CHECK(f.frame(message) == "-");
    CHECK(f.frame(confirm("unsubscribe", "b", 1, type)) == "3");
    CHECK_FALSE(f.flow.clean());
    CHECK(f.frame(confirm("punsubscribe", "p", 0, type)) == "4");
    CHECK(f.frame(confirm("punsubscribe", "", 0, type)) == "5");
    CHECK(f.flow.clean());
  }
}

TEST_CASE("shard channels count by themselves") {
  Flow f;
  f.send("SSUBSCRIBE s");
  f.send("SUBSCRIBE a");
  CHECK(f.frame(confirm("ssubscribe", "s", 1)) == "1");
  CHECK(f.frame(confirm("subscribe", "a", 1)) == "2");
  CHECK(f.frame("*3\r\n$8\r\nsmessage\r\n$1\r\ns\r\n$1\r\nm\r\n") == "-");
  f.send("UNSUBSCRIBE a");
  CHECK(f.frame(confirm("unsubscribe", "a", 0)) == "3");
  CHECK_FALSE(f.flow.clean());
  CHECK(f.frame(confirm("sunsubscribe", "s", 0)) == "-");  // the server's own doing
  CHECK(f.flow.clean());
}

TEST_CASE("an error answers SUBSCRIBE as a whole") {
  Flow f;
  f.send("SUBSCRIBE a b c");
  CHECK(f.frame("-NOPERM no\r\n") == "1");
  CHECK(f.flow.clean());
}

TEST_CASE("behind a MULTI that was refused, what seemed to be queued has run") {
  for (const char type : {'*', '>'}) {
    Flow f(type == '*' ? resp::Version::resp2 : resp::Version::resp3);
    f.send("MULTI");
    CHECK(f.send("SUBSCRIBE a b").queued);
    CHECK(f.send("SELECT 3").queued);
    CHECK(f.frame("-NOPERM no\r\n") == "1");
    CHECK(f.frame(confirm("subscribe", "a", 1, type)) == "2..");
    CHECK(f.frame(confirm("subscribe", "b", 2, type)) == "2");
    CHECK(f.frame("+OK\r\n") == "3");
    CHECK(f.flow.counts()[0] == 2);
    CHECK(f.flow.db() == 3);
  }
}

TEST_CASE("a replica's stream is nobody's answer") {
  for (const char* line : {"SYNC", "PSYNC ? -1"}) {
    CAPTURE(line);
    Flow f;
    CHECK(f.send("REPLCONF capa eof").answered);
    CHECK(f.frame("+OK\r\n") == "1");
    CHECK_FALSE(f.send("REPLCONF ACK 0").answered);
    CHECK_FALSE(f.flow.streaming());
    CHECK_FALSE(f.send(line).answered);
    CHECK(f.flow.streaming());
    CHECK(f.flow.endless());
    CHECK_FALSE(f.send("PING").answered);
    CHECK_FALSE(f.flow.clean());
  }
  Flow f;
  f.send("MULTI");
  CHECK(f.send("SYNC").queued);
  CHECK_FALSE(f.flow.streaming());
}

TEST_CASE("in RESP2 an array is a message only for a subscriber") {
  Flow f;
  f.send("LRANGE l 0 -1");
  CHECK(f.frame(kMessage) == "1");
  f.send("LRANGE l 0 -1");
  f.send("SUBSCRIBE a");
  CHECK(f.frame(confirm("subscribe", "a", 9)) == "2");
  CHECK(f.frame(confirm("subscribe", "a", 1)) == "3");
  f.send("PING");
  CHECK(f.frame(kMessage) == "-");
  CHECK(f.frame("*2\r\n$4\r\npong\r\n$0\r\n\r\n") == "4");
}

TEST_CASE("in RESP3 only a push is one") {
  Flow f(resp::Version::resp3);
  f.send("SUBSCRIBE a");
  f.frame(confirm("subscribe", "a", 1, '>'));
  f.send("LRANGE l 0 -1");
  CHECK(f.frame(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n") == "-");
  CHECK(f.frame(kMessage) == "2");
}

TEST_CASE("MONITOR's lines are told from replies") {
  Flow f;
  f.send("MONITOR");
  CHECK(f.frame("+OK\r\n") == "1");
  CHECK(f.frame("+1700000000.123456 [0 127.0.0.1:1] \"GET\" \"a\"\r\n") == "-");
  f.send("PING x");
  CHECK(f.frame("+1700000000.123456 [0 127.0.0.1:1] \"PING\" \"x\"\r\n") == "-");
  CHECK(f.frame("$1\r\nx\r\n") == "2");
  CHECK_FALSE(f.flow.clean());
  CHECK(f.send("RESET").settles);
  CHECK(f.frame("+RESET\r\n") == "3");
  CHECK(f.flow.clean());
  CHECK(f.flow.tainted());
}

TEST_CASE("CLIENT REPLY: what is not answered is not waited for") {
  Flow f;
  CHECK_FALSE(f.send("CLIENT REPLY OFF").answered);
  CHECK_FALSE(f.send("SET a 1").answered);
  CHECK_FALSE(f.send("CLIENT REPLY SKIP").answered);
  CHECK_FALSE(f.flow.clean());
  CHECK(f.send("CLIENT REPLY ON").answered);
  CHECK(f.frame("+OK\r\n") == "4");
  CHECK(f.flow.clean());
  CHECK_FALSE(f.send("CLIENT REPLY SKIP").answered);
  CHECK_FALSE(f.send("SET a 2").answered);
  // Nobody knows whether the SET has run: a later answer must show it.
  CHECK_FALSE(f.flow.clean());
  CHECK(f.send("GET a").answered);
  CHECK(f.frame("$1\r\n2\r\n") == "7");
  CHECK(f.flow.clean());
}

TEST_CASE("SELECT and HELLO are followed when Redis agrees") {
  Flow f;
  CHECK(f.send("SELECT 3").settles);
  CHECK(f.flow.db() == 0);
  f.frame("+OK\r\n");
  CHECK(f.flow.db() == 3);
  f.send("SELECT 99");
  f.frame("-ERR DB index is out of range\r\n");
  CHECK(f.flow.db() == 3);
  f.send("HELLO 3");
  f.frame("%0\r\n");
  CHECK(f.flow.version() == resp::Version::resp3);
  CHECK(f.flow.clean());
  f.send("RESET");
  f.frame("+RESET\r\n");
  CHECK(f.flow.db() == 0);
  CHECK(f.flow.version() == resp::Version::resp2);
}

TEST_CASE("identity and unknown state stay with the connection") {
  for (const char* line : {"AUTH u p", "ASKING", "READONLY", "CLIENT WHAT"}) {
    CAPTURE(line);
    Flow f;
    f.send(line);
    f.frame("+OK\r\n");
    CHECK_FALSE(f.flow.clean());
    CHECK(f.flow.tainted());
  }
  Flow f;
  f.send("HELLO 3 AUTH u p");
  f.frame("%0\r\n");
  CHECK_FALSE(f.flow.clean());
}

TEST_CASE("tracking pins until it is switched off") {
  Flow f;
  f.send("CLIENT TRACKING on REDIRECT 5");
  f.frame("+OK\r\n");
  CHECK_FALSE(f.flow.clean());
  f.send("CLIENT TRACKING OFF");
  f.frame("+OK\r\n");
  CHECK(f.flow.clean());
  f.send("MULTI");
  f.send("CLIENT TRACKING ON");
  f.send("EXEC");
  f.frame("+OK\r\n");
  f.frame("+QUEUED\r\n");
  f.frame("*1\r\n+OK\r\n");
  CHECK_FALSE(f.flow.clean());  // nobody took the reply apart
}

TEST_CASE("a blocking command is clean once it is answered") {
  Flow f;
  f.send("BLPOP l 0");
  CHECK(f.flow.endless());
  f.send("PING");
  CHECK(f.frame("*2\r\n$1\r\nl\r\n$1\r\nv\r\n") == "1");
  CHECK_FALSE(f.flow.endless());
  CHECK(f.frame("+PONG\r\n") == "2");
  CHECK(f.flow.clean());
}

TEST_CASE("a frame of channels or patterns is known as such, a reply that looks like one is not") {
  using Kind = PinnedFlow::PubSubFrame;
  const auto kind = [](Flow& f, const std::string& frame) {
    const auto found = f.flow.on_frame(frame, frame.starts_with('>')).pubsub;
    f.flow.on_frame_end(frame, frame);
    return found;
  };
  Flow two;
  two.send("LRANGE l 0 -1");
  CHECK(kind(two, kMessage) == Kind::none);
  two.send("SUBSCRIBE a");
  CHECK(kind(two, confirm("subscribe", "a", 1)) == Kind::confirmation);
  CHECK(kind(two, kMessage) == Kind::message);
  two.send("PING");
  CHECK(kind(two, "*2\r\n$4\r\npong\r\n$0\r\n\r\n") == Kind::none);
  two.send("UNSUBSCRIBE");
  CHECK(kind(two, confirm("unsubscribe", "a", 0)) == Kind::confirmation);
  Flow three(resp::Version::resp3);
  three.send("PSUBSCRIBE a");
  CHECK(kind(three, confirm("psubscribe", "a", 1, '>')) == Kind::confirmation);
  three.send("LRANGE l 0 -1");
  CHECK(kind(three, ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n") == Kind::message);
  CHECK(kind(three, kMessage) == Kind::none);
  three.send("SSUBSCRIBE s");
  CHECK(kind(three, confirm("ssubscribe", "s", 1, '>')) == Kind::none);
  CHECK(kind(three, ">3\r\n$8\r\nsmessage\r\n$1\r\ns\r\n$1\r\nm\r\n") == Kind::none);
}
