#include "waiters.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::invalidation {

void Waiters::add(Number number, Number round, Done notices, Invalidator::Tell tell, Done done) {
  const bool of_next = number > round;
  if (notices && std::ranges::none_of(waiters_, [&](const Waiter& one) {
        return one.kind == Kind::notices && (one.number > round) == of_next;
      })) {
    waiters_.push_back({number, Kind::notices, std::move(notices)});
  }
  if (!done) {
    return;
  }
  const bool answer = tell == Invalidator::Tell::first_outcome;
  if (answer && std::ranges::count(waiters_, Kind::answer, &Waiter::kind) ==
                    static_cast<std::ptrdiff_t>(kMost)) {
    done(Error{ErrorCode::refused, "too many wait for it already"});
    return;
  }
  waiters_.push_back({number, answer ? Kind::answer : Kind::each, std::move(done)});
}

template <class Selects>
std::vector<Waiters::Done> Waiters::take(Selects&& selects) {
  std::vector<Done> taken;
  std::erase_if(waiters_, [&](Waiter& one) {
    if (!selects(one)) {
      return false;
    }
    taken.push_back(std::move(one.done));
    return true;
  });
  return taken;
}

std::vector<Waiters::Done> Waiters::take_failed() {
  return take([](const Waiter& one) { return one.kind == Kind::answer; });
}

std::vector<Waiters::Done> Waiters::take_ended(Number round) {
  return take([round](const Waiter& one) { return one.number <= round; });
}

}  // namespace tiercache::invalidation
