// Who is told of invalidations besides L1 (section `handlers` of the configuration): a webhook with
// POST, a channel of Redis with PUBLISH, each from a queue of its own
// (src/invalidation/outbox.hpp).
//
// What is told holds in this proxy already: an invalidation is told when its copies are gone. From
// then on it is told at least once, in order, or counted as lost, which is told too; nobody waits
// for that.
//
// Thread: the control thread, but for wants() and lines(). Destroyed while its loop does not run;
// the events outlive it. Cost: a notice that nobody wants costs the look at wants().
#pragma once

#include "tiercache/config/config.hpp"
#include "tiercache/invalidation/invalidator.hpp"
#include "tiercache/invalidation/notice.hpp"
#include "tiercache/l2/events.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace tiercache::invalidation {

class Handlers {
 public:
  // `events`: whose control connection publishes.
  Handlers(boost::asio::io_context& control, l2::Events& events, const config::Handlers& config);
  ~Handlers();
  Handlers(const Handlers&) = delete;
  Handlers& operator=(const Handlers&) = delete;

  // Whether anybody is told of that kind. Any thread; of events the control thread.
  bool wants(Notice::Kind kind) const noexcept {
    return wanted_[static_cast<std::size_t>(kind)];
  }
  void tell(Notice notice);
  // What the event link hears, see l2::EventsListeners. Not told: what is no key of a user's.
  void changed(std::string_view key, std::optional<std::uint32_t> db);
  void all_changed();
  // What is heard from here on is not told, so that settled() comes to be true.
  void hear_no_more() noexcept {
    wanted_[static_cast<std::size_t>(Notice::Kind::event)] = false;
  }
  // `done`, which may be empty, with `notices` told before it is called, if there was no error.
  Invalidator::Done told(std::vector<Notice> notices, Invalidator::Done done);
  // Nothing waits, but for what a receiver does not take at the moment, and nothing is being
  // carried out that will be told. (What a source has told of and Redis has failed to let go of is
  // tried again after a pause, in which it is not seen here.)
  bool settled() const;
  // Of each receiver by name: "told=1,failed=0,lost=0,waiting=0". Any thread.
  std::vector<std::pair<std::string, std::string>> lines() const;

 private:
  class Receiver;
  class Webhook;
  class Channel;

  std::array<bool, 4> wanted_{};
  std::uint64_t last_id_;
  // Notices of invalidations that are being carried out, wherever these are.
  const std::shared_ptr<std::atomic<std::size_t>> promised_ =
      std::make_shared<std::atomic<std::size_t>>(0);
  std::vector<std::shared_ptr<Receiver>> receivers_;
};

// Whether changes of keys that Redis tells are to be told (`of` has "event").
bool tells_changes(const config::Handlers& config);
// If so, those that `listeners` will hear go to *handlers, which is there before the first comes.
void tell_changes(l2::EventsListeners& listeners, const std::unique_ptr<Handlers>& handlers,
                  const config::Handlers& config);

}  // namespace tiercache::invalidation
