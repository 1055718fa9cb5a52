// What stands above the proxy room and answers for it: the CACHE command, and the parts that INFO
// and COMMAND get beside Redis's own. The interface lives here, the answers do not.
//
// One Extensions serves all workers, so its methods are called on several threads at once; they
// must not block. Answers larger than a client may buffer close that client like any other.
#pragma once

#include "tiercache/command/command.hpp"
#include "tiercache/resp/encoder.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tiercache::proxy {

struct Hub;

// Who asks. Valid during the call.
struct Asker {
  std::uint64_t client = 0;  // as CLIENT ID says
  std::uint32_t worker = 0;
  std::uint32_t db = 0;
  resp::Version version = resp::Version::resp2;
};

// Owes one answer to one request. May be moved to, and completed on, any thread; the answer is
// given on the session's thread, later. One that is dropped unanswered answers with an error, so
// that a client never waits for ever. Must not outlive the Hub.
class Responder {
 public:
  Responder(Hub& hub, std::uint64_t ticket) noexcept : hub_(&hub), ticket_(ticket) {
  }
  Responder(Responder&& other) noexcept;
  Responder& operator=(Responder&& other) noexcept;
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;
  ~Responder();

  // One whole reply. REQUIRES: not called before.
  void reply(std::string bytes);

 private:
  Hub* hub_;  // null once answered
  std::uint64_t ticket_;
};

// The same for who answers with a number only, which may be lost without harm. Any thread.
void answer_ticket(Hub& hub, std::uint64_t ticket, std::string bytes);

class Extensions {
 public:
  virtual ~Extensions() = default;

  // CACHE ...; `args` are valid during the call.
  virtual void cache_command(const Asker& asker, command::Args args, Responder responder) = 0;
  // Redis's whole reply to INFO or COMMAND, and what is to be answered instead.
  virtual std::string augment(command::Args args, std::string upstream_reply,
                              resp::Version version) = 0;
  // The reply while Redis is away; nothing: an error as for any other command.
  virtual std::optional<std::string> offline(command::Args args, resp::Version version) = 0;
};

// Adds nothing.
class NoExtensions : public Extensions {
 public:
  void cache_command(const Asker& asker, command::Args args, Responder responder) override;
  std::string augment(command::Args args, std::string upstream_reply,
                      resp::Version version) override;
  std::optional<std::string> offline(command::Args args, resp::Version version) override;
};

}  // namespace tiercache::proxy
