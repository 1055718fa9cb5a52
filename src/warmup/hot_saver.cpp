#include "hot_saver.hpp"

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

namespace tiercache::warmup {

void HotSaver::start() {
  timer_.expires_after(interval_);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->stopped_) {
      return;
    }
    boost::asio::post(self->pool_, [weak, file = self->file_, &control = self->control_] {
      boost::asio::post(control, [weak, saved = file->save()] {
        const auto still = weak.lock();
        if (still && !still->stopped_) {
          still->on_saved(saved);
          still->start();
        }
      });
    });
  });
}

void HotSaver::stop() {
  stopped_ = true;
  timer_.cancel();
}

void HotSaver::save() {
  const Result<std::size_t> saved = file_->save();
  on_saved(saved);
  if (saved && saved.value() > 0) {
    spdlog::info("warmup '{}': {} hot keys saved", name_, saved.value());
  }
}

void HotSaver::on_saved(const Result<std::size_t>& saved) {
  if (!saved) {
    spdlog::warn("warmup '{}': the hot keys are not saved: {}", name_, saved.error().detail);
  }
}

}  // namespace tiercache::warmup
