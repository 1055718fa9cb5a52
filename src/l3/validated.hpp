// Answers of HTTP that can be asked for conditionally: by their target, the least recently used go
// first. Pure; not thread-safe. Each operation is O(1).
#pragma once

#include <cstddef>
#include <iterator>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace tiercache::l3 {

struct Validated {
  std::string etag;           // as the server wrote it; empty: none
  std::string last_modified;  // likewise
  std::shared_ptr<const std::string> body;
};

class ValidatedAnswers {
 public:
  explicit ValidatedAnswers(std::size_t max_bytes) noexcept : max_bytes_(max_bytes) {
  }

  // A use.
  std::optional<Validated> find(std::string_view target) {
    const auto found = by_target_.find(target);
    if (found == by_target_.end()) {
      return std::nullopt;
    }
    order_.splice(order_.end(), order_, found->second);
    return found->second->answer;
  }
  // In place of what is there. What is larger than all the room is not kept.
  void put(std::string target, Validated answer) {
    erase(target);
    const std::size_t bytes = kOverhead + target.size() + answer.etag.size() +
                              answer.last_modified.size() + answer.body->size();
    if (bytes > max_bytes_) {
      return;
    }
    while (bytes_ + bytes > max_bytes_) {
      drop(order_.begin());
    }
    bytes_ += bytes;
    order_.push_back({std::move(target), std::move(answer), bytes});
    by_target_.emplace(order_.back().target, std::prev(order_.end()));
  }
  void erase(std::string_view target) {
    if (const auto found = by_target_.find(target); found != by_target_.end()) {
      drop(found->second);
    }
  }
  std::size_t bytes() const noexcept {
    return bytes_;
  }

  // Counted for each beside its texts: about what its nodes take.
  static constexpr std::size_t kOverhead = 256;

 private:
  struct One {
    std::string target;
    Validated answer;
    std::size_t bytes;
  };
  using Order = std::list<One>;

  void drop(Order::iterator one) {
    bytes_ -= one->bytes;
    by_target_.erase(one->target);
    order_.erase(one);
  }

  const std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  Order order_;                                                      // the next to go first
  std::unordered_map<std::string_view, Order::iterator> by_target_;  // of the targets in order_
};

}  // namespace tiercache::l3
