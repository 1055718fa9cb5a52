// Session: CLIENT's subcommands. What they say and do concerns the clients of the proxy, on
// whatever thread they are; Redis is asked where only Redis knows.
#include "client_words.hpp"
#include "hello.hpp"
#include "inquiry.hpp"
#include "session.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/base/words.hpp"
#include "tiercache/proxy/gather.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

namespace tiercache::proxy {

namespace {

std::string error_bytes(std::string_view text) {
  std::string bytes;
  resp::append_error(bytes, text);
  return bytes;
}

std::string integer_bytes(std::int64_t value) {
  std::string bytes;
  resp::append_integer(bytes, value);
  return bytes;
}

using Facts = std::vector<ClientFacts>;
using Answer = std::function<void(std::string)>;

std::vector<ClientFacts> facts_of(const Worker& worker) {
  Facts facts;
  worker.each_client([&](const ClientFacts& client) { facts.push_back(client); });
  return facts;
}

// All that CLIENT LIST shows, as asked: in the order of the ids, which is the order of connecting.
std::string list_text(const ListAsk& ask, std::vector<Facts> parts) {
  Facts all;
  for (Facts& part : parts) {
    std::move(part.begin(), part.end(), std::back_inserter(all));
  }
  std::ranges::sort(all, {}, &ClientFacts::id);
  std::string text;
  const auto show = [&](const ClientFacts& client) {
    text.append(client_line(client)).append("\n");
  };
  if (ask.ids) {
    for (const std::uint64_t id : *ask.ids) {
      const auto found = std::ranges::lower_bound(all, id, {}, &ClientFacts::id);
      if (found != all.end() && found->id == id) {
        show(*found);
      }
    }
    return text;
  }
  for (const ClientFacts& client : all) {
    if (!ask.type || ask.type->matches(client)) {
      show(client);
    }
  }
  return text;
}

// When a pause ends. Redis's own sum wraps where it is too large, and nobody is paused.
std::optional<Time> pause_end(std::int64_t milliseconds, Time now) {
  constexpr std::int64_t kYears = std::int64_t{100} * 365 * 86'400'000;
  const auto wall = std::chrono::duration_cast<std::chrono::milliseconds>(
                        std::chrono::system_clock::now().time_since_epoch())
                        .count();
  if (milliseconds == 0 || milliseconds > std::numeric_limits<std::int64_t>::max() - wall) {
    return std::nullopt;
  }
  return now + std::chrono::milliseconds(std::min(milliseconds, kYears));
}

// Ends those that match. The one who asks ends too, if it matches, but not before it has its
// answer.
void kill_all(Hub& hub, const KillAsk& ask, std::uint64_t me, const Answer& answer) {
  const auto kill = [ask, me](Worker& worker) {
    std::int64_t killed = 0;
    worker.each_session([&](Session& session) {
      if (!session.has_client() || !ask.matches(session.facts(), me)) {
        return;
      }
      killed++;
      if (session.client_id() == me) {
        session.close_after_answers();
      } else {
        session.close();
      }
    });
    return killed;
  };
  gather<std::int64_t>(hub, kill, [ask, answer](const std::vector<std::int64_t>& parts) {
    const std::int64_t killed = std::accumulate(parts.begin(), parts.end(), std::int64_t{0});
    if (!ask.old_form) {
      answer(integer_bytes(killed));
    } else {
      answer(killed > 0 ? "+OK\r\n" : error_bytes("ERR No such client"));
    }
  });
}

// CLIENT UNBLOCK under way. The client waits in Redis, on a link of its own; Redis may not have
// read yet what it is to be woken from, and is then asked again.
struct Wake {
  Worker& asker;
  std::uint64_t client = 0;
  const char* how = "TIMEOUT";
  Answer answer;
  unsigned tries = 3;
};

void wake(const Wake& job);

void wake_upstream(const Wake& job, std::uint64_t upstream) {
  const l2::LinkPtr link = job.asker.links().shared({});
  if (!link) {
    job.answer(integer_bytes(0));
    return;
  }
  std::string request;
  resp::append_request(request, {"CLIENT", "UNBLOCK", std::to_string(upstream), job.how});
  Inquiry::send(*link, request, [job](std::string_view reply) {
    if (reply != ":0\r\n" || job.tries <= 1) {
      job.answer(std::string(reply));
      return;
    }
    Wake again = job;
    again.tries--;
    wake(again);
  });
}

void wake(const Wake& job) {
  const auto find = [client = job.client](Worker& worker) {
    std::uint64_t upstream = 0;
    worker.each_session([&](const Session& session) {
      if (session.client_id() == client) {
        upstream = session.blocked_upstream();
      }
    });
    return upstream;
  };
  gather<std::uint64_t>(job.asker.hub(), find, [job](const std::vector<std::uint64_t>& parts) {
    const std::uint64_t upstream = *std::ranges::max_element(parts);
    if (upstream == 0) {
      job.answer(integer_bytes(0));
    } else {
      job.asker.post([job, upstream] { wake_upstream(job, upstream); });
    }
  });
}

}  // namespace

Session::Step Session::client_command(const Classified& what, Args args) {
  const std::string_view sub = what.command->name.substr(std::string_view("client|").size());
  if (const auto bytes = client_reply(sub, args)) {
    answer(*bytes);
    return Step::next;
  }
  // Answered when every worker has done its part; until then the session goes no further, so that
  // what the client sends next sees the effect.
  if (!queue_.empty()) {
    return stall(Stall::drain);
  }
  client_ask_all(sub, args, answer_later(push(OpKind::extension)));
  stall_ = Stall::drain;
  return Step::next;
}

// Of the subcommands that speak of this client alone; nothing: of others.
std::optional<std::string> Session::client_reply(std::string_view sub, Args args) {
  const resp::Version version = pinned_ ? flow_->version() : spec_.version;
  std::string bytes = "+OK\r\n";
  if (sub == "id") {
    bytes = integer_bytes(static_cast<std::int64_t>(client_id_));
  } else if (sub == "getname") {
    bytes.clear();
    if (name_.empty()) {
      resp::append_null(bytes, version);
    } else {
      resp::append_bulk(bytes, name_);
    }
  } else if (sub == "setname") {
    if (!valid_client_name(args[2])) {
      return error_bytes(kBadClientName);
    }
    name_ = args[2];
  } else if (sub == "setinfo") {
    bytes = client_setinfo(args);
  } else if (sub == "no-evict") {
    // No client is evicted here; limits.client_output is for all.
    if (!is_word(args[2], "on") && !is_word(args[2], "off")) {
      return error_bytes("ERR syntax error");
    }
    no_evict_ = is_word(args[2], "on");
  } else if (sub == "info") {
    bytes.clear();
    resp::append_verbatim(bytes, "txt", client_line(facts()) + "\n", version);
  } else {
    return std::nullopt;
  }
  return bytes;
}

// Of Redis 7.2; clients send it at once, whatever the server.
std::string Session::client_setinfo(Args args) {
  const bool name = is_word(args[2], "lib-name");
  if (!name && !is_word(args[2], "lib-ver")) {
    return error_bytes(std::string("ERR Unrecognized option '").append(args[2]).append("'"));
  }
  if (!valid_client_name(args[3])) {
    return error_bytes(std::string("ERR ")
                           .append(name ? "lib-name" : "lib-ver")
                           .append(" cannot contain spaces, newlines or special characters."));
  }
  (name ? library_ : library_version_) = args[3];
  return "+OK\r\n";
}

// Any thread may answer.
Session::Answer Session::answer_later(std::uint64_t op) {
  return [hub = &worker_.hub(), ticket = ticket(op)](std::string bytes) {
    answer_ticket(*hub, ticket, std::move(bytes));
  };
}

void Session::client_ask_all(std::string_view sub, Args args, Answer answer) {
  if (sub == "list") {
    client_list(args, std::move(answer));
  } else if (sub == "kill") {
    client_kill(args, answer);
  } else if (sub == "pause") {
    client_pause(args, std::move(answer));
  } else if (sub == "unblock") {
    client_unblock(args, std::move(answer));
  } else {
    TC_CHECK(sub == "unpause");
    gather<Unit>(
        worker_.hub(),
        [](Worker& worker) {
          worker.end_pause();
          return Unit{};
        },
        [answer = std::move(answer)](const std::vector<Unit>&) { answer("+OK\r\n"); });
  }
}

void Session::client_list(Args args, Answer answer) {
  auto ask = parse_client_list(args);
  if (!ask) {
    answer(error_bytes(ask.error().detail));
    return;
  }
  const resp::Version version = pinned_ ? flow_->version() : spec_.version;
  gather<Facts>(worker_.hub(), facts_of,
                [answer = std::move(answer), ask = std::move(ask).value(), version, me = client_id_,
                 input = in_.view().size()](std::vector<Facts> parts) {
                  // The client that asks, as it was when it asked.
                  for (Facts& part : parts) {
                    const auto found = std::ranges::find(part, me, &ClientFacts::id);
                    if (found != part.end()) {
                      found->input = input;
                    }
                  }
                  std::string bytes;
                  resp::append_verbatim(bytes, "txt", list_text(ask, std::move(parts)), version);
                  answer(std::move(bytes));
                });
}

void Session::client_kill(Args args, const Answer& answer) {
  auto parsed = parse_client_kill(args);
  if (!parsed) {
    answer(error_bytes(parsed.error().detail));
    return;
  }
  const KillAsk ask = std::move(parsed).value();
  const auto kill = [hub = &worker_.hub(), me = client_id_, ask, answer] {
    kill_all(*hub, ask, me, answer);
  };
  if (!ask.user) {
    kill();
    return;
  }
  const l2::LinkPtr link = worker_.links().shared({});
  if (!link) {
    answer(error_bytes(away_text(worker_.links().why_not())));
    return;
  }
  // Whether there is such a user, only Redis knows: to kill nobody by that name shows it.
  std::string request;
  resp::append_request(request, {"CLIENT", "KILL", "USER", *ask.user, "ID", "9223372036854775807"});
  Inquiry::send(*link, request, [kill, answer](std::string_view reply) {
    if (reply.starts_with('-')) {
      answer(std::string(reply));
    } else {
      kill();
    }
  });
}

void Session::client_pause(Args args, Answer answer) {
  const auto ask = parse_client_pause(args);
  if (!ask) {
    answer(error_bytes(ask.error().detail));
    return;
  }
  const auto until = pause_end(ask.value().milliseconds, now());
  if (!until) {
    answer("+OK\r\n");
    return;
  }
  gather<Unit>(
      worker_.hub(),
      [mode = ask.value().mode, until = *until](Worker& worker) {
        worker.pause(mode, until);
        return Unit{};
      },
      [answer = std::move(answer)](const std::vector<Unit>&) { answer("+OK\r\n"); });
}

void Session::client_unblock(Args args, Answer answer) {
  const auto parsed = parse_client_unblock(args);
  if (!parsed) {
    answer(error_bytes(parsed.error().detail));
    return;
  }
  const UnblockAsk ask = parsed.value();
  wake(Wake{worker_, ask.id, ask.error ? "ERROR" : "TIMEOUT", std::move(answer)});
}

// Redis refuses what it does not know, and what has the wrong number of words, before it waits.
bool Session::paused(const Classified& what, Args args) const {
  if (!what.fits || worker_.denied(what.position, args)) {
    return false;
  }
  return worker_.pause_mode() == PauseMode::all || may_replicate(*what.command, args) ||
         (transaction_writes_ && what.command->name == "exec");
}

std::uint64_t Session::blocked_upstream() const noexcept {
  const bool waits =
      !gone_ && pinned_ && own_ && own_->state() == l2::Link::State::ready && flow_->blocked();
  return waits ? own_->upstream_id() : 0;
}

ClientFacts Session::facts() const {
  const Time time = now();
  const auto seconds = [](Duration span) {
    return std::chrono::duration_cast<std::chrono::seconds>(span);
  };
  ClientFacts facts;
  facts.id = client_id_;
  facts.peer = peer_;
  facts.local = local_;
  facts.fd = fd_;
  facts.name = name_;
  facts.age = seconds(time - since_);
  facts.idle = seconds(time - active_);
  facts.db = spec_.db;
  facts.version = spec_.version;
  if (pinned_) {
    facts.db = flow_->db();
    facts.version = flow_->version();
    facts.channels = flow_->counts()[0];
    facts.patterns = flow_->counts()[1];
    facts.shard_channels = flow_->counts()[2];
    facts.queued = flow_->in_multi() ? static_cast<std::int64_t>(flow_->queued()) : -1;
    facts.monitor = flow_->monitoring();
    facts.tracking = flow_->tracking();
    facts.broadcast = facts.tracking && redirect_.broadcast;
    facts.redirect = facts.tracking ? static_cast<std::int64_t>(redirect_.client) : -1;
  }
  facts.blocked = stall_ == Stall::paused ||
                  (pinned_ && own_ && flow_->blocked() && own_->state() == l2::Link::State::ready);
  facts.closing = closing_;
  facts.unix_socket = unix_;
  facts.no_evict = no_evict_;
  facts.writable_wanted = writing_;
  facts.pinned = pinned_;
  facts.input = in_.view().size();
  facts.input_free = in_.room();
  facts.buffer = out_.capacity();
  facts.output = out_.size();
  facts.queued_output = queued_output_;
  facts.memory = sizeof(Session) + facts.input + facts.input_free + facts.buffer + queued_output_;
  facts.pending = queue_.size();
  const auto commands = worker_.table().commands();
  if (last_command_ < commands.size()) {
    facts.command = commands[last_command_].name;
  }
  facts.user = user_name();
  facts.library = library_;
  facts.library_version = library_version_;
  return facts;
}

}  // namespace tiercache::proxy
