#include "tiercache/server/options.hpp"

#include <vector>

#include <doctest/doctest.h>

namespace tiercache::server {

namespace {

Result<Options> parse(std::vector<std::string_view> args) {
  return parse_options(args);
}

}  // namespace

TEST_CASE("the command line in both spellings") {
  const auto options =
      parse({"--config", "a.toml", "--set", "l1.shards=2", "--set=log.file=x=y", "--check-config"});
  REQUIRE(options);
  CHECK(options.value().config_file == "a.toml");
  CHECK(options.value().sets == std::vector<std::string>{"l1.shards=2", "log.file=x=y"});
  CHECK(options.value().action == Action::check_config);
  CHECK(parse({}).value().action == Action::serve);
  CHECK(parse({"--config=b"}).value().config_file == "b");
}

TEST_CASE("usage that makes no sense is an error that names it") {
  CHECK(parse({"--config"}).error().detail == "--config needs a value");
  CHECK(parse({"--set="}).error().detail == "--set needs a value");
  CHECK(parse({"--config", "a", "--config=b"}).error().detail == "--config is given twice");
  CHECK(parse({"--versions"}).error().detail == "unknown argument '--versions'");
  CHECK(parse({"--help=yes"}).error().detail == "unknown argument '--help=yes'");
}

}  // namespace tiercache::server
