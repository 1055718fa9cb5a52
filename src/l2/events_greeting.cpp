// The event link's way up: greet, find out what this server lets us have, subscribe.
#include "command_reply.hpp"
#include "events_impl.hpp"
#include "notifications.hpp"
#include "server_info.hpp"

#include <optional>
#include <utility>

#include <spdlog/spdlog.h>

namespace tiercache::l2 {

void EventsImpl::connect() {
  attempt_++;
  flags_known_ = false;
  info_refused_ = false;
  const std::optional<config::Endpoint> server = config_.upstream->endpoint();
  if (!server) {
    // Whoever moves the upstream calls relocate().
    return;
  }
  server_ = *server;
  control_ = std::make_shared<Control>(io_, server_, static_cast<Control::User&>(*this));
  control_->start(config_.connect_timeout);
}

Control::Answer EventsImpl::then(Method method) {
  return [weak = weak_from_this(), attempt = attempt_, method](const Result<Reply>& reply) {
    const auto self = weak.lock();
    if (self && self->attempt_ == attempt && reply) {
      (self.get()->*method)(reply.value());
    }
  };
}

void EventsImpl::on_control_up() {
  control_->log_in(config_.user, config_.password, then(&EventsImpl::on_auth));
  control_->query({"INFO", "server"}, then(&EventsImpl::on_info));
  statistics_known_ = false;
  if (!link_config().canary) {
    control_->query({"INFO", "commandstats"}, then(&EventsImpl::on_statistics));
  }
  control_->query({"INFO", "replication"}, then(&EventsImpl::on_replication));
  if (ladder_.current() == Transport::keyspace) {
    control_->query({"CONFIG", "GET", "notify-keyspace-events"}, then(&EventsImpl::on_flags));
  }
}

void EventsImpl::on_auth(const Reply& reply) {
  if (reply.is_error()) {
    lose("-" + reply.text);
  }
}

void EventsImpl::on_info(const Reply& reply) {
  if (reply.is_error() && !refused_for_good(reply.text)) {
    lose("-" + reply.text);
    return;
  }
  known_.run_id = reply.is_error() ? std::string_view() : info_field(reply.text, "run_id");
  known_.version = reply.is_error() ? std::string_view() : info_field(reply.text, "redis_version");
  if (!known_.run_id.empty()) {
    return;
  }
  // Then nobody can tell whether fills and events come from one server; for entries that die of
  // age that is no worse than it is anyway.
  if (ladder_.current() == Transport::ttl) {
    info_refused_ = true;
  } else {
    refuse(reply.is_error() ? "INFO: -" + reply.text : "INFO does not name the server's run_id");
  }
}

// What the polls compare with, from before the first fill: so they empty memory only for a reason.
// Where it is refused the first poll finds that out.
void EventsImpl::on_statistics(const Reply& reply) {
  if (!reply.is_error()) {
    statistics_ = flush_calls(reply.text);
    statistics_known_ = true;
  }
}

void EventsImpl::on_replication(const Reply& reply) {
  if (reply.is_error() && !info_refused_) {
    lose("-" + reply.text);
    return;
  }
  known_.role = reply.is_error() ? std::string_view() : info_field(reply.text, "role");
  if (config_.upstream->expect() == Upstream::Expect::master && known_.role == "slave") {
    lose("the server is not a master any more");
    return;
  }
  switch (ladder_.current()) {
    case Transport::keyspace:
      return;  // the flags first
    case Transport::tracking:
      open_stream();
      return;
    case Transport::ttl:
      begin_ttl();
      return;
  }
}

void EventsImpl::on_flags(const Reply& reply) {
  if (reply.is_error() && !refused_for_good(reply.text)) {
    lose("-" + reply.text);
    return;
  }
  if (reply.kind != Reply::Kind::array || reply.items.size() < 2) {
    // Where CONFIG is not ours the canary still proves that events come.
    if (config_.link.canary) {
      open_stream();
    } else {
      refuse(
          "CONFIG GET notify-keyspace-events is refused and the canary is off: nothing proves "
          "that Redis sends events");
    }
    return;
  }
  flags_known_ = true;
  const std::string& flags = reply.items[1].text;
  if (notifications_suffice(flags)) {
    open_stream();
    return;
  }
  const std::string needed = with_needed_notifications(flags);
  if (!config_.manage_notifications) {
    refuse("Redis does not send the events we need: run CONFIG SET notify-keyspace-events " +
           needed + " on it, or set coherence.manage_notifications = true");
    return;
  }
  spdlog::info("event link: setting notify-keyspace-events from \"{}\" to \"{}\"", flags, needed);
  control_->query({"CONFIG", "SET", "notify-keyspace-events", needed},
                  then(&EventsImpl::on_flags_set));
}

void EventsImpl::on_flags_set(const Reply& reply) {
  if (reply.is_error()) {
    refuse("Redis does not send the events we need and refuses CONFIG SET (" + reply.text +
           "): set notify-keyspace-events to \"KA\" there");
    return;
  }
  open_stream();
}

void EventsImpl::open_stream() {
  control_->ready();
  greeted_ = true;
  StreamSpec spec{config_.user, config_.password, ladder_.current(), {unused_prefix_}};
  if (spec.transport == Transport::tracking) {
    spec.prefixes = tracked_prefixes(config_.tracking_prefixes,
                                     config_.link.canary ? canary_key_ : std::string());
  }
  stream_ = std::make_shared<EventStream>(io_, server_, std::move(spec),
                                          static_cast<EventStream::User&>(*this));
  stream_->start(config_.connect_timeout);
}

void EventsImpl::on_subscribed(std::string_view run_id) {
  if (run_id != known_.run_id) {
    lose("two connections to Redis reached two servers");
    return;
  }
  serve();
}

void EventsImpl::begin_ttl() {
  control_->ready();
  greeted_ = true;
  serve();
}

coherence::EventLinkConfig EventsImpl::link_config() const {
  coherence::EventLinkConfig link = config_.link;
  if (ladder_.current() == Transport::tracking) {
    // Redis sends invalidations at the end of its turn: only a PING after the first PONG comes
    // behind those of a command executed before the first PING.
    link.pings_per_fence = 2;
  } else if (ladder_.current() == Transport::ttl) {
    link.proof = coherence::Proof::age;
    link.canary = false;
  }
  return link;
}

void EventsImpl::serve() {
  if (listeners_.on_server_known) {
    listeners_.on_server_known(known_.version, known_.run_id);
  }
  learn_commands();
  subscribed_ = true;
  const coherence::EventLinkConfig link = link_config();
  canary_.reset();
  canary_on_ = link.canary;
  round_ = {};
  polls_unanswered_ = 0;
  next_poll_ = canary_on_ ? now() + link.canary_interval : now();
  link_.configure(link);
  link_.on_subscribed(source_of(known_.run_id), now(), status_, actions_);
  tell_any_change();
  obey(actions_);
  arm();
}

void EventsImpl::learn_commands() {
  if (!listeners_.on_commands) {
    return;
  }
  control_->query_raw({"COMMAND"}, [weak = weak_from_this(),
                                    attempt = attempt_](std::string_view frame) {
    const auto self = weak.lock();
    if (!self || self->attempt_ != attempt) {
      return;
    }
    auto commands = read_command_reply(frame);
    if (!commands) {
      spdlog::warn("event link: the server's commands are not known: {}", commands.error().detail);
      return;
    }
    self->listeners_.on_commands(std::move(commands).value());
  });
}

}  // namespace tiercache::l2
