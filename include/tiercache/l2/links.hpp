// Makes the links of one I/O thread.
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/l2/link.hpp"
#include "tiercache/l2/upstream.hpp"
#include "tiercache/resp/reply_scanner.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace tiercache::l2 {

struct LinksConfig {
  UpstreamPtr upstream;
  std::string user;      // empty: Redis's default user
  std::string password;  // empty: no AUTH
  // Until the greeting is answered, the look-up of the name included.
  Duration connect_timeout = std::chrono::seconds(1);
  // A shared link that owes a reply and has brought nothing for so long, or up to a quarter longer,
  // is ended. Zero: never. (Raw links may wait for ever: clients block on them.)
  Duration response_timeout{};
  Duration backoff_min = std::chrono::milliseconds(50);
  Duration backoff_max = std::chrono::seconds(5);
  // Connections to the server, of all threads together; 0: no limit. Clients' own leave an eighth
  // of them (one at least) to the shared ones, of which all clients need one; spares a quarter.
  std::uint32_t max_connections = 0;
  // Of one link; beyond them it is saturated().
  std::size_t max_pending = 65536;
  std::size_t max_output = std::size_t{64} << 20;
  resp::ScanLimits scan;
  // A piece of a reply is at most this long.
  std::size_t shared_read_buffer = std::size_t{64} << 10;
  std::size_t own_read_buffer = std::size_t{16} << 10;
  // Called around the replies that one read of a link brings, so that what they cause can be
  // done once, at their end. Either may be empty.
  std::function<void()> before_input;
  std::function<void()> after_input;
  // Raw links connected ahead of use: in all, and for how long each.
  std::size_t max_spares = 4;
  Duration spare_time = std::chrono::seconds(60);
  // Specs known at once, refused ones included until their back-off is over.
  std::size_t max_shared = 4096;
};

// Any uniformly distributed bits, for the jitter.
using Random = std::function<std::uint64_t()>;

// Used and destroyed on the thread that runs `io`, or while nobody runs it. The links may outlive
// it; they are dead then.
std::unique_ptr<Links> make_links(boost::asio::io_context& io, const LinksConfig& config,
                                  Random random);

}  // namespace tiercache::l2
