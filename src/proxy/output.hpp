// Bytes that are to be written to a client. Answers are put together in one string; when that gets
// long, it becomes a piece of its own and a new one is begun, so nothing that is large is ever
// moved, and a large reply of L1 is a piece that shares the entry's bytes.
//
// Owned by a session, used on its thread. Idle it holds no memory but for one small string.
#pragma once

#include "tiercache/io/stream.hpp"
#include "tiercache/l1/entry.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/system/error_code.hpp>

namespace tiercache::proxy {

class Output {
 public:
  enum class Flush : std::uint8_t {
    done,
    blocked,  // the socket takes no more for now, or this was enough for one wake-up
    failed,
  };

  // Not written yet.
  std::size_t size() const noexcept {
    return sealed_ + tail_.size() - begin_;
  }
  bool empty() const noexcept {
    return size() == 0;
  }
  // For encoders; append only. Valid until the next call of anything else.
  std::string& tail() {
    if (tail_.size() >= kPiece) [[unlikely]] {
      seal();
    }
    return tail_;
  }
  void append(std::string_view bytes) {
    tail().append(bytes);
  }
  // Takes a large one as it is.
  void append(std::string&& bytes);
  // The frame of a reply in L1; a large one is not copied, and stays in memory until it is written.
  void append(l1::Pin pin);

  // Writes at most about kMostAtOnce; adds what it wrote to `written`.
  Flush flush(io::Stream& stream, std::size_t& written, boost::system::error_code& error);
  void clear() noexcept;
  // Allocated, beside what L1 shares.
  std::size_t capacity() const noexcept;

  // From this size on a reply is shared instead of copied: a copy of less costs no more than the
  // atomic count and the piece.
  static constexpr std::size_t kShared = std::size_t{16} << 10;
  // One client's relay must not keep the others of its thread waiting: this takes some 50 us.
  static constexpr std::size_t kMostAtOnce = std::size_t{256} << 10;

 private:
  struct Piece {
    std::string bytes;
    l1::Pin pin;

    std::string_view view() const noexcept {
      return pin ? pin.reply().body() : std::string_view(bytes);
    }
  };
  static constexpr std::size_t kPiece = std::size_t{64} << 10;

  void seal();
  void add(Piece piece);
  void wrote(std::size_t size) noexcept;
  void rest() noexcept;

  std::vector<Piece> pieces_;  // from first_ on, before tail_
  std::size_t first_ = 0;
  std::size_t begin_ = 0;   // written of the first piece, or of tail_ if there is none
  std::size_t sealed_ = 0;  // bytes in pieces_
  std::string tail_;
};

}  // namespace tiercache::proxy
