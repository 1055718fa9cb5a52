// Who waits for one invalidation of many keys that is pending, however often it is asked for again
// meanwhile. Pure.
//
// It is carried out in rounds, each under a number. The end of a round is told to whoever has asked
// under that number or an older one; the others wait for the end of the next.
//
// Limits: kMost who wait for an answer, further ones are told at once that it is refused; of the
// notices those of one for each of the two rounds, since they say the same. Who wants each end is
// bounded by its caller.
#pragma once

#include "tiercache/invalidation/invalidator.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tiercache::invalidation {

class Waiters {
 public:
  using Number = std::uint64_t;
  using Done = Invalidator::Done;
  static constexpr std::size_t kMost = 1024;

  // Asked for under `number`, while `round` is carried out. Either may be empty.
  void add(Number number, Number round, Done notices, Invalidator::Tell tell, Done done);
  // Redis has failed. Returns whom to tell, who is told nothing more.
  std::vector<Done> take_failed();
  // The round has ended. Returns whom to tell, in order.
  std::vector<Done> take_ended(Number round);

 private:
  enum class Kind : std::uint8_t { notices, answer, each };
  struct Waiter {
    Number number = 0;
    Kind kind{};
    Done done;
  };
  template <class Selects>
  std::vector<Done> take(Selects&& selects);

  std::vector<Waiter> waiters_;
};

}  // namespace tiercache::invalidation
