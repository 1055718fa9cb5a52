// The files in conf/ say what the program says.
#include "tiercache/config/load.hpp"
#include "tiercache/config/schema.hpp"

#include <sstream>
#include <string>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::config;

namespace {

std::string conf(const char* name) {
  return load_file(std::string(TIERCACHE_CONF_DIR "/") + name).value();
}

}  // namespace

TEST_CASE("reference.toml is what the schema generates") {
  // If this fails, write the file anew with print_reference.
  CHECK(conf("reference.toml") == reference_toml());
}

TEST_CASE("reference.toml holds every key once and parses to the defaults") {
  CHECK(parse(conf("reference.toml"), "reference.toml").value() == Config{});
  std::istringstream lines(conf("reference.toml"));
  std::string section;
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('[')) {
      section = line.substr(1, line.find(']') - 1) + ".";
    } else if (!line.empty() && !line.starts_with('#')) {
      names.push_back(section + line.substr(0, line.find(' ')));
    }
  }
  std::vector<std::string> keys;
  for (const Key& key : schema()) {
    keys.emplace_back(key.name);
  }
  CHECK(names == keys);
}

TEST_CASE("the example files parse") {
  for (const char* name : {"tiercache.toml", "trading.toml"}) {
    const auto config = parse(conf(name), name);
    CHECK_MESSAGE(config, (config ? "" : config.error().detail));
  }
}

TEST_CASE("what the example file only suggests is valid too") {
  // A suggestion is a comment of the form `#key = value`.
  std::istringstream lines(conf("tiercache.toml"));
  std::string text;
  int suggestions = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#') && line.size() > 1 && line[1] != ' ') {
      line.erase(0, 1);
      ++suggestions;
    }
    text += line + "\n";
  }
  CHECK(suggestions > 0);
  const auto config = parse(text, "tiercache.toml");
  CHECK_MESSAGE(config, (config ? "" : config.error().detail));
}
