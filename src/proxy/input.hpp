// Bytes from a client that are not used up yet. Grows with what really arrives and goes back to
// nothing when idle traffic is small.
//
// Owned by a session. Views into it are valid until prepare().
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace tiercache::proxy {

class Input {
 public:
  std::string_view view() const noexcept {
    return {data_.get() + begin_, end_ - begin_};
  }
  bool empty() const noexcept {
    return begin_ == end_;
  }
  // Room for the next read; at least `wanted` bytes of it if that is more than usual.
  struct Room {
    char* data;
    std::size_t size;
  };
  Room prepare(std::size_t wanted);
  // Of the room that was prepared last, whatever has been consumed since.
  void commit(std::size_t size);
  void consume(std::size_t size) noexcept {
    begin_ += size;
  }
  std::size_t room() const noexcept {
    return capacity_ - end_;
  }
  void clear() noexcept {
    data_.reset();
    capacity_ = begin_ = end_ = 0;
  }

 private:
  static constexpr std::size_t kFirst = 512;
  static constexpr std::size_t kLargest = std::size_t{64} * 1024;

  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t chunk_ = kFirst;  // what a read asks for
  unsigned small_reads_ = 0;
};

}  // namespace tiercache::proxy
