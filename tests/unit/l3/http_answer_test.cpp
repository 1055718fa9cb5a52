// What answers of HTTP mean, and which are kept for conditional requests.
#include "http_answer.hpp"

#include "validated.hpp"

#include <deque>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include <doctest/doctest.h>

using namespace tiercache::l3;

TEST_CASE("only 200 is a value, and each status means one thing") {
  for (unsigned status = 100; status < 1000; status++) {
    CAPTURE(status);
    const Meaning expected = status == 200                                     ? Meaning::value
                             : status == 204 || status == 404 || status == 410 ? Meaning::absent
                             : status == 304                                   ? Meaning::kept
                             : status == 429 || status >= 500                  ? Meaning::away
                                                                               : Meaning::failed;
    CHECK(meaning(status) == expected);
  }
}

TEST_CASE("a word is found in any letter case") {
  CHECK(contains_word("max-age=5, No-Store", "no-store"));
  CHECK_FALSE(contains_word("no-cache", "no-store"));
  CHECK_FALSE(contains_word("", "no-store"));
}

TEST_CASE("what was modified lately may be modified again within that second") {
  constexpr const char* kDate = "Sun, 06 Nov 1994 08:49:37 GMT";
  CHECK(is_long_before("Sun, 06 Nov 1994 08:48:37 GMT", kDate));
  CHECK(is_long_before("Sat, 01 Jan 1983 00:00:00 GMT", kDate));
  CHECK_FALSE(is_long_before("Sun, 06 Nov 1994 08:48:38 GMT", kDate));
  CHECK_FALSE(is_long_before(kDate, kDate));
  CHECK_FALSE(is_long_before("Mon, 07 Nov 1994 08:49:37 GMT", kDate));
  for (const char* text : {"", "yesterday", "Sunday, 06-Nov-94 08:40:37 GMT",
                           "Sun, 06 Nov 1994 08:40:37 CET", "Sun, 06 Nov 1994 08:40:37 GMT "}) {
    CAPTURE(text);
    CHECK_FALSE(is_long_before(text, kDate));
    CHECK_FALSE(is_long_before("Sat, 01 Jan 1983 00:00:00 GMT", text));
  }
}

TEST_CASE("answers that are kept: a random one is found as a list would have it") {
  constexpr std::size_t kRoom = 10 * (ValidatedAnswers::kOverhead + 100);
  ValidatedAnswers kept(kRoom);
  std::deque<std::pair<std::string, std::string>> model;  // the next to go first
  const auto bytes_of = [](const auto& one) {
    return ValidatedAnswers::kOverhead + one.first.size() + 3 + one.second.size();
  };
  const auto take_out = [&](const std::string& target) {
    for (auto one = model.begin(); one != model.end(); ++one) {
      if (one->first == target) {
        std::pair<std::string, std::string> taken = *one;
        model.erase(one);
        return taken;
      }
    }
    return std::pair<std::string, std::string>();
  };
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; i++) {
    const std::string target = "/" + std::to_string(random() % 30);
    switch (random() % 8) {
      case 0:
        kept.erase(target);
        take_out(target);
        break;
      case 1:
      case 2:
      case 3: {
        const std::string body(random() % 100 == 0 ? kRoom : random() % 300, 'x');
        kept.put(target, {"\"e\"", "", std::make_shared<const std::string>(body)});
        take_out(target);
        std::size_t all = 0;
        model.emplace_back(target, body);
        for (const auto& one : model) {
          all += bytes_of(one);
        }
        if (bytes_of(model.back()) > kRoom) {
          model.pop_back();
          break;
        }
        while (all > kRoom) {
          all -= bytes_of(model.front());
          model.pop_front();
        }
        break;
      }
      default: {
        const auto found = kept.find(target);
        auto expected = take_out(target);
        REQUIRE(found.has_value() == !expected.first.empty());
        if (found) {
          REQUIRE(*found->body == expected.second);
          model.push_back(std::move(expected));
        }
      }
    }
    std::size_t all = 0;
    for (const auto& one : model) {
      all += bytes_of(one);
    }
    REQUIRE(kept.bytes() == all);
    REQUIRE(all <= kRoom);
  }
}

TEST_CASE("without room nothing is kept") {
  ValidatedAnswers none(0);
  none.put("/a", {"\"e\"", "", std::make_shared<const std::string>("")});
  CHECK_FALSE(none.find("/a"));
  CHECK(none.bytes() == 0);
}
