#include "batch_fill.hpp"

#include "get_variant.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/resp/encoder.hpp"

#include <array>
#include <chrono>
#include <span>
#include <utility>

namespace tiercache::warmup {

namespace {

constexpr std::uint64_t kPttl = 1;

Time now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

BatchFill::BatchFill(proxy::Worker& worker, proxy::Lane& lane, std::uint32_t db,
                     std::vector<std::string> keys, std::shared_ptr<const std::atomic<bool>> stop,
                     std::function<void(const BatchResult&)> report)
    : worker_(worker),
      lane_(lane),
      db_(db),
      keys_(std::move(keys)),
      stop_(std::move(stop)),
      report_(std::move(report)),
      timer_(worker.io()),
      reads_(keys_.size()) {
}

void BatchFill::go_on() {
  const l2::ConsumerPtr self(this);
  while (next_ < keys_.size() && in_flight_ < kWindow && !waiting_) {
    if (stop_->load(std::memory_order_relaxed) || worker_.draining()) {
      next_ = keys_.size();
      break;
    }
    if (!link_ || link_->state() == l2::Link::State::dead) {
      link_ = lane_.links.shared({db_, resp::Version::resp2});
    }
    if (!link_) {
      retry();
      break;
    }
    if (link_->saturated()) {
      waiting_ = true;
      link_->wait_room(*this);
      break;
    }
    switch (look(next_)) {
      case Look::present:
        result_.present++;
        break;
      case Look::refused:
        result_.refused++;
        break;
      case Look::sent:
        in_flight_++;
        break;
    }
    next_++;
  }
  finish_if_done();
}

BatchFill::Look BatchFill::look(std::size_t index) {
  coherence::Cache& cache = lane_.cache;
  const std::string_view key = keys_[index];
  const namespaces::Index space = worker_.spaces().find(key);
  if (!worker_.hub().keeps(key) || !worker_.spaces().keeps(space, get_variant().front().command)) {
    return Look::refused;
  }
  coherence::ReadAsk ask;
  ask.key = {cache.hash(db_, key), db_, key};
  ask.answers = get_variant();
  // A look counts as a use of the entry, which is what somebody who warms it up wants.
  const auto outcome = cache.probe(ask, now(), [](const l1::Entry&) {});
  if (outcome.kind != coherence::ReadOutcome::Kind::none) {
    return Look::present;
  }
  Read& read = reads_[index];
  read.hash = ask.key.hash;
  read.space = space;
  coherence::Place place = link_->next_place();
  place.seq++;  // PTTL goes before it
  read.flight = cache.begin_fill(ask.key, get_variant().front(), place, now());
  worker_.count(stats::Counter::l2_requests);
  request_.clear();
  resp::append_request(request_, {"PTTL", key});
  link_->send(request_, *this, std::uint64_t{index} << 1 | kPttl);
  request_.clear();
  resp::append_request(request_, {"GET", key});
  link_->send(request_, *this, std::uint64_t{index} << 1);
  return Look::sent;
}

void BatchFill::retry() {
  if (++retries_ > kMaxRetries) {
    result_.failed += keys_.size() - next_;
    next_ = keys_.size();
    return;
  }
  waiting_ = true;
  timer_.expires_after(kRetry);
  timer_.async_wait(
      [self = boost::intrusive_ptr<BatchFill>(this)](const boost::system::error_code& error) {
        self->waiting_ = false;
        if (!error) {
          self->go_on();
        }
      });
}

void BatchFill::on_room() {
  waiting_ = false;
  go_on();
}

void BatchFill::on_reply(std::uint64_t tag, std::string_view piece, bool last) {
  Read& read = reads_[static_cast<std::size_t>(tag >> 1)];
  if ((tag & kPttl) != 0) {
    read.gather.add_pttl(piece);
    return;
  }
  read.gather.add_get(piece, worker_.spaces().max_value(read.space));
  if (last) {
    end_read(read);
  }
}

void BatchFill::end_read(Read& read) {
  coherence::Fill fill;
  // A replica of a Cluster may lack a key that is on its way to another node.
  const bool moving = worker_.clustered() && lane_.master != nullptr && read.gather.missing();
  fill.cacheable = read.gather.usable() && !moving;
  if (fill.cacheable) {
    fill.reply = read.gather.reply();
    fill.missing = read.gather.missing();
    fill.pttl_ms = read.gather.pttl_ms();
    lane_.set_source(fill, link_->next_place().source);
  }
  const Time at = now();
  worker_.spaces().limit(fill, read.space, read.hash, at, lane_.cache.status().view().proof);
  std::vector<coherence::Waiter> nobody;  // begin_fill: such a flight is never joined
  const bool filled = lane_.cache.reply(read.hash, read.flight, fill, at, nobody);
  worker_.count(filled ? stats::Counter::l1_fills : stats::Counter::l1_fills_refused);
  worker_.spaces().count(read.space,
                         filled ? proxy::SpaceCounter::fills : proxy::SpaceCounter::refused);
  (filled ? result_.filled : result_.refused)++;
  read.gather = {};
  in_flight_--;
  go_on();
}

void BatchFill::on_lost(std::uint64_t tag, std::string_view /*why*/) {
  if ((tag & kPttl) != 0) {
    return;  // the GET behind it is lost too
  }
  Read& read = reads_[static_cast<std::size_t>(tag >> 1)];
  std::vector<coherence::Waiter> nobody;
  lane_.cache.flight_lost(read.hash, read.flight, nobody);
  worker_.count(stats::Counter::l2_errors);
  result_.failed++;
  in_flight_--;
  go_on();
}

void BatchFill::finish_if_done() {
  if (next_ == keys_.size() && in_flight_ == 0 && report_) {
    std::exchange(report_, nullptr)(result_);
  }
}

}  // namespace tiercache::warmup
