#include "io_thread.hpp"

#include "tiercache/base/check.hpp"

#include <random>
#include <string>

#include <boost/asio/executor_work_guard.hpp>
#include <pthread.h>

namespace tiercache::server {

IoThread::IoThread(const IoThreadParts& parts)
    : index_(parts.index),
      links_(l2::make_links(io_, links_config(parts.links),
                            [engine = std::mt19937_64(parts.seed)]() mutable { return engine(); })),
      gate_(l2::make_fence_gate(io_, parts.fences, parts.cache.status(),
                                parts.config->coherence.hold_limit)),
      worker_(std::make_unique<proxy::Worker>(proxy::WorkerParts{
          io_, parts.hub, *links_, *gate_, parts.cache, parts.extensions,
          parts.registry.add_thread(), parts.config, command::Table::builtin(), parts.index})) {
}

// Links hand out replies on this thread only, while it runs: the worker is there.
l2::LinksConfig IoThread::links_config(l2::LinksConfig config) {
  config.before_input = [this] {
    worker_->begin_input();
  };
  config.after_input = [this] {
    worker_->end_input();
  };
  return config;
}

IoThread::~IoThread() {
  stop();
}

void IoThread::start() {
  TC_CHECK(!thread_.joinable());
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), ("tiercache-" + std::to_string(index_)).c_str());
    const auto guard = boost::asio::make_work_guard(io_);
    io_.run();
  });
}

void IoThread::stop() {
  if (thread_.joinable()) {
    io_.stop();
    thread_.join();
  }
}

}  // namespace tiercache::server
