#include "tiercache/coherence/flights.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::coherence;

namespace {

std::vector<FlightId> under(Flights& flights, KeyHash hash) {
  std::vector<FlightId> ids;
  flights.for_each(hash, [&](const Flight& flight) { ids.push_back(flight.id); });
  return ids;
}

}  // namespace

TEST_CASE("flights of a hash are found, the newest first, and end in any order") {
  Flights flights;
  const FlightId first = flights.start(1).id;
  const FlightId other = flights.start(2).id;
  const FlightId second = flights.start(1).id;
  const FlightId third = flights.start(1).id;
  CHECK(under(flights, 1) == std::vector{third, second, first});
  CHECK(under(flights, 2) == std::vector{other});
  CHECK(under(flights, 3).empty());
  CHECK(flights.find(2, first) == nullptr);
  flights.end(1, *flights.find(1, second));
  CHECK(under(flights, 1) == std::vector{third, first});
  CHECK(flights.find(1, second) == nullptr);
  flights.end(1, *flights.find(1, third));
  CHECK(under(flights, 1) == std::vector{first});
  flights.end(1, *flights.find(1, first));
  CHECK(under(flights, 1).empty());
  CHECK(flights.size() == 1);
}

TEST_CASE("a free place is as new") {
  Flights flights;
  const std::string long_key(5000, 'k');
  Flight& used = flights.start(1);
  used.set_name(long_key, "args");
  CHECK(used.key() == long_key);
  CHECK(used.args() == "args");
  used.joinable = false;
  used.fenced = true;
  used.waiters.push_back(7);
  flights.end(1, used);
  Flight& again = flights.start(2);
  CHECK(&again == &used);
  CHECK(again.joinable);
  CHECK_FALSE(again.fenced);
  CHECK(again.waiters.empty());
  again.set_name("k", "");
  CHECK(again.key() == "k");
  CHECK(again.args().empty());
}

TEST_CASE("whatever begins and ends, what is under way is there, copies included") {
  std::mt19937 random(7);
  for (unsigned round = 0; round < 30; ++round) {
    Flights flights;
    std::map<FlightId, KeyHash> expected;
    FlightId last = 0;
    // Up to many, and down to none, where the places are let go.
    for (unsigned step = 0; step < 6000; ++step) {
      const bool begins = expected.empty() || random() % 6000 > step;
      if (begins) {
        const KeyHash hash = random() % 500;
        Flight& flight = flights.start(hash);
        flight.set_name(std::to_string(flight.id), std::to_string(hash));
        CHECK_MESSAGE(flight.id > last, "numbers grow");
        last = flight.id;
        expected.emplace(flight.id, hash);
      } else {
        auto at = expected.begin();
        std::advance(
            at, static_cast<std::ptrdiff_t>(random() % std::min<std::size_t>(expected.size(), 20)));
        Flight* flight = flights.find(at->second, at->first);
        REQUIRE(flight != nullptr);
        REQUIRE(flight->key() == std::to_string(at->first));
        REQUIRE(flight->args() == std::to_string(at->second));
        flights.end(at->second, *flight);
        expected.erase(at);
      }
      REQUIRE(flights.size() == expected.size());
      if (step % 1000 == 0) {
        flights = Flights(flights);
        std::map<FlightId, KeyHash> seen;
        flights.for_each(
            [&](KeyHash hash, const Flight& flight) { seen.emplace(flight.id, hash); });
        REQUIRE(seen == expected);
      }
    }
  }
}
