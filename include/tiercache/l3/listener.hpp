// Hears what PostgreSQL says on a channel (LISTEN, NOTIFY): which of a source's keys has changed.
//
// A connection of its own and a thread for it. A connection that is lost is made anew, with pauses
// from 100 ms to 5 s; that it lives is asked for every kHeartbeat in which nothing came.
//
// The handlers are called on that thread, in the order in which PostgreSQL says it; what is
// committed while nobody listens is not told, so on_listening() says when listening begins, the
// first time and after each loss. PostgreSQL forgets equal notifications of one transaction.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace tiercache::l3 {

struct ListenerConfig {
  std::string name;  // of the source, for the log
  std::string dsn;
  std::string channel;
};

struct ListenerHandlers {
  std::function<void()> on_listening;
  std::function<void(std::string payload)> on_notice;
  std::function<void(std::string why)> on_lost;  // or not reached
};

class Listener {
 public:
  static constexpr std::chrono::seconds kHeartbeat{5};
  static constexpr std::chrono::seconds kTimeout{5};  // of whatever it asks

  Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  // Waits for the thread, for a moment. No handler is called any more then.
  virtual ~Listener() = default;
};

std::unique_ptr<Listener> make_listener(ListenerConfig config, ListenerHandlers handlers);

}  // namespace tiercache::l3
