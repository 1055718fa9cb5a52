#include "sim/options.hpp"
#include "sim/simulate.hpp"
#include "sim/trace.hpp"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <unistd.h>

using namespace tiercache;
using namespace tiercache::sim;

namespace {

class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view bytes) {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "tiercache-sim-XXXXXX").string();
    const int fd = mkstemp(pattern.data());
    REQUIRE(fd >= 0);
    close(fd);
    path_ = pattern;
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::filesystem::remove(path_);
  }
  const std::string& path() const {
    return path_;
  }

 private:
  std::string path_;
};

Result<Options> parse(std::vector<std::string_view> words) {
  return parse_options(words);
}

Setup setup_of(l1::Eviction policy, std::size_t entries, unsigned shards = 1) {
  Setup setup;
  setup.policy = policy;
  setup.entries = entries;
  setup.shards = shards;
  return setup;
}

}  // namespace

TEST_CASE("sim: the command line") {
  const auto options = parse(
      {"--policy", "s3fifo", "--entries=5", "--shards", "3", "--ttl", "10,200", "zipf:0.9:10:100"});
  REQUIRE(options);
  CHECK(options.value().setup.policy == l1::Eviction::s3fifo);
  CHECK(options.value().setup.entries == 5);
  CHECK(options.value().setup.shards == 3);
  CHECK(options.value().setup.ttls == std::vector<std::uint64_t>{10, 200});
  CHECK(options.value().trace == "zipf:0.9:10:100");
  CHECK(parse({"--help"}).value().help);
  for (const std::vector<std::string_view>& words : std::vector<std::vector<std::string_view>>{
           {},
           {"--policy", "lru", "--entries", "5"},
           {"--policy", "lru", "file"},
           {"--entries", "5", "file"},
           {"--policy", "fifo", "--entries", "5", "file"},
           {"--policy", "lru", "--entries", "0", "file"},
           {"--policy", "lru", "--entries", "5", "--shards", "0", "file"},
           {"--policy", "lru", "--entries", "5", "--ttl", "1,x", "file"},
           {"--policy", "lru", "--entries", "5", "--what", "1", "file"},
           {"--policy", "lru", "--entries", "5", "file", "another"},
           {"--policy"}}) {
    CHECK_FALSE(parse(words));
  }
}

TEST_CASE("sim: a file is read as little-endian keys") {
  const TemporaryFile file(std::string("\x01\0\0\0\xff\xfe\xfd\xfc\0\x02\0\0", 12));
  CHECK(read_trace(file.path()).value() == std::vector<std::uint32_t>{1, 0xfcfdfeff, 512});
  CHECK_FALSE(read_trace(TemporaryFile("12345").path()));
  CHECK_FALSE(read_trace("/nowhere/at/all"));
  CHECK(read_trace(TemporaryFile("").path()).value().empty());
}

TEST_CASE("sim: a zipf trace") {
  const auto trace = read_trace("zipf:1.0:100:50000");
  REQUIRE(trace);
  REQUIRE(trace.value().size() == 50000);
  std::vector<unsigned> counts(100);
  for (const std::uint32_t key : trace.value()) {
    ++counts.at(key);
  }
  // 1 / (1 + 1/2 + … + 1/100) = 0.193
  CHECK(counts[0] > 9000);
  CHECK(counts[0] < 10300);
  CHECK(counts[1] > 4500);
  CHECK(counts[1] < 5200);
  for (const char* bad : {"zipf:", "zipf:1:2", "zipf:0:10:10", "zipf:1:0:10", "zipf:1:10:x"}) {
    CHECK_FALSE(read_trace(bad));
  }
}

TEST_CASE("sim: hits are counted as the store gives them") {
  // 1 2 3 1 2 3: all but the first round, if three fit; none, if LRU has room for two.
  const std::vector<std::uint32_t> trace = {1, 2, 3, 1, 2, 3, 1, 2, 3};
  CHECK(simulate(setup_of(l1::Eviction::lru, 3), trace).hits == 6);
  CHECK(simulate(setup_of(l1::Eviction::lru, 2), trace).hits == 0);
  Setup setup = setup_of(l1::Eviction::lru, 3);
  // Put in the first three milliseconds: the odd ones live for two, so each ask misses.
  setup.ttls = {100, 2};
  CHECK(simulate(setup, trace).hits == 2);
}

TEST_CASE("sim: shards are those that the product would use") {
  const auto trace = read_trace("zipf:0.9:10000:20000").value();
  CHECK(simulate(setup_of(l1::Eviction::lru, 500, 16), trace).shards == 1);
  CHECK(simulate(setup_of(l1::Eviction::lru, 4500, 16), trace).shards == 4);
  CHECK(simulate(setup_of(l1::Eviction::lru, 100000, 5), trace).shards == 8);
}
