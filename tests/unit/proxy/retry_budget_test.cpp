// Which part of what is lost may be sent again.
#include "retry_budget.hpp"

#include <doctest/doctest.h>

using tiercache::proxy::RetryBudget;

namespace {

std::uint64_t all_it_gives(RetryBudget& budget, std::uint64_t sent, std::uint32_t percent) {
  std::uint64_t given = 0;
  while (budget.take(sent, percent)) {
    given++;
  }
  return given;
}

}  // namespace

TEST_CASE("a share of the requests, and some whatever was sent") {
  RetryBudget budget;
  CHECK(all_it_gives(budget, 0, 20) == RetryBudget::kFloor);
  CHECK(all_it_gives(budget, 4, 20) == 0);
  CHECK(all_it_gives(budget, 5, 20) == 1);
  CHECK(all_it_gives(budget, 1000, 20) == 199);
  CHECK(all_it_gives(budget, 1000, 100) == 800);
  CHECK_FALSE(budget.take(1000, 20));
}

TEST_CASE("nothing if nothing is wanted") {
  RetryBudget budget;
  CHECK_FALSE(budget.take(1000, 0));
  CHECK(all_it_gives(budget, 0, 1) == RetryBudget::kFloor);
}

TEST_CASE("what was sent and retried long ago does not count") {
  RetryBudget budget;
  CHECK(all_it_gives(budget, 1000, 10) == RetryBudget::kFloor + 100);
  for (std::size_t second = 1; second < RetryBudget::kSeconds; second++) {
    budget.tick(1000);
    CHECK_FALSE(budget.take(1000, 10));
  }
  budget.tick(1000);  // both are over
  CHECK(all_it_gives(budget, 1000, 10) == RetryBudget::kFloor);
  CHECK(all_it_gives(budget, 1500, 10) == 50);
  for (std::size_t second = 0; second < RetryBudget::kSeconds - 1; second++) {
    budget.tick(1500);
  }
  CHECK_FALSE(budget.take(1500, 10));
  budget.tick(1500);
  CHECK(all_it_gives(budget, 1500, 10) == RetryBudget::kFloor);
}
