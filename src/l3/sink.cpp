#include "pool.hpp"

#include "tiercache/l3/writer.hpp"

#include <chrono>
#include <iterator>
#include <utility>

#include <pthread.h>

namespace tiercache::l3 {

namespace {

Time now() {
  return std::chrono::steady_clock::now();
}

Written failed(std::string_view why) {
  return {Written::Kind::failed, std::string(why), {}};
}

}  // namespace

Sink::Sink(SourceConfig config, std::unique_ptr<Writer> writer)
    : config_(std::move(config)), writer_(std::move(writer)), thread_([this] {
        ::pthread_setname_np(::pthread_self(), "tiercache-sink");
        work();
      }) {
}

Sink::~Sink() {
  std::deque<Waiting> rest;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    rest.swap(waiting_);
  }
  ready_.notify_all();
  thread_.join();
  for (const Waiting& waiting : rest) {
    waiting.put.done(failed("the proxy is stopping"));
  }
}

bool Sink::submit(Put put) {
  {
    MutexLock lock(mutex_);
    if (stopping_ || waiting_.size() >= config_.queue) {
      totals_.refused++;
      return false;
    }
    waiting_.push_back({std::move(put), now() + config_.timeout});
  }
  ready_.notify_one();
  return true;
}

SinkTotals Sink::totals() const {
  MutexLock lock(mutex_);
  SinkTotals totals = totals_;
  totals.waiting = waiting_.size();
  return totals;
}

void Sink::work() {
  for (;;) {
    std::vector<Waiting> batch;
    {
      MutexLock lock(mutex_);
      while (!stopping_ && waiting_.empty()) {
        ready_.wait(mutex_);
      }
      if (stopping_) {
        return;
      }
      while (!waiting_.empty() && batch.size() < kBatch) {
        batch.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
      }
    }
    run(std::move(batch));
  }
}

Written Sink::apply(std::span<const Waiting> puts, Time deadline) {
  if (now() >= deadline) {
    return failed(Connection::kTimeout);
  }
  std::vector<const Change*> changes;
  for (const Waiting& waiting : puts) {
    for (const Change& change : waiting.put.changes) {
      changes.push_back(&change);
    }
  }
  Written written = writer_->apply(changes, {}, deadline);
  MutexLock lock(mutex_);
  totals_.transactions++;
  (written.kind == Written::Kind::applied ? totals_.puts : totals_.failed) += puts.size();
  return written;
}

// The oldest come first, so those that are too late do; the first of the others says until when the
// transaction may go on.
void Sink::run(std::vector<Waiting> batch) {
  std::size_t late = 0;
  while (late < batch.size() && batch[late].deadline <= now()) {
    batch[late++].put.done(failed(Connection::kTimeout));
  }
  {
    MutexLock lock(mutex_);
    totals_.failed += late;
  }
  const std::span<const Waiting> puts = std::span(batch).subspan(late);
  if (puts.empty()) {
    return;
  }
  Written all = apply(puts, puts[0].deadline);
  if (all.kind == Written::Kind::refused && puts.size() > 1) {
    {
      MutexLock lock(mutex_);
      totals_.failed -= puts.size();
    }
    for (const Waiting& one : puts) {
      one.put.done(apply({&one, 1}, one.deadline));
    }
    return;
  }
  std::size_t at = 0;
  for (const Waiting& one : puts) {
    Written own{all.kind, all.why, {}};
    if (all.kind == Written::Kind::applied) {
      const auto first = all.rows.begin() + static_cast<std::ptrdiff_t>(at);
      at += one.put.changes.size();
      own.rows.assign(first, first + static_cast<std::ptrdiff_t>(one.put.changes.size()));
    }
    one.put.done(std::move(own));
  }
}

std::unique_ptr<Writer> make_writer(const SourceConfig& config, std::vector<Query> statements) {
  return config.dsn.empty() ? make_sqlite_writer(config, std::move(statements))
                            : make_postgres_writer(config, std::move(statements));
}

}  // namespace tiercache::l3
