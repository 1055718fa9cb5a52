#include "pool.hpp"

#include "tiercache/l3/listing.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <pthread.h>

namespace tiercache::l3 {

namespace {

Time now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

Pool::Pool(SourceConfig config, const std::vector<Query>& queries, const Connect& connect)
    : config_(std::move(config)), ramp_(config_.cold_concurrency, config_.concurrency) {
  {
    MutexLock lock(mutex_);
    queues_.resize(queries.size());
    for (std::size_t i = 0; i < queries.size(); i++) {
      queues_[i].batch = queries[i].batch;
    }
  }
  for (unsigned i = 0; i < config_.concurrency; i++) {
    threads_.emplace_back([this, connection = std::shared_ptr<Connection>(connect())] {
      ::pthread_setname_np(::pthread_self(), "tiercache-l3");
      work(*connection);
    });
  }
}

// What runs is waited for, and what waits is told.
Pool::~Pool() {
  std::vector<Queue> rest;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    rest.swap(queues_);
  }
  ready_.notify_all();
  full_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
  for (const Queue& queue : rest) {
    for (const Waiting& waiting : queue.waiting) {
      waiting.load.done({Loaded::Kind::failed, "the proxy is stopping"});
    }
  }
}

Source::Taken Pool::submit(Load load) {
  bool gathering = false;
  bool full = false;
  {
    MutexLock lock(mutex_);
    const bool away = breaker_.refuses(now());
    if (away || stopping_ || crowded(queues_[load.query])) {
      totals_.refused++;
      return away ? Taken::away : Taken::full;
    }
    Queue& queue = queues_[load.query];
    queue.waiting.push_back({std::move(load), now() + config_.timeout});
    waiting_++;
    gathering = queue.gathering;
    full = gathering && queue.waiting.size() == queue.batch;
  }
  // Who gathers sees to what it leaves, so no other thread need look.
  if (full) {
    full_.notify_all();
  } else if (!gathering) {
    ready_.notify_one();
  }
  return Taken::yes;
}

SourceTotals Pool::totals() const {
  MutexLock lock(mutex_);
  SourceTotals totals = totals_;
  totals.waiting = waiting_;
  totals.opened = breaker_.opened();
  totals.left_alone = breaker_.state() != Breaker::State::closed;
  totals.allowed = ramp_.limit();
  return totals;
}

// Whether another load of this query would be one too many.
bool Pool::crowded(const Queue& queue) const {
  if (waiting_ < config_.queue || (queue.gathering && queue.waiting.size() < queue.batch)) {
    return false;
  }
  const std::size_t limit = ramp_.limit();
  std::size_t going = limit - std::min(busy_, limit);
  for (const Queue& its : queues_) {
    going += its.gathering ? std::min(its.waiting.size(), its.batch) : 0;
  }
  return waiting_ >= config_.queue + going;
}

Pool::Queue* Pool::oldest() {
  Queue* oldest = nullptr;
  for (Queue& queue : queues_) {
    if (!queue.waiting.empty() && !queue.gathering &&
        (oldest == nullptr || queue.waiting.front().deadline < oldest->waiting.front().deadline)) {
      oldest = &queue;
    }
  }
  return oldest;
}

// Empty: it is over.
std::vector<Pool::Waiting> Pool::take() {
  std::vector<Waiting> batch;
  bool more = false;
  {
    MutexLock lock(mutex_);
    Queue* queue = nullptr;
    while (!stopping_ && (busy_ >= ramp_.limit() || (queue = oldest()) == nullptr)) {
      ready_.wait(mutex_);
    }
    if (stopping_) {
      return batch;
    }
    busy_++;
    const Time until = now() + config_.window;
    queue->gathering = true;
    while (!stopping_ && queue->waiting.size() < queue->batch &&
           full_.wait_until(mutex_, until) != std::cv_status::timeout) {
    }
    queue->gathering = false;
    if (stopping_) {
      return batch;
    }
    while (!queue->waiting.empty() && batch.size() < queue->batch) {
      batch.push_back(std::move(queue->waiting.front()));
      queue->waiting.pop_front();
    }
    waiting_ -= batch.size();
    totals_.running++;
    totals_.most_running = std::max(totals_.most_running, totals_.running);
    more = waiting_ > 0;
  }
  if (more) {
    ready_.notify_one();
  }
  return batch;
}

void Pool::run(Connection& connection, std::vector<Waiting> batch) {
  const Time begun = now();
  // The oldest come first, so those that are too late do.
  const auto first =
      std::ranges::find_if(batch, [&](const Waiting& waiting) { return begun < waiting.deadline; });
  const auto late = static_cast<std::size_t>(first - batch.begin());
  bool ask = first != batch.end();
  if (ask) {
    MutexLock lock(mutex_);
    ask = breaker_.admit(begun);
  }
  std::vector<Loaded> results;
  for (std::size_t i = 0; i < batch.size(); i++) {
    results.push_back(
        {Loaded::Kind::failed, std::string(i < late ? Connection::kTimeout : kAway), true});
  }
  if (ask) {
    std::vector<const Load*> loads;
    for (auto one = first; one != batch.end(); ++one) {
      loads.push_back(&one->load);
    }
    connection.run(loads, first->deadline, std::span(results).subspan(late));
  }
  const Duration took = now() - begun;
  bool more = false;
  {
    MutexLock lock(mutex_);
    totals_.running--;
    busy_--;
    totals_.loads += ask ? batch.size() - late : 0;
    totals_.queries += ask ? 1 : 0;
    if (ask && results.back().away) {
      breaker_.on_failed(now());
    } else if (ask) {
      breaker_.on_answered();
      more = ramp_.on_answered(batch.back().load.warm_percent);
    }
    if (breaker_.state() == Breaker::State::open) {
      ramp_.on_left_alone();
    }
    totals_.busy_us += static_cast<std::uint64_t>(took / std::chrono::microseconds(1));
    for (const Loaded& loaded : results) {
      if (loaded.kind == Loaded::Kind::failed) {
        totals_.failed++;
        totals_.timeouts += loaded.bytes == Connection::kTimeout ? 1 : 0;
      }
      totals_.not_modified += loaded.not_modified ? 1 : 0;
    }
  }
  if (more) {
    ready_.notify_all();
  }
  const auto tell = [&] {
    for (std::size_t i = 0; i < batch.size(); i++) {
      batch[i].load.done(std::move(results[i]));
    }
  };
  config_.around ? config_.around(tell) : tell();
}

void Pool::work(Connection& connection) {
  for (;;) {
    std::vector<Waiting> batch = take();
    if (batch.empty()) {
      return;
    }
    run(connection, std::move(batch));
  }
}

std::unique_ptr<Source> make_source(SourceConfig config, std::vector<Query> queries) {
  return !config.url.empty()   ? make_http(std::move(config), queries)
         : !config.dsn.empty() ? make_postgres(std::move(config), std::move(queries))
                               : make_sqlite(std::move(config), std::move(queries));
}

Result<std::vector<std::string>> list(const SourceConfig& config, const Listing& listing,
                                      const std::atomic<bool>& stop) {
  return config.dsn.empty() ? list_sqlite(config, listing, stop)
                            : list_postgres(config, listing, stop);
}

}  // namespace tiercache::l3
