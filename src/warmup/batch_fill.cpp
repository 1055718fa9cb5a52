#include "batch_fill.hpp"

#include "get_variant.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/proxy/loads.hpp"
#include "tiercache/resp/encoder.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>
#include <span>
#include <utility>

namespace tiercache::warmup {

namespace {

constexpr std::uint64_t kPttl = 1;

Time now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

BatchFill::BatchFill(proxy::Worker& worker, proxy::Lane& lane, Batch batch,
                     std::shared_ptr<const std::atomic<bool>> stop,
                     std::function<void(const BatchResult&)> report)
    : worker_(worker),
      lane_(lane),
      batch_(std::move(batch)),
      stop_(std::move(stop)),
      report_(std::move(report)),
      timer_(worker.io()),
      reads_(batch_.keys.size()),
      order_(batch_.keys.size()) {
  std::iota(order_.begin(), order_.end(), 0);
}

bool BatchFill::stopped() const noexcept {
  return stop_->load(std::memory_order_relaxed) || worker_.draining();
}

void BatchFill::go_on() {
  const l2::ConsumerPtr self(this);
  if (stopped()) {
    next_ = order_.size();
    absent_.clear();
  }
  while (next_ < order_.size() && in_flight_ < kWindow && !waiting_) {
    if (!link_ || link_->state() == l2::Link::State::dead) {
      link_ = lane_.links.shared({batch_.db, resp::Version::resp2});
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
    switch (look(order_[next_])) {
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
  const std::string_view key = batch_.keys[index];
  const namespaces::Index space = worker_.spaces().find(key);
  if (!worker_.hub().keeps(key) || !worker_.spaces().keeps(space, get_variant().front().command)) {
    return Look::refused;
  }
  coherence::ReadAsk ask;
  ask.key = {cache.hash(batch_.db, key), batch_.db, key};
  ask.answers = get_variant();
  // A look counts as a use of the entry, which is what somebody who warms it up wants.
  const auto outcome = cache.probe(ask, now(), [](const l1::Entry&) {});
  if (outcome.kind != coherence::ReadOutcome::Kind::none) {
    return Look::present;
  }
  Read& read = reads_[index];
  read.hash = ask.key.hash;
  read.space = space;
  read.asked = now();
  coherence::Place place = link_->next_place();
  place.seq++;  // PTTL goes before it
  read.flight = cache.begin_fill(ask.key, get_variant().front(), place, read.asked);
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
    result_.failed += order_.size() - next_;
    next_ = order_.size();
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
  const auto index = static_cast<std::size_t>(tag >> 1);
  Read& read = reads_[index];
  if ((tag & kPttl) != 0) {
    read.gather.add_pttl(piece);
    return;
  }
  read.gather.add_get(piece, worker_.spaces().max_value(read.space));
  if (last) {
    end_read(index);
  }
}

// As a client's read, also of what has been created past the proxy and is gone again.
bool BatchFill::to_be_loaded(const Read& read, const std::string& key) const {
  proxy::Loads* loads = worker_.hub().loads.get();
  return batch_.load && !again_ && read.gather.missing() && loads != nullptr &&
         worker_.spaces().loads(read.space) &&
         !loads->is_absent({&lane_, batch_.db, key, read.hash, read.space, read.asked}, now());
}

void BatchFill::end_read(std::size_t index) {
  Read& read = reads_[index];
  const bool loads = to_be_loaded(read, batch_.keys[index]);
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
  coherence::Waiters nobody;  // begin_fill: such a flight is never joined
  const bool filled = lane_.cache.reply(read.hash, read.flight, fill, at, nobody);
  const bool other_type = read.gather.other_type();
  worker_.count(filled ? stats::Counter::l1_fills : stats::Counter::l1_fills_refused);
  worker_.spaces().count(read.space,
                         filled ? proxy::SpaceCounter::fills : proxy::SpaceCounter::refused);
  read.gather = {};
  in_flight_--;
  if (loads) {
    absent_.push_back(index);
    load();
  } else {
    (filled ? result_.filled : other_type ? result_.other_type : result_.refused)++;
  }
  go_on();
}

// Two batches a worker are under way; together they leave clients seven eighths.
std::size_t BatchFill::most_loads(namespaces::Index space) const {
  const std::size_t share = worker_.hub().loads->queue(space) / (16 * worker_.hub().workers.size());
  return std::clamp<std::size_t>(share, 1, kLoads);
}

void BatchFill::load() {
  proxy::Loads& loads = *worker_.hub().loads;
  while (!absent_.empty() && loading_ < most_loads(reads_[absent_.front()].space)) {
    const std::size_t index = absent_.front();
    absent_.pop_front();
    loading_++;
    const Read& read = reads_[index];
    proxy::Loads::Wanted wanted{&lane_,    batch_.db,  batch_.keys[index],
                                read.hash, read.space, read.asked};
    wanted.till_stored = true;
    // Counted on this thread only: what is handed around is a pointer to a pointer.
    auto self = std::make_shared<const boost::intrusive_ptr<BatchFill>>(this);
    loads.want(worker_, std::move(wanted), 1,
               [&worker = worker_, self = std::move(self),
                index](const proxy::LoadAnswer& answer) mutable {
                 worker.post([self = std::move(self), index, answer] {
                   (*self)->on_loaded(index, answer);
                 });
               });
  }
}

void BatchFill::on_loaded(std::size_t index, const proxy::LoadAnswer& answer) {
  const l2::ConsumerPtr self(this);
  loading_--;
  if (answer.failed) {
    result_.failed++;
  } else if (answer.kind == l3::Loaded::Kind::value) {
    result_.loaded++;
    if (worker_.hub().loads->result(reads_[index].space) == config::LoadResult::hash) {
      result_.other_type++;
    } else {
      loaded_.push_back(index);
    }
  } else {
    result_.refused++;
  }
  if (stopped()) {
    absent_.clear();
  }
  load();
  finish_if_done();
}

void BatchFill::read_loaded() {
  again_ = true;
  order_ = std::exchange(loaded_, {});
  next_ = 0;
  const coherence::View view = lane_.cache.status().view();
  if (view.state != coherence::LinkState::live || view.proof != coherence::Proof::stream) {
    go_on();
    return;
  }
  waiting_ = true;
  lane_.fences.wait(view.next_ping(), [self = boost::intrusive_ptr<BatchFill>(this)] {
    self->waiting_ = false;
    self->go_on();
  });
}

void BatchFill::on_lost(std::uint64_t tag, std::string_view /*why*/) {
  if ((tag & kPttl) != 0) {
    return;  // the GET behind it is lost too
  }
  Read& read = reads_[static_cast<std::size_t>(tag >> 1)];
  coherence::Waiters nobody;
  lane_.cache.flight_lost(read.hash, read.flight, nobody);
  worker_.count(stats::Counter::l2_errors);
  result_.failed++;
  in_flight_--;
  go_on();
}

void BatchFill::finish_if_done() {
  if (next_ < order_.size() || in_flight_ > 0 || loading_ > 0 || !absent_.empty()) {
    return;
  }
  if (!loaded_.empty() && !stopped()) {
    read_loaded();
  } else if (report_) {
    std::exchange(report_, nullptr)(result_);
  }
}

}  // namespace tiercache::warmup
