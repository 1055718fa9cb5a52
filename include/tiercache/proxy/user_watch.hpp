// Asks Redis what the users may do whose sessions the proxy serves, several times in each
// coherence.acl_ttl_ms, over the event link's control connection; and has the sessions of a deleted
// user closed, as Redis does. Where Redis does not let the proxy's user ask (ACL GETUSER), users
// are served by stamps alone and L1 answers less often.
//
// Used on the control thread, but for its on_login, which the hub calls on any. Cost: one command a
// user and interval: a third of acl_ttl for who may do everything, a second at least for others.
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/l2/events.hpp"
#include "tiercache/proxy/worker.hpp"

#include <memory>

#include <boost/asio/io_context.hpp>

namespace tiercache::proxy {

// What is known of Redis's default user where Redis knows no users at all.
enum class ProxyLogin : std::uint8_t { none, password };

class UserWatch {
 public:
  // Sets hub.on_login. The hub, the events and the io_context outlive it.
  UserWatch(boost::asio::io_context& io, Hub& hub, l2::Events& events, ProxyLogin login,
            Duration acl_ttl);
  UserWatch(const UserWatch&) = delete;
  UserWatch& operator=(const UserWatch&) = delete;
  // Nothing runs any more.
  ~UserWatch();

  void start();
  void set_acl_ttl(Duration acl_ttl);

 private:
  class Core;
  Hub& hub_;
  const std::shared_ptr<Core> core_;
};

}  // namespace tiercache::proxy
