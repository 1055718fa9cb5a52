// What sources themselves say has changed: PostgreSQL's notifications on source.listen invalidate,
// in all dbs that clients have used. A payload names a key; an empty one means every key of the
// namespaces that load from the source.
//
// Nothing that is heard is forgotten: what Redis does not do now is tried again every kRetry. What
// may have been missed, while nobody listened, is made up for by invalidating all that the source
// has loaded; at the start only if this proxy has loaded something already. Keys do not wait for
// that to end, nor does what concerns all of them where it is under way: it is begun anew.
//
// Limits of a feed: kSweeps namespaces at a time are invalidated, others queue, each once, and so
// do those that the invalidator refuses; keys go together, and kPending wait for those before them,
// beyond which everything is invalidated instead. Thread: the control thread, but for use_db() and
// lines(). Destroyed while its loop does not run, before the invalidator and the handlers, who are
// told.
#pragma once

#include "tiercache/config/config.hpp"
#include "tiercache/invalidation/handlers.hpp"
#include "tiercache/invalidation/invalidator.hpp"
#include "tiercache/l3/listener.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace tiercache::invalidation {

class Feeds {
 public:
  static constexpr std::size_t kPending = 10'000;
  // A namespace in one db each. Half of proxy::Invalidations::kMost: people need some too.
  static constexpr std::size_t kSweeps = 4;
  static constexpr std::chrono::seconds kRetry{1};
  using MakeListener =
      std::function<std::unique_ptr<l3::Listener>(l3::ListenerConfig, l3::ListenerHandlers)>;

  Feeds(boost::asio::io_context& control, Invalidator& invalidator, Handlers& handlers,
        proxy::Hub& hub, const config::Config& config, MakeListener make = l3::make_listener);
  ~Feeds();
  Feeds(const Feeds&) = delete;
  Feeds& operator=(const Feeds&) = delete;

  // Begins to listen.
  void start();
  // A client has moved to this db.
  void use_db(std::uint32_t db);
  // Of each source that is listened to by name: "listening=1,heard=2,...".
  std::vector<std::pair<std::string, std::string>> lines() const;

 private:
  class Feed;
  struct Dbs;

  const std::shared_ptr<Dbs> dbs_;
  const MakeListener make_;
  std::vector<std::shared_ptr<Feed>> feeds_;
};

}  // namespace tiercache::invalidation
