#include "posts.hpp"

#include "tiercache/proxy/worker.hpp"

#include <algorithm>

namespace tiercache::proxy {

namespace {

thread_local Posts* innermost = nullptr;

}  // namespace

Posts::Posts() noexcept : outer_(std::exchange(innermost, this)) {
}

Posts::~Posts() {
  innermost = outer_;
  for (auto& [worker, works] : gathered_) {
    worker->post([works = std::move(works)] {
      for (const auto& work : works) {
        work();
      }
    });
  }
}

void Posts::post(Worker& worker, std::function<void()> work) {
  if (innermost == nullptr) {
    worker.post(std::move(work));
    return;
  }
  auto& gathered = innermost->gathered_;
  auto found =
      std::ranges::find_if(gathered, [&](const auto& one) { return one.first == &worker; });
  if (found == gathered.end()) {
    found = gathered.insert(gathered.end(), {&worker, {}});
  }
  found->second.push_back(std::move(work));
}

}  // namespace tiercache::proxy
