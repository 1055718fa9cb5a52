// What one thread has for workers, gathered: while a Posts lives, post() puts the work aside, and
// at its end each worker gets all of its work as one: one mutex, and one system call to wake it,
// for all the loads that a query has answered, and what they write is written together.
//
// On the stack of one thread, any; of others nothing is gathered. The order of what a worker gets
// stays. Limit: what is posted meanwhile, so twice a batch of a source.
#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace tiercache::proxy {

class Worker;

class Posts {
 public:
  Posts() noexcept;
  ~Posts();
  Posts(const Posts&) = delete;
  Posts& operator=(const Posts&) = delete;

  // As Worker::post(), at once if no Posts lives on this thread.
  static void post(Worker& worker, std::function<void()> work);

 private:
  Posts* const outer_;
  std::vector<std::pair<Worker*, std::vector<std::function<void()>>>> gathered_;
};

}  // namespace tiercache::proxy
