#include "canary.hpp"

#include <optional>
#include <string>

#include <doctest/doctest.h>

using tiercache::l2::Canary;

namespace {

// Writes the canary of `db` over `old` and says whether that was a surprise.
bool write(Canary& canary, std::uint32_t db, const std::optional<std::string>& old,
           std::string* value = nullptr) {
  const std::string next = canary.next(db);
  if (value != nullptr) {
    *value = next;
  }
  return canary.replaced(db, next, old);
}

}  // namespace

TEST_CASE("the first canary of a connection finds whatever it finds") {
  for (const std::optional<std::string>& old :
       {std::optional<std::string>(), std::optional<std::string>("0:17")}) {
    Canary canary;
    CHECK_FALSE(write(canary, 0, old));
  }
}

TEST_CASE("after that only the value left there is no surprise") {
  Canary canary;
  std::string left;
  write(canary, 0, std::nullopt, &left);
  CHECK(left.starts_with("0:"));
  SUBCASE("the same") {
    CHECK_FALSE(write(canary, 0, left));
  }
  SUBCASE("nothing: flushed") {
    CHECK(write(canary, 0, std::nullopt));
  }
  SUBCASE("an older one: rolled back") {
    std::string newer;
    CHECK_FALSE(write(canary, 0, left, &newer));
    CHECK(newer != left);
    CHECK(write(canary, 0, left));
  }
  SUBCASE("that of another db: swapped") {
    CHECK(write(canary, 0, "1:1"));
  }
  SUBCASE("a surprise is one only once") {
    std::string again;
    CHECK(write(canary, 0, std::nullopt, &again));
    CHECK_FALSE(write(canary, 0, again));
  }
}

TEST_CASE("a db that comes into use later was unwatched until its first canary") {
  Canary canary;
  canary.add(4);
  CHECK(canary.dbs().size() == 2);
  std::string left;
  CHECK(write(canary, 4, std::nullopt, &left));
  CHECK_FALSE(write(canary, 4, left, &left));
  canary.add(4);
  CHECK_FALSE(write(canary, 4, left));
}

TEST_CASE("a new connection expects nothing, of dbs known before") {
  Canary canary;
  canary.add(4);
  write(canary, 0, std::nullopt);
  canary.reset();
  CHECK_FALSE(write(canary, 0, std::nullopt));
  CHECK_FALSE(write(canary, 4, "4:1"));
  canary.remove(4);
  CHECK(canary.dbs().size() == 1);
  CHECK_FALSE(canary.replaced(4, "4:9", std::nullopt));
}
