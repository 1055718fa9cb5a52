// The keys of one run of a warmup, as the control thread takes them: asked for, and answered when
// they have come, without waiting. Its kinds: SCAN of each node over its control connection, Keys
// read by a pool of threads that may block, and another tiercache that is asked for its hot keys.
#pragma once

#include "keys.hpp"
#include "reach.hpp"

#include "tiercache/l2/ask.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

namespace tiercache::warmup {

class KeyStream {
 public:
  using Answer = std::function<void(Result<KeyBatch>)>;

  KeyStream() = default;
  KeyStream(const KeyStream&) = delete;
  KeyStream& operator=(const KeyStream&) = delete;
  virtual ~KeyStream() = default;

  // One at a time, not after the last batch. `answer` is called later, once, on the control thread,
  // or never if the stream is gone. A scan may bring more than `about`. An error that is
  // `unavailable` may pass: the same can be asked again.
  virtual void next(std::size_t about, Answer answer) = 0;
};

// Strings only: L1 is warmed for GET. All nodes within reach at each step, one after the other; a
// key whose slot moves meanwhile may be missed.
std::unique_ptr<KeyStream> make_scan(boost::asio::io_context& control, std::shared_ptr<Reach> reach,
                                     std::uint32_t db, std::string pattern);
// Asked once, when the first keys are wanted.
std::unique_ptr<KeyStream> make_peer(boost::asio::io_context& control, l2::Asked asked);
// The pool runs no longer than `control` lives. When the stream goes `stop` becomes true.
std::unique_ptr<KeyStream> make_aside(boost::asio::thread_pool& pool,
                                      boost::asio::io_context& control, std::unique_ptr<Keys> keys,
                                      std::shared_ptr<std::atomic<bool>> stop);

}  // namespace tiercache::warmup
