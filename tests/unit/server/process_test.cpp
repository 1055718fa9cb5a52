// What the process asks of the operating system for its threads.
#include "process.hpp"

#include <thread>

#include <doctest/doctest.h>
#include <sys/resource.h>

namespace tiercache::server {
namespace {

int priority() {
  return ::getpriority(PRIO_PROCESS, 0);  // of the calling thread, on Linux
}

}  // namespace

TEST_CASE("only the thread that hurries goes before the others, where that is allowed at all") {
  const int before = priority();
  int hurried = 0;
  int other = 0;
  std::thread thread([&] {
    hurry_this_thread();
    hurried = priority();
  });
  thread.join();
  std::thread([&] { other = priority(); }).join();
  CHECK(hurried <= before);
  CHECK(other == before);
  CHECK(priority() == before);
  if (::setpriority(PRIO_PROCESS, 0, before - 1) == 0) {  // it is allowed
    ::setpriority(PRIO_PROCESS, 0, before);
    CHECK(hurried < before);
  }
}

}  // namespace tiercache::server
