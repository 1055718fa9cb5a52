// What a session knows of CLIENT TRACKING ... REDIRECT (redirect.cpp): the invalidations of this
// client go to another one, or another one's come here. One thread, the session's.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace tiercache::proxy {

struct TrackingRedirect {
  using OnUpstreamId = std::function<void(std::uint64_t)>;

  // Where this client's go: the client's id, and its connection's id in Redis. 0: nowhere.
  std::uint64_t client = 0;
  std::uint64_t upstream = 0;
  void send_to(std::uint64_t other) noexcept {
    client = other;
    upstream = 0;
  }
  bool asked = false;      // of the request that is dispatched again: `upstream` is known
  bool broadcast = false;  // BCAST

  // Others' come here: who still waits to hear the id of the session's connection in Redis.
  bool target = false;
  bool id_asked = false;
  std::vector<OnUpstreamId> want_id;
};

}  // namespace tiercache::proxy
