// Each mistake in a file, with the exact message it gets.
#include "message.hpp"

#include "tiercache/config/load.hpp"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::config;

namespace {

struct Row {
  std::string_view text;
  std::string_view message;
};

template <std::size_t N>
void check(const Row (&rows)[N]) {
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(message_for(row.text) == row.message);
  }
}

}  // namespace

TEST_CASE("an unknown name is reported at its place, with the nearest known one") {
  check({
      {"[upstream]\n\nadress = \"h:1\"\n",
       "f.toml:3:1: unknown key 'upstream.adress'; did you mean 'upstream.address'?"},
      {"[upstreem]\naddress = \"h:1\"\nuser = 1\n",
       "f.toml:1:2: unknown section 'upstreem'; did you mean 'upstream'?"},
      {"[database]\n", "f.toml:1:2: unknown section 'database'"},
      {"thread = 1\n", "f.toml:1:1: unknown key 'thread'; did you mean 'threads'?"},
      {"port = 1\n", "f.toml:1:1: unknown key 'port'; did you mean 'listen.port'?"},
      {"[l1]\n  heartbeat_ms = 1\n",
       "f.toml:2:3: unknown key 'l1.heartbeat_ms'; did you mean 'coherence.heartbeat_ms'?"},
      {"[l1]\ncompletely_different = 1\n", "f.toml:2:1: unknown key 'l1.completely_different'"},
      {"\"listen.port\" = 1\n",
       "f.toml:1:1: unknown key '\"listen.port\"'; did you mean 'listen.port'?"},
      {"[listen]\nport.x = 1\n",
       "f.toml:2:1: listen.port: expected an integer from 0 to 65535, got a table"},
      {"[listen.tls]\nx = 1\n", "f.toml:1:9: unknown key 'listen.tls'"},
      {"\"a\\nb\" = 1\n", "f.toml:1:1: unknown key '\"a\\u000Ab\"'"},
  });
}

TEST_CASE("a wrong type says what was expected and what stands there") {
  check({
      {"threads = \"two\"\n",
       "f.toml:1:11: threads: expected an integer from 0 to 256, got \"two\""},
      {"threads = 1.0\n",
       "f.toml:1:11: threads: expected an integer from 0 to 256, got a floating-point number"},
      {"threads = true\n", "f.toml:1:11: threads: expected an integer from 0 to 256, got true"},
      {"threads = 2024-01-01\n",
       "f.toml:1:11: threads: expected an integer from 0 to 256, got a date or time"},
      {"[l1]\nenabled = 1\n", "f.toml:2:11: l1.enabled: expected true or false, got 1"},
      {"[l1]\nenabled = \"yes\"\n", "f.toml:2:11: l1.enabled: expected true or false, got \"yes\""},
      {"[listen]\naddress = 1\n",
       "f.toml:2:11: listen.address: expected a string of 1 to 253 bytes, got 1"},
      {"[listen]\nunix_socket_mode = 770\n",
       "f.toml:2:20: listen.unix_socket_mode: expected an octal string from \"000\" to \"777\", "
       "got 770"},
      {"[commands]\ndeny = \"SYNC\"\n",
       "f.toml:2:8: commands.deny: expected an array of at most 1024 words, got \"SYNC\""},
      {"[commands]\ndeny = [\"SYNC\", 1]\n",
       "f.toml:2:8: commands.deny: expected an array of at most 1024 words, got an array that "
       "holds more than strings"},
      {"[commands]\ndeny = [\"CONFIG SET\"]\n",
       "f.toml:2:8: commands.deny: expected an array of at most 1024 words, got an array: "
       "\"CONFIG SET\" is not 1 to 255 letters, digits and - _ . | : / @ # { } [ ]"},
      {"[upstream]\npassword = 12345\n",
       "f.toml:2:12: upstream.password: expected a string of at most 4096 bytes, got an integer"},
      {"listen = 1\n", "f.toml:1:1: 'listen' must be a section: [listen]"},
      {"[[listen]]\n", "f.toml:1:3: 'listen' must be a section: [listen]"},
      {"[threads]\n", "f.toml:1:1: threads: expected an integer from 0 to 256, got a table"},
  });
}

