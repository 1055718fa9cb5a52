// What is posted to workers together.
#include "posts.hpp"

#include "fake_upstream.hpp"

#include <functional>
#include <string>

#include <doctest/doctest.h>

namespace tiercache::proxy::testing {

namespace {

struct World {
  Rig rig{2};
  std::string done;

  World() {
    rig.run();
  }
  Worker& worker(std::size_t index) {
    return *rig.threads[index]->worker;
  }
  std::function<void()> note(char what) {
    return [this, what] {
      done += what;
    };
  }
  std::size_t handlers() {
    rig.io.restart();
    return rig.io.poll();
  }
};

}  // namespace

TEST_CASE("what is posted while a Posts lives is one handler of each worker, in its order") {
  World world;
  {
    const Posts together;
    for (const char what : {'a', 'b', 'c'}) {
      Posts::post(world.worker(0), world.note(what));
      Posts::post(world.worker(1), world.note(static_cast<char>(what - 'a' + 'A')));
    }
    CHECK(world.handlers() == 0);
  }
  CHECK(world.handlers() == 2);
  CHECK(world.done == "abcABC");
}

TEST_CASE("without a Posts each is posted at once, and one that has nothing posts nothing") {
  World world;
  Posts::post(world.worker(0), world.note('a'));
  Posts::post(world.worker(0), world.note('b'));
  CHECK(world.handlers() == 2);
  { const Posts together; }
  CHECK(world.handlers() == 0);
  Posts::post(world.worker(1), world.note('c'));
  CHECK(world.handlers() == 1);
  CHECK(world.done == "abc");
}

TEST_CASE("of two Posts the inner one gathers, then the outer one again") {
  World world;
  {
    const Posts outer;
    Posts::post(world.worker(0), world.note('a'));
    {
      const Posts inner;
      Posts::post(world.worker(0), world.note('b'));
    }
    CHECK(world.handlers() == 1);
    Posts::post(world.worker(0), world.note('c'));
  }
  CHECK(world.handlers() == 1);
  CHECK(world.done == "bac");
}

}  // namespace tiercache::proxy::testing
