// The requests of a link that wait for their replies, oldest first. A ring that doubles when full
// and never shrinks, so a request costs no allocation once the link is warm. One thread.
#pragma once

#include "tiercache/base/check.hpp"
#include "tiercache/l2/link.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace tiercache::l2 {

struct PendingRequest {
  ConsumerPtr consumer;
  std::uint64_t tag = 0;
};

class PendingRing {
 public:
  std::size_t size() const noexcept {
    return size_;
  }
  bool empty() const noexcept {
    return size_ == 0;
  }
  void push(Consumer& consumer, std::uint64_t tag) {
    if (size_ == slots_.size()) {
      grow();
    }
    slots_[(head_ + size_) & (slots_.size() - 1)] = {ConsumerPtr(&consumer), tag};
    size_++;
  }
  PendingRequest& front() {
    TC_CHECK(size_ > 0);
    return slots_[head_];
  }
  PendingRequest pop() {
    TC_CHECK(size_ > 0);
    PendingRequest request = std::move(slots_[head_]);
    head_ = (head_ + 1) & (slots_.size() - 1);
    size_--;
    return request;
  }

 private:
  void grow() {
    std::vector<PendingRequest> wider(slots_.empty() ? 64 : slots_.size() * 2);
    for (std::size_t i = 0; i < size_; i++) {
      wider[i] = std::move(slots_[(head_ + i) & (slots_.size() - 1)]);
    }
    slots_.swap(wider);
    head_ = 0;
  }

  std::vector<PendingRequest> slots_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace tiercache::l2
