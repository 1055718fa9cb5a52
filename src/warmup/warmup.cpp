#include "tiercache/warmup/warmup.hpp"

#include "run.hpp"

#include <chrono>
#include <memory>
#include <utility>

namespace tiercache::warmup {

class Warmup::Impl {
 public:
  explicit Impl(RunParts parts) : parts_(parts) {
  }

  Status start(Job job) {
    if (run_ && run_->running()) {
      return Error{ErrorCode::refused, "a warmup is running already; see CACHE WARM STATUS"};
    }
    auto keys = make_scan(parts_.events, job.db, job.pattern);
    run_ = std::make_shared<Run>(parts_, std::move(job), std::move(keys), board_, nullptr);
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
  const RunParts parts_;
  const std::shared_ptr<Board> board_ = std::make_shared<Board>();
  std::shared_ptr<Run> run_;  // the last
};

Warmup::Warmup(boost::asio::io_context& control, proxy::Hub& hub, coherence::Cache& cache,
               l2::Events& events)
    : impl_(std::make_unique<Impl>(RunParts{control, hub, cache, events})) {
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