TEST_CASE("a value out of range is refused") {
  check({
      {"[listen]\nport = 65536\n",
       "f.toml:2:8: listen.port: expected an integer from 0 to 65535, got 65536"},
      {"[listen]\nport = -1\n",
       "f.toml:2:8: listen.port: expected an integer from 0 to 65535, got -1"},
      {"[listen]\naddress = \"\"\n",
       "f.toml:2:11: listen.address: expected a string of 1 to 253 bytes, got \"\""},
      {"[listen]\nunix_socket_mode = \"1000\"\n",
       "f.toml:2:20: listen.unix_socket_mode: expected an octal string from \"000\" to \"777\", "
       "got \"1000\""},
      {"[listen]\nunix_socket_mode = \"rwx\"\n",
       "f.toml:2:20: listen.unix_socket_mode: expected an octal string from \"000\" to \"777\", "
       "got \"rwx\""},
      {"[listen]\ntimeout_s = -1\n",
       "f.toml:2:13: listen.timeout_s: expected an integer from 0 to 31536000 (seconds), got -1"},
      {"[coherence]\nheartbeat_ms = 0\n",
       "f.toml:2:16: coherence.heartbeat_ms: expected an integer from 1 to 86400000 "
       "(milliseconds), got 0"},
      {"[coherence]\nmode = \"eventual\"\n",
       "f.toml:2:8: coherence.mode: expected \"strict\" or \"session\", got \"eventual\""},
      {"[l1]\neviction = \"LRU\"\n",
       "f.toml:2:12: l1.eviction: expected \"lru\", \"s3fifo\" or \"tinylfu\", got \"LRU\""},
      {"[l1]\nmax_memory = \"256 mb\"\n",
       "f.toml:2:14: l1.max_memory: expected a size from 64kb to 1tb, in bytes or like \"256mb\", "
       "got \"256 mb\""},
      {"[l1]\nmax_memory = 1024\n",
       "f.toml:2:14: l1.max_memory: expected a size from 64kb to 1tb, in bytes or like \"256mb\", "
       "got 1024"},
      {"[l1]\nmax_memory = \"9223372036854775807tb\"\n",
       "f.toml:2:14: l1.max_memory: expected a size from 64kb to 1tb, in bytes or like \"256mb\", "
       "got \"9223372036854775807tb\""},
      {"[upstream]\naddress = \"localhost\"\n",
       "f.toml:2:11: upstream.address: expected \"host:port\", \"[v6]:port\" or \"unix:/path\", "
       "got \"localhost\": the port is missing"},
      {"[log]\nfile = \"a\\u0000b\"\n",
       "f.toml:2:8: log.file: expected a string of at most 4095 bytes, got \"a\\u0000b\": it holds "
       "a control character"},
  });
}

