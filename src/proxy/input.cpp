#include "input.hpp"

#include <algorithm>

namespace tiercache::proxy {

Input::Room Input::prepare(std::size_t wanted) {
  constexpr unsigned kManySmall = 64;
  const std::size_t used = end_ - begin_;
  if (used == 0) {
    begin_ = end_ = 0;
  }
  if (used == 0 && small_reads_ >= kManySmall && chunk_ > kFirst) {
    chunk_ /= 2;
    small_reads_ = 0;
    clear();
  }
  const std::size_t room = std::max(chunk_, wanted);
  if (used == 0 && capacity_ > 2 * kLargest && room <= kLargest) {
    clear();  // a large request has been here
  }
  if (capacity_ - end_ < room) {
    if (capacity_ - used >= room && begin_ >= used) {
      std::memcpy(data_.get(), data_.get() + begin_, used);
    } else {
      // Doubling: a large request is copied a constant number of times.
      const std::size_t capacity = std::max(used + room, used * 2);
      std::unique_ptr<char[]> data(new char[capacity]);
      if (used > 0) {
        std::memcpy(data.get(), data_.get() + begin_, used);
      }
      data_ = std::move(data);
      capacity_ = capacity;
    }
    begin_ = 0;
    end_ = used;
  }
  return {data_.get() + end_, capacity_ - end_};
}

void Input::commit(std::size_t size) {
  if (size == capacity_ - end_ && chunk_ < kLargest) {
    chunk_ *= 2;
    small_reads_ = 0;
  } else if (size < chunk_ / 4) {
    small_reads_++;
  } else {
    small_reads_ = 0;
  }
  end_ += size;
}

}  // namespace tiercache::proxy
