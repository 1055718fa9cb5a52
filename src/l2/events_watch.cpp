// What no event tells: SWAPDB, notifications switched off, another server or role behind the same
// address. Canaries find out where they may be written, polls where they may not.
#include "events_impl.hpp"
#include "notifications.hpp"
#include "server_info.hpp"

#include <array>
#include <optional>
#include <utility>

#include <spdlog/spdlog.h>

namespace tiercache::l2 {

namespace {

// Redis will not take a canary as long as this connection lives; everything else goes on.
bool refuses_canaries(std::string_view error) {
  constexpr std::array<std::string_view, 7> kRefusals = {
      "READONLY", "NOPERM", "OOM", "MISCONF", "NOREPLICAS", "WRONGTYPE", "ERR"};
  for (const std::string_view refusal : kRefusals) {
    if (error.starts_with(refusal)) {
      return true;
    }
  }
  return false;
}

bool has_no_such_db(std::string_view error) {
  return error.starts_with("ERR DB index") || error.starts_with("ERR invalid DB index");
}

}  // namespace

void EventsImpl::write_canaries() {
  round_ = {canary_.dbs().size(), false, false};
  for (const auto& [db, last] : canary_.dbs()) {
    std::string value = canary_.next(db);
    const std::array<std::string_view, 6> set = {"SET", canary_key_, value, "GET", "PX", "60000"};
    control_->query(
        db, set,
        [weak = weak_from_this(), attempt = attempt_, db = db, value](const Result<Reply>& reply) {
          const auto self = weak.lock();
          if (self && self->attempt_ == attempt && reply) {
            self->on_canary(db, value, reply.value());
          }
        });
  }
}

void EventsImpl::on_canary(std::uint32_t db, const std::string& value, const Reply& reply) {
  if (reply.is_error()) {
    if (db != 0 && has_no_such_db(reply.text)) {
      canary_.remove(db);
    } else if (refuses_canaries(reply.text)) {
      if (!round_.refused) {
        spdlog::warn("event link: Redis refuses the canary ({}); watching its statistics instead",
                     reply.text);
      }
      round_.refused = true;
    } else {
      lose("the canary: -" + reply.text);
      return;
    }
  } else {
    const bool present = reply.kind == Reply::Kind::text;
    if (canary_.replaced(db, value, present ? std::optional(reply.text) : std::nullopt)) {
      spdlog::info("event link: the canary of db {} is not the one left there, memory is emptied",
                   db);
      round_.surprise = true;
    }
  }
  if (--round_.unanswered == 0) {
    canaries_answered();
  }
}

void EventsImpl::canaries_answered() {
  if (round_.refused && ladder_.current() == Transport::keyspace && !flags_known_) {
    refuse_or_lose(
        "Redis refuses both the canary and CONFIG GET: nothing proves that it sends events");
    return;
  }
  if (round_.surprise) {
    tell_any_change();
  }
  if (round_.refused) {
    if (round_.surprise) {
      status_.bump_generation();
    }
    canary_on_ = false;
    link_.on_canary_refused(now(), status_, actions_);
    poll();
    publish();
  } else {
    link_.on_canary_written(round_.surprise, now(), status_, actions_);
  }
  obey(actions_);
}

void EventsImpl::ask(std::initializer_list<std::string_view> args, Method method) {
  polls_unanswered_++;
  control_->query(args, then(method));
}

void EventsImpl::poll() {
  const Time at = now();
  next_poll_ = at + config_.link.canary_interval;
  link_.on_watch_sent(at);
  if (info_refused_) {
    ask({"PING"}, &EventsImpl::on_polled_ping);
    return;
  }
  ask({"INFO", "server"}, &EventsImpl::on_polled_info);
  ask({"INFO", "replication"}, &EventsImpl::on_polled_replication);
  if (!canary_on_) {
    ask({"INFO", "commandstats"}, &EventsImpl::on_polled_statistics);
    if (ladder_.current() == Transport::keyspace) {
      ask({"CONFIG", "GET", "notify-keyspace-events"}, &EventsImpl::on_polled_flags);
    }
  }
}

void EventsImpl::polled() {
  if (--polls_unanswered_ == 0) {
    link_.on_watch_answered();
  }
}

// Any answer shows that the connection lives.
void EventsImpl::on_polled_ping(const Reply& /*reply*/) {
  polled();
}

void EventsImpl::on_polled_info(const Reply& reply) {
  polled();
  if (reply.is_error()) {
    lose("-" + reply.text);
    return;
  }
  const std::string_view run_id = info_field(reply.text, "run_id");
  if (run_id != known_.run_id) {
    lose("another server process answers: run_id " + std::string(run_id) + " was " + known_.run_id);
  }
}

void EventsImpl::on_polled_replication(const Reply& reply) {
  polled();
  if (reply.is_error()) {
    lose("-" + reply.text);
    return;
  }
  const std::string_view role = info_field(reply.text, "role");
  if (role != known_.role) {
    lose("the server's role changed from " + known_.role + " to " + std::string(role));
  }
}

void EventsImpl::on_polled_statistics(const Reply& reply) {
  polled();
  if (reply.is_error()) {
    lose("-" + reply.text);
    return;
  }
  std::string calls = flush_calls(reply.text);
  // The first look proves nothing about the time before it.
  if (!statistics_known_ || calls != statistics_) {
    status_.bump_generation();
    tell_any_change();
  }
  statistics_known_ = true;
  statistics_ = std::move(calls);
}

void EventsImpl::on_polled_flags(const Reply& reply) {
  polled();
  if (reply.kind != Reply::Kind::array || reply.items.size() < 2) {
    lose("CONFIG GET notify-keyspace-events is refused now");
  } else if (!notifications_suffice(reply.items[1].text)) {
    lose("notifications were switched off");
  }
}

}  // namespace tiercache::l2
