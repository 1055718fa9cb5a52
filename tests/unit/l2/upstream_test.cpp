// How all links leave one server for another.
#include "tiercache/l2/upstream.hpp"

#include <doctest/doctest.h>

using namespace tiercache;
using config::Endpoint;
using l2::Upstream;

namespace {

const Endpoint kOne{config::EndpointKind::tcp, "h", 1, ""};
const Endpoint kTwo{config::EndpointKind::tcp, "h", 2, ""};

struct User final : Upstream::User {
  void on_move(std::uint64_t number) override {
    term = number;
  }
  std::uint64_t term = 0;
};

}  // namespace

TEST_CASE("the new address is valid when the last user has let go, and none is until then") {
  Upstream upstream(Upstream::Expect::master, "main");
  CHECK_FALSE(upstream.endpoint());
  CHECK(upstream.where() == "main");
  User a;
  User b;
  upstream.add(a);
  upstream.add(b);
  int moved = 0;
  upstream.move_to(kOne, [&] { moved++; });
  CHECK_FALSE(upstream.endpoint());
  upstream.let_go(a, a.term);
  upstream.let_go(a, a.term);
  CHECK_FALSE(upstream.endpoint());
  upstream.let_go(b, b.term);
  CHECK(upstream.endpoint() == kOne);
  CHECK(upstream.where() == "main (h:1)");
  CHECK(moved == 1);

  upstream.move_to(std::nullopt, [&] { moved++; });
  upstream.let_go(a, a.term);
  upstream.remove(b);  // counts as gone
  CHECK_FALSE(upstream.endpoint());
  CHECK(moved == 2);
  upstream.remove(a);
}

TEST_CASE("a move that another overtakes does not end, whoever lets go for it") {
  Upstream upstream(Upstream::Expect::master, "main");
  User user;
  upstream.add(user);
  int first = 0;
  int second = 0;
  upstream.move_to(kOne, [&] { first++; });
  const std::uint64_t old = user.term;
  upstream.move_to(kTwo, [&] { second++; });
  upstream.let_go(user, old);
  CHECK_FALSE(upstream.endpoint());
  upstream.let_go(user, user.term);
  CHECK(upstream.endpoint() == kTwo);
  CHECK(first == 0);
  CHECK(second == 1);
  upstream.remove(user);
}

TEST_CASE("a suspicion is told once until it is taken; of a fixed server nobody is told") {
  Upstream upstream(Upstream::Expect::master, "main");
  int told = 0;
  upstream.on_suspect = [&] {
    told++;
  };
  upstream.suspect();
  upstream.suspect();
  CHECK(told == 1);
  upstream.take_suspicion();
  upstream.suspect();
  CHECK(told == 2);

  const l2::UpstreamPtr fixed = l2::upstream_at(kOne);
  fixed->suspect();
  CHECK(fixed->endpoint() == kOne);
  CHECK(fixed->where() == "h:1");
}

TEST_CASE("a place among the connections is one that is free") {
  Upstream upstream(kOne);
  CHECK(upstream.enter(2));
  CHECK(upstream.enter(2));
  CHECK_FALSE(upstream.enter(2));
  CHECK(upstream.enter(3));
  CHECK(upstream.links == 3);
  upstream.leave();
  CHECK_FALSE(upstream.enter(2));
  CHECK(upstream.enter(3));
}
