// Why a session does not go on with its requests: the one that found it out stays unread, and is
// dispatched again.
#pragma once

#include <cstdint>

namespace tiercache::proxy {

enum class Stall : std::uint8_t {
  none,
  fence,    // until a PING is acknowledged
  foreign,  // until a flight of another link has answered
  drain,    // until every earlier request is answered
  unowed,   // until the link it has owes nothing: that one is dead, or another is to be used
  room,     // until the link has room
  paused,   // CLIENT PAUSE
  asked,    // until another thread has answered
};

}  // namespace tiercache::proxy
