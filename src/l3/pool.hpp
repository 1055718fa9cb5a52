// The threads of a source, each with a connection of its own, and the loads that wait for one.
//
// Loads of a query that takes several keys go together: the thread that takes the first waits for
// more, for SourceConfig::window at most, and no other takes any of them meanwhile. Of several
// queries the one whose load has waited longest is next. While the ramp allows fewer queries than
// there are threads, the others rest.
//
// SourceConfig::queue counts loads that no thread is free for: those that a free one, or one that
// gathers, is about to take come on top.
#pragma once

#include "breaker.hpp"
#include "ramp.hpp"

#include "tiercache/base/mutex.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/l3/source.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

namespace tiercache::l3 {

// Used by one thread.
class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;

  // Loads of one query, no more than its batch; one result for each. Has to end soon after the
  // deadline; Loaded::failed with kTimeout then.
  virtual void run(std::span<const Load* const> loads, Time deadline,
                   std::span<Loaded> results) = 0;

  static constexpr std::string_view kTimeout = "the query took too long";
};

class Pool final : public Source {
 public:
  using Connect = std::function<std::unique_ptr<Connection>()>;

  Pool(SourceConfig config, const std::vector<Query>& queries, const Connect& connect);
  ~Pool() override;

  const std::string& name() const noexcept override {
    return config_.name;
  }
  Taken submit(Load load) override;
  SourceTotals totals() const override;

 private:
  struct Waiting {
    Load load;
    Time deadline;
  };
  struct Queue {
    std::size_t batch = 1;   // so many loads together
    bool gathering = false;  // a thread waits for more
    std::deque<Waiting> waiting;
  };

  void work(Connection& connection);
  std::vector<Waiting> take();
  Queue* oldest() TC_REQUIRES(mutex_);
  bool crowded(const Queue& queue) const TC_REQUIRES(mutex_);
  void run(Connection& connection, std::vector<Waiting> batch);

  const SourceConfig config_;
  mutable Mutex mutex_;
  std::condition_variable_any ready_;
  std::condition_variable_any full_;                 // for threads that wait for more
  std::vector<Queue> queues_ TC_GUARDED_BY(mutex_);  // by query
  std::size_t waiting_ TC_GUARDED_BY(mutex_) = 0;    // in all of them
  SourceTotals totals_ TC_GUARDED_BY(mutex_);
  Breaker breaker_ TC_GUARDED_BY(mutex_);
  Ramp ramp_ TC_GUARDED_BY(mutex_);
  std::size_t busy_ TC_GUARDED_BY(mutex_) = 0;  // threads that gather loads or run a query
  bool stopping_ TC_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace tiercache::l3
