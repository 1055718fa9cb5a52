#include "tiercache/config/load.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>
#include <unistd.h>

using namespace tiercache;
using namespace tiercache::config;

namespace {

class PrivateDirectory {
 public:
  PrivateDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "tiercache-config-XXXXXX";
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~PrivateDirectory() {
    std::filesystem::remove_all(path_);
  }
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;

  std::string write(const char* name, const std::string& text) const {
    const auto path = path_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::string path() const {
    return path_;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("a file is read whole, up to the limit") {
  const PrivateDirectory directory;
  const std::string bytes("a\0b\r\n", 5);
  CHECK(load_file(directory.write("small", bytes)).value() == bytes);
  CHECK(load_file(directory.write("empty", "")).value().empty());
  CHECK(load_file(directory.write("full", std::string(kMaxText, 'x'))).value().size() == kMaxText);

  const auto large = load_file(directory.write("large", std::string(kMaxText + 1, 'x')));
  REQUIRE_FALSE(large);
  CHECK(large.error().code == ErrorCode::limit);
}

TEST_CASE("a file that cannot be read is an error with its name and the reason") {
  const PrivateDirectory directory;
  const std::string missing = directory.path() + "/none";
  const auto none = load_file(missing);
  REQUIRE_FALSE(none);
  CHECK(none.error().detail == missing + ": No such file or directory");
  const auto folder = load_file(directory.path());
  REQUIRE_FALSE(folder);
  CHECK(folder.error().detail == directory.path() + ": Is a directory");
}
