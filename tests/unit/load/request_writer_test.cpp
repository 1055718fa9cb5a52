#include "load/request_writer.hpp"

#include <string>

#include <doctest/doctest.h>

namespace tiercache::load {
namespace {

std::string written(const Workload& workload, int requests = 1) {
  RequestWriter writer(workload, {});
  std::string out;
  for (int i = 0; i < requests; ++i) {
    writer.append(out);
  }
  return out;
}

Workload sequence(CommandKind command) {
  Workload workload;
  workload.command = command;
  workload.keys = {KeyShape::sequence, 100, 0};
  return workload;
}

TEST_CASE("GETs name one key after another") {
  CHECK(written(sequence(CommandKind::get), 2) ==
        "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000000\r\n"
        "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000001\r\n");
}

TEST_CASE("a SET carries a value of the size asked for") {
  Workload workload = sequence(CommandKind::set);
  workload.values = ValueSizes::parse("28").value();
  CHECK(written(workload) ==
        "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$28\r\nabcdefghijklmnopqrstuvwxyzab\r\n");
  workload.values = ValueSizes::parse("0").value();
  workload.ttl = std::chrono::seconds(60);
  CHECK(written(workload) ==
        "*5\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$0\r\n\r\n$2\r\nEX\r\n$2\r\n60\r\n");
}

TEST_CASE("an MGET names so many keys") {
  Workload workload = sequence(CommandKind::mget);
  workload.mget_keys = 2;
  workload.key_prefix = "k";
  CHECK(written(workload) ==
        "*3\r\n$4\r\nMGET\r\n$13\r\nk000000000000\r\n$13\r\nk000000000001\r\n");
}

TEST_CASE("a mix has its share of GETs") {
  Workload workload = sequence(CommandKind::mix);
  workload.get_share = 0.9;
  constexpr int kRequests = 10'000;
  const std::string out = written(workload, kRequests);
  int gets = 0;
  for (std::size_t at = out.find("GET"); at != std::string::npos; at = out.find("GET", at + 1)) {
    ++gets;
  }
  CHECK(gets == doctest::Approx(kRequests * 0.9).epsilon(0.02));
  workload.get_share = 0;
  CHECK(written(workload, 100).find("GET") == std::string::npos);
}

TEST_CASE("a key of twelve digits is written whole") {
  Workload workload;
  workload.keys = {KeyShape::sequence, kMaxKeys, 0};
  RequestWriter writer(workload, {4'294'967'295U, 4'294'967'295U});
  std::string out;
  writer.append(out);
  CHECK(out.find("key:004294967295\r\n") != std::string::npos);
}

}  // namespace
}  // namespace tiercache::load
