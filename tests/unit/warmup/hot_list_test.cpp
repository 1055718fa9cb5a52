// The file of hot keys: every key comes back whatever its bytes, and no damage passes.
#include "hot_list.hpp"

#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::warmup;

namespace {

std::vector<std::string> some_keys() {
  std::string all;
  for (int c = 0; c < 256; c++) {
    all += static_cast<char>(c);
  }
  return {"a",
          "",
          "with space",
          "two\nlines\r\n",
          all,
          "7 ",
          std::string(70'000, 'x'),
          "tiercache hot keys 1 3 abc\n"};
}

}  // namespace

TEST_CASE("keys of any bytes come back in their order") {
  CHECK(decode_hot(encode_hot({})).value().empty());
  const std::vector<std::string> keys = some_keys();
  CHECK(decode_hot(encode_hot(keys)).value() == keys);
  CHECK(encode_hot(std::vector<std::string>{"k"}).starts_with("tiercache hot keys 1 1 "));
}

TEST_CASE("a file that ends early, or has one byte changed or added, is damaged") {
  std::vector<std::string> keys = some_keys();
  keys[6].resize(50);
  const std::string text = encode_hot(keys);
  for (std::size_t size = 0; size < text.size(); size++) {
    CAPTURE(size);
    REQUIRE_FALSE(decode_hot(text.substr(0, size)));
  }
  std::mt19937 random(3);
  for (std::size_t at = 0; at < text.size(); at++) {
    CAPTURE(at);
    std::string other = text;
    other[at] = static_cast<char>(other[at] ^ static_cast<char>(1 + random() % 255));
    REQUIRE_FALSE(decode_hot(other));
    other = text;
    other.insert(at, 1, static_cast<char>(random()));
    // The same as before if it repeats its neighbour.
    REQUIRE((other == text || !decode_hot(other)));
  }
  REQUIRE_FALSE(decode_hot(text + "\n"));
  REQUIRE_FALSE(decode_hot(text + text));
  const auto huge = decode_hot("tiercache hot keys 1 1 0\n18446744073709551615 a\n");
  REQUIRE_FALSE(huge);
  CHECK(huge.error().detail ==
        "it is damaged: it ends within a key, or has something between keys");
  CHECK(decode_hot("a\nb\n").error().detail ==
        "it is damaged: it does not begin as a file of hot keys does");
}

TEST_CASE("what was hot before stays behind what is hot now, as far as there is room") {
  using List = std::vector<std::string>;
  CHECK(merge_hot({"a", "b"}, List{"c", "a", "d"}, 10, 100) == List{"a", "b", "c", "d"});
  CHECK(merge_hot({"a", "b"}, List{"c", "a", "d"}, 3, 100) == List{"a", "b", "c"});
  CHECK(merge_hot({"a", "b"}, List{"c"}, 1, 100) == List{"a"});
  CHECK(merge_hot({}, List{"c"}, 5, 100) == List{"c"});
  CHECK(merge_hot({"a"}, {}, 5, 100) == List{"a"});
  CHECK(merge_hot({"aa", "b"}, List{"cc", "d"}, 5, 5) == List{"aa", "b", "cc"});
  CHECK(merge_hot({"aa", "b"}, List{"cc", "d"}, 5, 2) == List{"aa"});
}
