#include "tiercache/warmup/warmup.hpp"

#include "run.hpp"

#include <chrono>
#include <memory>
#include <utility>

namespace tiercache::warmup {

class Warmup::Impl {
 public:
  Impl(boost::asio::io_context& control, proxy::Hub& hub) : control_(control), hub_(hub) {
  }

  Status start(Job job) {
    if (run_ && run_->running()) {
      return Error{ErrorCode::refused, "a warmup is running already; see CACHE WARM STATUS"};
    }
    const auto reach = std::make_shared<Reach>(hub_);
    auto keys = make_scan(control_, reach, job.db, job.pattern);
    run_ = std::make_shared<Run>(RunParts{control_, hub_, reach}, std::move(job), std::move(keys),
                                 board_, nullptr);
    run_->start();
    return Unit{};
  }
  bool stop() {
    return run_ && run_->stop();
  }
  const Board& board() const {
    return *board_;
  }

 private:
  boost::asio::io_context& control_;
  proxy::Hub& hub_;
  const std::shared_ptr<Board> board_ = std::make_shared<Board>();
  std::shared_ptr<Run> run_;  // the last
};

Warmup::Warmup(boost::asio::io_context& control, proxy::Hub& hub)
    : impl_(std::make_unique<Impl>(control, hub)) {
}

Warmup::~Warmup() = default;

Status Warmup::start(Job job) {
  return impl_->start(std::move(job));
}

bool Warmup::stop() {
  return impl_->stop();
}

Progress Warmup::progress() const {
  return impl_->board().read(std::chrono::steady_clock::now());
}

}  // namespace tiercache::warmup
