// The greeting of a data link: AUTH, HELLO 3, SELECT, ROLE (where it must be a master's), READONLY
// (to read from a Cluster's replica), CLIENT ID, INFO server, sent in one go, and what becomes of
// the answers. Pure; owned by its link.
//
// A client's login comes last, so that the rest is done as the proxy's user and the client's needs
// no rights for it. What Redis refuses before the login, because nobody has logged in yet or may
// not do it, is asked for again after it, in a second go.
#pragma once

#include "tiercache/l2/link.hpp"
#include "tiercache/l2/upstream.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <boost/container/static_vector.hpp>

namespace tiercache::l2 {

class Handshake {
 public:
  enum class Outcome : std::uint8_t {
    more,
    again,  // take_requests() has more to send
    ready,
    refused,
  };
  // Only who has a connection alone needs to know its id.
  enum class Use : std::uint8_t { shared, own };

  // Appends the requests to `out`.
  Handshake(std::string_view user, std::string_view password, const LinkSpec& spec,
            std::string& out, Use use = Use::shared,
            Upstream::Expect expect = Upstream::Expect::any);

  // The next reply, whole.
  Outcome on_reply(std::string_view frame);
  std::string take_requests() {
    return std::exchange(requests_, {});
  }

  // refused: Redis's own error line ("-ERR DB index is out of range"). Where a client logs in and
  // it is the proxy's user that Redis refuses, it does not begin with Redis's "-".
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
  enum class Step : std::uint8_t { auth, hello, select, role, readonly, id, info, login };

  bool may_fail(Step step, std::string_view line) const noexcept;
  void add(Step step, std::string& out);

  const LinkSpec spec_;
  // A client that has not logged in is told so by Redis when it asks for something.
  bool anonymous_ = false;
  boost::container::static_vector<Step, 8> steps_;
  boost::container::static_vector<Step, 8> again_;
  std::size_t next_ = 0;
  bool logged_in_ = false;
  std::string requests_;
  std::uint64_t source_ = 0;
  std::uint64_t client_id_ = 0;
  std::string why_;
  bool not_master_ = false;
};

}  // namespace tiercache::l2
