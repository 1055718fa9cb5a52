// INFO replication, as redis-server 7.0.15 writes it.
#include "replication_info.hpp"

#include <doctest/doctest.h>

namespace tiercache::l2 {
namespace {

constexpr std::string_view kMaster =
    "# Replication\r\nrole:master\r\nconnected_slaves:3\r\n"
    "slave0:ip=127.0.0.1,port=7992,state=online,offset=70,lag=0\r\n"
    "slave1:ip=::1,port=7993,state=wait_bgsave,offset=0,lag=0\r\n"
    "slave2:ip=replica.example,port=7994,state=online,offset=14,lag=1\r\n"
    "master_failover_state:no-failover\r\nmaster_replid:bdb5\r\nmaster_replid2:0000\r\n"
    "master_repl_offset:70\r\nsecond_repl_offset:-1\r\n";

std::string replica(const std::string& link, const std::string& history, std::uint64_t offset) {
  return "# Replication\r\nrole:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:7991\r\n"
         "master_link_status:" +
         link + "\r\nslave_read_repl_offset:99\r\nslave_repl_offset:" + std::to_string(offset) +
         "\r\nconnected_slaves:0\r\nmaster_replid:" + history + "\r\nmaster_repl_offset:99\r\n";
}

}  // namespace

TEST_CASE("a master names its replicas") {
  const auto seen = read_replication(kMaster);
  REQUIRE(seen);
  CHECK(seen->master);
  CHECK(seen->history == "bdb5");
  CHECK(seen->offset == 70);
  REQUIRE(seen->replicas.size() == 3);
  CHECK(config::to_string(seen->replicas[0].endpoint) == "127.0.0.1:7992");
  CHECK(seen->replicas[0].online);
  CHECK(config::to_string(seen->replicas[1].endpoint) == "[::1]:7993");
  CHECK(!seen->replicas[1].online);
  CHECK(seen->replicas[2].endpoint.host == "replica.example");
}

TEST_CASE("a replica has caught up with what it has applied, not with what it has read") {
  const auto master = read_replication(kMaster);
  REQUIRE(master);
  const auto caught_up = [&](const std::string& text) {
    const auto seen = read_replication(text);
    REQUIRE(seen);
    CHECK(!seen->master);
    return has_caught_up(*seen, *master);
  };
  CHECK(caught_up(replica("up", "bdb5", 70)));
  CHECK(caught_up(replica("up", "bdb5", 71)));
  CHECK(!caught_up(replica("up", "bdb5", 69)));
  CHECK(!caught_up(replica("down", "bdb5", 70)));
  CHECK(!caught_up(replica("up", "0000", 70)));
  // The master itself, asked again.
  CHECK(has_caught_up(*master, *master));
  // Nobody has caught up with a server that is no master any more.
  const auto demoted = read_replication(replica("up", "bdb5", 70));
  CHECK(!has_caught_up(*demoted, *demoted));
}

TEST_CASE("what is no such text is nothing") {
  for (const std::string_view text :
       {std::string_view(), std::string_view("# Replication\r\n"),
        std::string_view("role:sentinel\r\n"),
        std::string_view("role:master\r\nmaster_replid:a\r\n"),
        std::string_view("role:master\r\nmaster_replid:a\r\nmaster_repl_offset:x\r\n"),
        std::string_view("role:master\r\nmaster_replid:a\r\nmaster_repl_offset:\r\n"),
        std::string_view("role:slave\r\nmaster_replid:a\r\nmaster_repl_offset:1\r\n"),
        std::string_view("role:master\r\nmaster_repl_offset:1\r\n")}) {
    CHECK(!read_replication(text));
  }
  const auto seen = read_replication(
      "role:master\r\nslave0:ip=,port=1,state=online\r\nslave1:ip=a,port=0,state=online\r\n"
      "slave2:ip=a,port=65536,state=online\r\nslave3:port\r\nmaster_replid:a\r\n"
      "master_repl_offset:1\r\n");
  REQUIRE(seen);
  CHECK(seen->replicas.empty());
}

}  // namespace tiercache::l2
