#include "keys.hpp"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <unistd.h>

namespace tiercache::warmup {

namespace {

struct File {
  std::string path = "/tmp/tiercache-keys-XXXXXX";

  explicit File(const std::string& text) {
    const int file = ::mkstemp(path.data());
    REQUIRE(file >= 0);
    ::close(file);
    std::ofstream(path, std::ios::binary) << text;
  }
  ~File() {
    std::filesystem::remove(path);
  }
};

// All of them, in batches of so many.
std::vector<std::string> all(Keys& keys, std::size_t most) {
  std::vector<std::string> result;
  for (;;) {
    auto batch = keys.next(most);
    REQUIRE(batch);
    CHECK(batch->keys.size() <= most);
    for (std::string& key : batch->keys) {
      result.push_back(std::move(key));
    }
    if (batch->last) {
      return result;
    }
  }
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a list yields its keys in their order, in batches of any size") {
  for (std::size_t most = 1; most < 5; most++) {
    ListedKeys keys({"a", "b", "c"});
    CHECK(all(keys, most) == Texts{"a", "b", "c"});
  }
  ListedKeys none({});
  CHECK(all(none, 3).empty());
}

TEST_CASE("a file has one key a line, whatever ends the line") {
  const File file("a\nkey with spaces\n\nc\r\n\r\nlast");
  for (std::size_t most = 1; most < 6; most++) {
    FileKeys keys(file.path);
    CHECK(all(keys, most) == Texts{"a", "key with spaces", "c", "last"});
  }
  const File empty("");
  FileKeys none(empty.path);
  CHECK(all(none, 2).empty());
}

TEST_CASE("a file that cannot be read, or that is none of keys, is an error with its name") {
  FileKeys missing("/nowhere/keys");
  CHECK(missing.next(1).error().detail == "/nowhere/keys: No such file or directory");
  FileKeys folder("/tmp");
  CHECK(folder.next(1).error().detail == "/tmp: Is a directory");
  const File fits(std::string(FileKeys::kMaxKey, 'x'));
  FileKeys long_key(fits.path);
  CHECK(all(long_key, 2).size() == 1);
  const File large(std::string(FileKeys::kMaxKey + 1, 'x'));
  FileKeys too_long(large.path);
  CHECK(too_long.next(1).error().detail == large.path + ": a line is longer than 64kb");
}

TEST_CASE("a query is asked once, and again only after an error") {
  int asked = 0;
  QueryKeys keys([&]() -> Result<Texts> {
    if (asked++ == 0) {
      return Error{ErrorCode::unavailable, "away"};
    }
    return Texts{"a", "b", "c"};
  });
  CHECK(keys.next(2).error().code == ErrorCode::unavailable);
  CHECK(all(keys, 2) == Texts{"a", "b", "c"});
  CHECK(asked == 2);
}

TEST_CASE("lists and files follow each other") {
  const File file("c\nd\n");
  for (std::size_t most = 1; most < 6; most++) {
    std::vector<std::unique_ptr<Keys>> parts;
    parts.push_back(std::make_unique<ListedKeys>(Texts{"a", "b"}));
    parts.push_back(std::make_unique<FileKeys>(file.path));
    JoinedKeys keys(std::move(parts));
    CHECK(all(keys, most) == Texts{"a", "b", "c", "d"});
  }
}

TEST_CASE("how many there are is known of a list and of a query's rows, and not of a file") {
  ListedKeys list({"a", "b", "c"});
  CHECK(list.next(2)->size == 3);
  CHECK(list.next(2)->size == 3);
  QueryKeys rows([] { return Result<std::vector<std::string>>(Texts{"a", "b"}); });
  CHECK(rows.next(1)->size == 2);
  const File file("a\n");
  FileKeys lines(file.path);
  CHECK(lines.next(1)->size == 0);
  const auto joined = [](bool more) {
    std::vector<std::unique_ptr<Keys>> parts;
    parts.push_back(std::make_unique<ListedKeys>(Texts{"a"}));
    if (more) {
      parts.push_back(std::make_unique<ListedKeys>(Texts{"b"}));
    }
    return JoinedKeys(std::move(parts)).next(1)->size;
  };
  CHECK(joined(false) == 1);
  CHECK(joined(true) == 0);
}

}  // namespace tiercache::warmup
