// An event loop that a test drives by hand, and a consumer that writes down what it is told.
// Owner: the test; one thread.
#pragma once

#include "tiercache/l2/link.hpp"
#include "tiercache/resp/encoder.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

namespace tiercache::testing {

inline std::string request(std::initializer_list<std::string_view> args) {
  std::string out;
  resp::append_request(out, args);
  return out;
}

class Loop {
 public:
  boost::asio::io_context& io() {
    return io_;
  }
  // Runs handlers until `done` or the deadline; says whether it is done.
  bool until(const std::function<bool()>& done,
             std::chrono::milliseconds limit = std::chrono::seconds(60)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) {
        return false;
      }
      io_.run_one_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  // Runs what is ready now.
  void drain() {
    while (io_.poll() > 0) {
    }
  }

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_ =
      boost::asio::make_work_guard(io_);
};

class Recorder : public l2::Consumer {
 public:
  struct Reply {
    std::uint64_t tag = 0;
    std::string bytes;
  };

  void on_reply(std::uint64_t tag, std::string_view piece, bool last) override {
    if (!open_) {
      replies.push_back({tag, {}});
    }
    misplaced += replies.back().tag == tag ? 0U : 1U;
    open_ = !last;
    bytes += piece.size();
    largest_piece = std::max(largest_piece, piece.size());
    if (keep) {
      replies.back().bytes.append(piece);
    }
    finished += last ? 1U : 0U;
  }
  void on_lost(std::uint64_t tag, std::string_view why) override {
    lost[tag]++;
    reason = why;
  }
  void on_frame(std::string_view piece, bool last, bool push) override {
    frame_.append(piece);
    if (last) {
      (push ? pushes : frames).push_back(frame_);
      frame_.clear();
    }
  }
  void on_closed(std::string_view why) override {
    closed++;
    reason = why;
  }
  void on_room() override {
    rooms++;
  }

  bool keep = true;  // the bytes of the replies
  std::vector<Reply> replies;
  std::size_t finished = 0;
  std::size_t bytes = 0;
  std::size_t largest_piece = 0;
  unsigned misplaced = 0;  // a piece of one reply inside another
  std::map<std::uint64_t, unsigned> lost;
  std::string reason;
  std::vector<std::string> frames;
  std::vector<std::string> pushes;
  unsigned closed = 0;
  unsigned rooms = 0;

 private:
  bool open_ = false;
  std::string frame_;
};
using RecorderPtr = boost::intrusive_ptr<Recorder>;

}  // namespace tiercache::testing
