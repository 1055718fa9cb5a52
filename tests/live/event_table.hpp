// What Redis tells of each change: the cases as data (event_cases_*.cpp), and the bench that runs
// one and records its events and what really changed. The proxy's L1 stands on this table: a change
// that nobody is told of leaves a stale entry.
//
// Owner: one test, one thread. A case takes about a millisecond.
//
// A step is one command as redis-cli takes it: words between blanks, "quoted" where they hold some.
// Several stand between " ; ". Words that begin with % are filled in: %dump (a DUMP payload of the
// string "payload"), %port2 (a second server, with key `far` in it), %sha (a loaded script that
// sets key u). Steps may begin with
//   &      the reply is not waited for: the command blocks, and the next step follows when it does
//   @2     another connection sends it
//   %until TEXT   waits until INFO holds the text
#pragma once

#include "client.hpp"
#include "redis_server.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::testing {

struct EventCase {
  std::string_view name;
  std::string_view setup;
  std::string_view commands;
  // The keys, as "db:key" between blanks, whose DUMP or PEXPIRETIME the commands change. "error":
  // nothing changes and a command is refused; a case that fails unseen would prove nothing.
  std::string_view changes;
};

std::span<const EventCase> string_event_cases();
std::span<const EventCase> collection_event_cases();
std::span<const EventCase> server_event_cases();

// A change that is known to be told to nobody.
struct KnownHole {
  enum class Why : std::uint8_t {
    unseen,   // no read of the value or TTL shows it: checked by reading before and after
    guarded,  // visible, and the proxy finds it by other means
    exposed,  // visible, and found by nobody when done past the proxy: L1 keeps what it has
  };
  std::string_view name;  // of the case
  Why why;
  std::string_view reason;
};
std::span<const KnownHole> known_holes();

// A write command of the product's table for which no case can be made here.
struct NoCase {
  std::string_view command;
  std::string_view reason;
};
std::span<const NoCase> commands_without_case();

using Keys = std::set<std::string>;  // "db:key"

struct EventRow {
  std::vector<std::string> events{};  // "db:key=event", in order
  bool flushed = false;               // the NULL payload came
  bool refused = false;               // a reply was an error
  std::string refusal{};
  Keys changed{};  // DUMP or PEXPIRETIME
  Keys seen{};     // what a read of the value, its type or its TTL shows
  Keys untold{};   // of `changed`, those without an event
  std::vector<std::vector<std::string>> ran{};
};

class EventBench {
 public:
  EventBench();
  EventRow run(const EventCase& one);

 private:
  struct State {
    std::string dump;
    std::string expiry;
    std::string shown;
  };
  using States = std::map<std::string, State>;

  void fence(EventRow* row);
  void run_steps(std::string_view steps, EventRow* row);
  void run_step(std::string_view step, EventRow* row);
  std::vector<std::string> words_of(std::string_view step) const;
  void wait_for_info(std::string_view text);
  void note_reply(const Value& reply, EventRow* row);
  void reset();
  States states();
  std::string shown(const std::string& key);

  RedisServer server_{{"--notify-keyspace-events", "KA"}};
  RedisServer other_server_{{"--repl-diskless-sync-delay", "0"}};
  std::optional<Client> client_{};
  std::optional<Client> second_{};
  Client probe_{server_.port()};
  Client other_{other_server_.port()};
  Client events_{server_.port()};
  std::string dump_{};
  std::string sha_{};
  std::int64_t fences_ = 0;
  int unanswered_ = 0;
};

}  // namespace tiercache::testing
