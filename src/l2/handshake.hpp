// The greeting of a data link: AUTH, HELLO 3, SELECT, ROLE (where it must be a master's), CLIENT
// ID, INFO server, sent in one go, and what becomes of the answers. Pure; owned by its link.
#pragma once

#include "tiercache/l2/link.hpp"
#include "tiercache/l2/upstream.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/container/static_vector.hpp>

namespace tiercache::l2 {

class Handshake {
 public:
  enum class Outcome : std::uint8_t { more, ready, refused };
  // Only who has a connection alone needs to know its id.
  enum class Use : std::uint8_t { shared, own };

  // Appends the requests to `out`.
  Handshake(std::string_view user, std::string_view password, const LinkSpec& spec,
            std::string& out, Use use = Use::shared,
            Upstream::Expect expect = Upstream::Expect::any);

  // The next reply, whole.
  Outcome on_reply(std::string_view frame);

  // refused: Redis's own error line ("-ERR DB index is out of range").
  const std::string& why() const noexcept {
    return why_;
  }
  // refused: because the server calls itself something else than a master.
  bool not_master() const noexcept {
    return not_master_;
  }
  // ready: the server process; 0 if Redis does not let us know.
  std::uint64_t source() const noexcept {
    return source_;
  }
  // ready: Redis's id of the connection; 0 if it is shared or Redis does not let us know.
  std::uint64_t client_id() const noexcept {
    return client_id_;
  }

 private:
  enum class Step : std::uint8_t { auth, hello, select, role, id, info };

  boost::container::static_vector<Step, 6> steps_;
  std::size_t next_ = 0;
  std::uint64_t source_ = 0;
  std::uint64_t client_id_ = 0;
  std::string why_;
  bool not_master_ = false;
};

}  // namespace tiercache::l2
