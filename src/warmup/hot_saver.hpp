// Saves the hot keys of a [[warmup]] again and again, `interval` after the last time, on a pool of
// threads that may block; and once more at the end.
//
// Control thread. Kept alive by a shared_ptr. The pool runs no longer than the loop lives.
#pragma once

#include "hot_file.hpp"

#include "tiercache/base/time.hpp"

#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

namespace tiercache::warmup {

class HotSaver : public std::enable_shared_from_this<HotSaver> {
 public:
  HotSaver(boost::asio::io_context& control, boost::asio::thread_pool& pool, std::string name,
           std::shared_ptr<HotFile> file, Duration interval)
      : control_(control),
        pool_(pool),
        name_(std::move(name)),
        file_(std::move(file)),
        interval_(interval),
        timer_(control) {
  }

  const std::shared_ptr<HotFile>& file() const noexcept {
    return file_;
  }
  void start();
  void stop();
  // Blocks. The loop need not run.
  void save();

 private:
  void on_saved(const Result<std::size_t>& saved);

  boost::asio::io_context& control_;
  boost::asio::thread_pool& pool_;
  const std::string name_;
  const std::shared_ptr<HotFile> file_;
  const Duration interval_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false;
};

}  // namespace tiercache::warmup
