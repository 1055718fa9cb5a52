// Lets go of the copies of single keys, L1's and, where a source is behind, Redis's: for CACHE
// INVALIDATE KEY, for what SCAN has found, and for requests that wait for a key of a pending
// invalidation. How is said in invalidator.hpp.
//
// Control thread. Owned by the Invalidator; what is under way when it goes is dropped.
#pragma once

#include "selector.hpp"

#include "tiercache/invalidation/invalidator.hpp"
#include "tiercache/l2/reply.hpp"
#include "tiercache/proxy/invalidations.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace tiercache::invalidation {

struct Keys {
  std::uint32_t db = 0;
  std::vector<std::string> keys;
  How how = How::remove;
  // Of the pending invalidation that is being carried out, 0: none. What is clean of it is left
  // alone.
  proxy::Invalidations::Number number = 0;
};

class LettingGo : public std::enable_shared_from_this<LettingGo> {
 public:
  using Done = Invalidator::Done;

  LettingGo(boost::asio::io_context& control, proxy::Hub& hub, const Selector& selector)
      : control_(control), hub_(hub), selector_(selector) {
  }

  void begin(Keys keys, Done done);
  // proxy::Invalidations::LetGo.
  void touch(std::uint32_t db, std::string key, How how);

 private:
  // Some keys, and what came of them.
  struct Batch {
    std::uint32_t db = 0;
    How how = How::remove;
    proxy::Invalidations::Number number = 0;
    std::vector<std::string> keys;  // of namespaces with a source
    std::size_t next = 0;
    std::size_t unanswered = 0;
    Result<std::int64_t> removed = std::int64_t{0};
    Done done;
  };
  using BatchPtr = std::shared_ptr<Batch>;
  struct Touched {
    std::uint32_t db = 0;
    std::string key;
    How how = How::remove;
  };

  std::int64_t drop_from_l1(std::uint32_t db, std::string_view key);
  void go_on(const BatchPtr& batch);
  void claim(const BatchPtr& batch, const std::string& key);
  void let_go(const BatchPtr& batch, std::string key);
  void on_gone(const BatchPtr& batch, const std::string& key, const Result<l2::Reply>& reply);
  void go_on_touching();

  boost::asio::io_context& control_;
  proxy::Hub& hub_;
  const Selector& selector_;
  std::deque<Touched> touched_;  // requests wait for these
  std::size_t touching_ = 0;
};

}  // namespace tiercache::invalidation
