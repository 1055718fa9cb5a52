// Where the data is: the one server to which all links and the event link connect, and how they
// move together when it becomes another. One for the process; it outlives the links.
//
// A move: at once no link may be made any more; then each pool, on its own thread, ends the links
// it has; when the last has done so the new address is valid. So no thread speaks to the new server
// while another still reads from the old one, and a session never sees the past after the present.
//
// Thread: the control thread moves it; what is marked so, any thread. A look takes a mutex, at
// each connection made and never for a request.
#pragma once

#include "tiercache/base/mutex.hpp"
#include "tiercache/config/endpoint.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tiercache::l2 {

class Upstream {
 public:
  // What is there.
  enum class Expect : std::uint8_t {
    any,     // whatever answers, master or replica: the operator has named it
    master,  // it must be one: a connection to anything else is refused
    reader,  // either, of a Cluster: reads go there, and a replica is told so (READONLY)
  };

  // A pool of links.
  class User {
   public:
    // End all links, then call let_go(term). On the control thread, under a mutex: only to post to
    // the user's own thread.
    virtual void on_move(std::uint64_t term) = 0;

   protected:
    ~User() = default;
  };

  // Always there.
  explicit Upstream(const config::Endpoint& endpoint);
  // Nowhere yet; `name` stands for it in messages.
  Upstream(Expect expect, std::string name);
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  Expect expect() const noexcept {
    return expect_;
  }
  // Any thread; none: nobody knows a server to connect to, or a move is under way.
  std::optional<config::Endpoint> endpoint() const;
  // Any thread: for people, with the name if it has one.
  std::string where() const;

  // To another place, or nowhere. `moved` is called once the last pool has let go, on the thread
  // of that pool; not if another move comes first.
  void move_to(std::optional<config::Endpoint> endpoint, std::function<void()> moved);

  // Any thread: something that was seen does not befit this server. Calls on_suspect, which must
  // only post, unless it has been called already since the last take_suspicion().
  void suspect();
  void take_suspicion() noexcept {
    suspected_.store(false);
  }
  // Before any link is made.
  std::function<void()> on_suspect;

  // Any thread. A user is not called any more once remove has returned, and counts as gone.
  void add(User& user);
  void remove(User& user);
  void let_go(User& user, std::uint64_t term);

  // Any thread: counts one more connection of the data path, unless there are `most` already. Who
  // has entered leaves once.
  bool enter(std::int64_t most) noexcept;
  void leave() noexcept {
    links.fetch_sub(1, std::memory_order_relaxed);
  }

  // Connections of the data path, those that connect included.
  std::atomic<std::int64_t> links{0};
  // How often a client needed one more than there may be.
  std::atomic<std::int64_t> refused{0};
  // Links that were ended because a reply was overdue.
  std::atomic<std::int64_t> timeouts{0};

 private:
  std::function<void()> arrived() TC_REQUIRES(mutex_);

  const Expect expect_;
  const std::string name_;
  std::atomic<bool> suspected_{false};
  mutable Mutex mutex_;
  std::optional<config::Endpoint> endpoint_ TC_GUARDED_BY(mutex_);
  std::optional<config::Endpoint> next_ TC_GUARDED_BY(mutex_);
  std::function<void()> moved_ TC_GUARDED_BY(mutex_);
  std::uint64_t term_ TC_GUARDED_BY(mutex_) = 0;
  std::vector<User*> users_ TC_GUARDED_BY(mutex_);
  std::vector<User*> waiting_ TC_GUARDED_BY(mutex_);  // have not let go yet
};

using UpstreamPtr = std::shared_ptr<Upstream>;

// A server that stays where it is.
UpstreamPtr upstream_at(const config::Endpoint& endpoint);

}  // namespace tiercache::l2