TEST_CASE("keys that contradict each other are reported where one was written") {
  check({
      {"[coherence]\nmax_staleness_ms = 20\n",
       "f.toml:2:20: coherence.heartbeat_ms (20) must be smaller than "
       "coherence.max_staleness_ms (20)"},
      {"[limits]\nclient_output = \"512kb\"\n",
       "f.toml:2:17: limits.client_output_pause (\"1mb\") must not exceed limits.client_output "
       "(\"512kb\")"},
      {"[upstream]\nreconnect_min_ms = 10\nreconnect_max_ms = 9\n",
       "f.toml:2:20: upstream.reconnect_min_ms (10) must not exceed upstream.reconnect_max_ms (9)"},
      {"[listen]\nport = 0\n",
       "f.toml:2:8: listen.port (0) leaves nothing to listen on with listen.unix_socket (\"\")"},
      {"[upstream]\npassword = \"hunter2\"\npassword_file = \"/p\"\n",
       "f.toml:2:12: upstream.password cannot be set together with upstream.password_file "
       "(\"/p\")"},
  });
  check({
      {"[handlers]\nwebhook = \"ftp://a\"\n",
       "f.toml:2:11: handlers.webhook (\"ftp://a\") is no http:// or https:// URL that can be "
       "asked"},
      {"[handlers]\nchannel = \"__keyspace@0__:a\"\n",
       "f.toml:2:11: handlers.channel (\"__keyspace@0__:a\") is one of Redis's own channels"},
      {"[handlers]\nchannel = \"__redis__:invalidate\"\n",
       "f.toml:2:11: handlers.channel (\"__redis__:invalidate\") is one of Redis's own channels"},
      {"[upstream]\nread_from = \"replica\"\n[handlers]\nchannel = \"a\"\n",
       "f.toml:4:11: handlers.channel (\"a\") cannot be set where reads go to replicas, except "
       "over a "
       "Cluster"},
      {"[handlers]\nof = [\"command\", \"-notify\"]\n",
       "f.toml:2:6: handlers.of ([\"command\", \"-notify\"]) is not some of command, notify and "
       "event"},
      {"[handlers]\nof = [\"event\"]\n[coherence]\ninvalidation = \"ttl\"\n",
       "f.toml:2:6: handlers.of ([\"event\"]) has event, but nothing tells what changes with "
       "coherence.invalidation (\"ttl\")"},
      {"[handlers]\nof = []\nwebhook = \"http://a/?b=c\"\n",
       "f.toml:2:6: handlers.of ([]) is empty, but there is somebody to be told"},
  });
  CHECK(message_for("[handlers]\nof = []\n") == "accepted");
  CHECK(message_for("[handlers]\nof = [\"notify\"]\nwebhook = \"https://a:1/b?c=d\"\n") ==
        "accepted");
  CHECK(message_for("[coherence]\nmax_staleness_ms = 0\n") == "accepted");
  CHECK(message_for("[listen]\nport = 0\nunix_socket = \"/s\"\n") == "accepted");
}

TEST_CASE("several mistakes are reported together, in the order of the file") {
  CHECK(message_for("thread = 1\n[log]\nlevel = 1\n[l1]\nshards = -1\nb = 1\n") ==
        "f.toml:1:1: unknown key 'thread'; did you mean 'threads'?\n"
        "f.toml:3:9: log.level: expected \"trace\", \"debug\", \"info\", \"warn\", \"error\" or "
        "\"off\", got 1\n"
        "f.toml:5:10: l1.shards: expected an integer from 0 to 4096, got -1\n"
        "f.toml:6:1: unknown key 'l1.b'");
}

TEST_CASE("very many mistakes are counted, not listed") {
  std::string text;
  for (int i = 0; i < 25; ++i) {
    text += "unknown_" + std::to_string(i) + " = 1\n";
  }
  const std::string message = message_for(text);
  CHECK(std::count(message.begin(), message.end(), '\n') == 20);
  CHECK(message.ends_with("\nand 5 more"));
}

TEST_CASE("a malformed table header is an error, not a crash") {
  check({
      {"[\n", "f.toml:1:1: this line is not valid TOML"},
      {"[l1]\nshards = 1\n[[[l1]]]\nthreads = 1\n", "f.toml:3:1: this line is not valid TOML"},
      {"# a\n[=]", "f.toml:2:1: this line is not valid TOML"},
  });
}

TEST_CASE("broken TOML is reported at its place") {
  const auto starts = [](std::string_view text, std::string_view prefix) {
    const std::string message = message_for(text);
    CAPTURE(message);
    CHECK(message.starts_with(prefix));
    CHECK(message.size() > prefix.size() + 5);
    CHECK(message.find('\n') == message.npos);
  };
  starts("threads = \n", "f.toml:1:11: ");
  starts("[l1\nshards = 1\n", "f.toml:1:4: ");
  starts("threads = 1\nthreads = 2\n", "f.toml:2:");
  starts("[l1]\nshards = 1\n\"sh\\u0061rds\" = 1\n", "f.toml:3:");
  starts("[l1]\nshards = 99999999999999999999\n", "f.toml:2:");
  CHECK(message_for("a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1") ==
        "f.toml:1:66: too many dots in one line");
}
