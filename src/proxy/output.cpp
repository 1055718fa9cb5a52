#include "output.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/container/static_vector.hpp>

namespace tiercache::proxy {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMostBuffers = 16;
// What an empty one keeps.
constexpr std::size_t kKept = std::size_t{64} << 10;

}  // namespace

void Output::add(Piece piece) {
  constexpr std::size_t kManyWritten = 64;
  if (first_ >= kManyWritten && first_ > pieces_.size() / 2) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  sealed_ += piece.view().size();
  pieces_.push_back(std::move(piece));
}

void Output::seal() {
  if (!tail_.empty()) {
    add({std::exchange(tail_, {}), {}});
  }
}

void Output::append(std::string&& bytes) {
  if (bytes.size() < kPiece) {
    append(std::string_view(bytes));
    return;
  }
  seal();
  add({std::move(bytes), {}});
}

void Output::append(l1::Pin pin) {
  const l1::Reply reply = pin.reply();
  if (reply.body().size() < kShared) {
    reply.append_to(tail());
    return;
  }
  reply.append_head_to(tail());
  seal();
  add({{}, std::move(pin)});
  append(reply.foot());
}

Output::Flush Output::flush(io::Stream& stream, std::size_t& written,
                            boost::system::error_code& error) {
  std::size_t left = kMostAtOnce;
  while (!empty()) {
    std::size_t asked = 0;
    std::size_t sent = 0;
    if (first_ == pieces_.size()) {
      asked = std::min(left, tail_.size() - begin_);
      sent = stream.send(std::string_view(tail_).substr(begin_, asked), error);
    } else {
      boost::container::static_vector<iovec, kMostBuffers> buffers;
      std::size_t skip = begin_;
      const auto add_buffer = [&](std::string_view bytes) {
        bytes.remove_prefix(std::exchange(skip, 0));
        bytes = bytes.substr(0, left - asked);
        asked += bytes.size();
        buffers.push_back({const_cast<char*>(bytes.data()), bytes.size()});
      };
      for (std::size_t i = first_; i < pieces_.size() && buffers.size() + 1 < kMostBuffers; i++) {
        add_buffer(pieces_[i].view());
      }
      if (pieces_.size() - first_ + 1 < kMostBuffers) {
        add_buffer(tail_);
      }
      sent = stream.send(std::span(buffers.data(), buffers.size()), error);
    }
    wrote(sent);
    written += sent;
    left -= sent;
    if (error == asio::error::would_block || error == asio::error::try_again) {
      error = {};
      return Flush::blocked;
    }
    if (error) {
      return Flush::failed;
    }
    if (sent < asked || (left == 0 && !empty())) {
      return Flush::blocked;
    }
  }
  rest();
  return Flush::done;
}

void Output::wrote(std::size_t size) noexcept {
  begin_ += size;
  while (first_ < pieces_.size()) {
    Piece& piece = pieces_[first_];
    const std::size_t whole = piece.view().size();
    if (begin_ < whole) {
      return;
    }
    begin_ -= whole;
    sealed_ -= whole;
    piece = {};
    first_++;
  }
  pieces_.clear();
  first_ = 0;
}

void Output::rest() noexcept {
  tail_.clear();
  begin_ = 0;
  if (tail_.capacity() > kKept) {
    std::string().swap(tail_);
  }
  if (pieces_.capacity() > 0) {
    std::vector<Piece>().swap(pieces_);
  }
}

void Output::clear() noexcept {
  pieces_.clear();
  first_ = sealed_ = 0;
  rest();
}

std::size_t Output::capacity() const noexcept {
  std::size_t size = tail_.capacity();
  for (std::size_t i = first_; i < pieces_.size(); i++) {
    size += pieces_[i].bytes.capacity();
  }
  return size;
}

}  // namespace tiercache::proxy
