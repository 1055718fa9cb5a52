// Where upstream.read_from is "replica": one node's reader, which is where its event link and the
// links that fill its L1 go.
//
// Control thread. It outlives the workers; the event link may go before it once it has stopped.
#pragma once

#include "tiercache/coherence/catch_up.hpp"
#include "tiercache/config/config.hpp"
#include "tiercache/l2/links.hpp"
#include "tiercache/l2/replica_watch.hpp"
#include "tiercache/l2/upstream.hpp"
#include "tiercache/proxy/worker.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

namespace tiercache::server {

struct ReaderParts {
  boost::asio::io_context& control;
  proxy::Hub& hub;
  const config::Config& config;
  const std::string& password;
  l2::UpstreamPtr master;
  std::function<std::uint64_t()> random;
};

class Reader {
 public:
  // Null where reads go to the master.
  static std::unique_ptr<Reader> make(const ReaderParts& parts);
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader();

  const l2::UpstreamPtr& upstream() const noexcept {
    return upstream_;
  }
  const coherence::CatchUp& catch_up() const noexcept {
    return catch_up_;
  }
  // Once the node's event link is made, which connects to upstream(). For proxy::Node.
  const proxy::Node::Reader* watch(coherence::LinkStatus& status, l2::Fences& fences,
                                   l2::Events& events);
  // Once the workers have the node.
  void add_lanes(topology::NodeIndex index);
  void start() {
    watch_->start();
  }
  void stop() {
    watch_->stop();
  }

 private:
  explicit Reader(const ReaderParts& parts);

  boost::asio::io_context& control_;
  proxy::Hub& hub_;
  const std::function<std::uint64_t()> random_;
  const l2::UpstreamPtr upstream_;
  const l2::LinksConfig links_;
  const l2::ReplicaWatchConfig config_;
  coherence::CatchUp catch_up_;
  std::unique_ptr<l2::ReplicaWatch> watch_;
  std::optional<proxy::Node::Reader> node_;
};

}  // namespace tiercache::server
