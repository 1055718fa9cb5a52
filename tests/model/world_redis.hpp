// World, the part that plays Redis and the network. Included by world.hpp only.
#pragma once

namespace model {

template <Rules R>
void World<R>::emit(Event event) {
  if (feed_ != Feed::up || script_->age) {
    return;
  }
  if (deaf_ && event.kind != Event::Kind::pong) {
    unheard_of_ = unheard_of_ || event.kind != Event::Kind::canary;
    return;
  }
  if (script_->tracking) {
    if (event.kind == Event::Kind::key) {
      invalidated_ = static_cast<std::uint8_t>(invalidated_ | (1U << event.value));
    } else {
      hidden_.push_back(event);
    }
  } else {
    events_.push_back(event);
  }
}

template <Rules R>
void World<R>::redis_write(std::uint8_t mask) {
  writes_++;
  history_.push_back(mask);
  for (unsigned k = 0; k < kKeys; k++) {
    if ((mask >> k) & 1U) {
      versions_[k] = writes_;
      if (k == 0) {
        has_ttl_ = false;
      }
      emit({Event::Kind::key, k});
    }
  }
}

template <Rules R>
void World<R>::redis_flush() {
  writes_++;
  history_.push_back(3);
  versions_ = {writes_, writes_};
  has_ttl_ = false;
  emit({Event::Kind::null, 0});
}

// Key a ends at time 2, and nobody is told: its `expired` event comes when it is deleted, which
// can be seconds later.
template <Rules R>
void World<R>::redis_expire() {
  if (has_ttl_ && time_ >= 2) {
    has_ttl_ = false;
    writes_++;
    history_.push_back(1);
    versions_[0] = writes_;
    expiry_version_ = writes_;
  }
}

template <Rules R>
void World<R>::redis_execute(Request& request, Link& link) {
  if (request.pttl_due) {
    request.pttl = has_ttl_ ? 2 - time_ : redis_has_none_of_a(versions_[0]) ? -2 : -1;
    request.pttl_due = false;
    return;
  }
  if (link.old_server) {
    request.old_server = true;
    request.value = old_versions_;
    return;  // scripts with a failover only read by the old links
  }
  request.pttl = has_ttl_ ? 2 - time_ : redis_has_none_of_a(versions_[0]) ? -2 : -1;
  request.pttl_due = script_->pttl_apart && request.flights[0] != 0;
  switch (request.letter) {
    case 'W':
    case 'L':
    case 'B':
      redis_write(1);
      break;
    case 'w':
      redis_write(2);
      break;
    case 'N':
      redis_write(3);
      break;
    case 'F':
      redis_flush();
      break;
    case 'X':
      link.watched = versions_[0];
      break;
    case 'U':
      link.watched = -1;
      break;
    case 'E':
      request.exec_ok = link.watched == versions_[0];
      request.watched = link.watched;
      link.watched = -1;
      if (request.exec_ok) {
        redis_write(1);
      }
      break;
    default:
      break;
  }
  request.value = versions_;
}

template <Rules R>
void World<R>::steps(std::vector<std::uint16_t>& out) const {
  out.clear();
  const auto add = [&out](Kind kind, unsigned argument = 0) {
    out.push_back(static_cast<std::uint16_t>((static_cast<unsigned>(kind) << 8) | argument));
  };
  for (unsigned i = 0; i < clients_.size(); i++) {
    const Client& client = clients_[i];
    const bool stalled = client.moving || client.foreign_wait || client.wait_ping != 0;
    if (!stalled && client.next < script_->sessions[i].size() &&
        client.ops.size() < script_->depth) {
      add(Kind::issue, i);
    }
    if (!mail_[i].empty()) {
      add(Kind::mail, i);
    }
    const coherence::View view = cache_.status().view();
    const std::uint64_t ping = client.wait_ping != 0 ? client.wait_ping
                               : !client.ops.empty() ? client.ops.front().hold
                                                     : 0;
    if (ping != 0 && (ping <= view.acked || no_fence_comes())) {
      add(Kind::release, i);
    }
  }
  for (unsigned i = 0; i < links_.size(); i++) {
    if (!links_[i].requests.empty()) {
      add(Kind::exec, i);
    }
    if (!links_[i].replies.empty()) {
      add(Kind::read, i);
    }
    if (data_losses_ > 0 && !(links_[i].requests.empty() && links_[i].replies.empty())) {
      add(Kind::data_break, i);
    }
  }
  if (!orphans_.empty()) {
    add(Kind::orphan);
  }
  if (feed_ == Feed::up) {
    if (!pings_.empty()) {
      add(Kind::event_exec);
    }
    if (!hidden_.empty() || invalidated_ != 0) {
      add(Kind::event_tick);
    }
    if (!events_.empty()) {
      add(Kind::event_read);
    }
    if (heartbeats_ > 0 && pings_.empty() && !script_->age) {
      add(Kind::heartbeat);
    }
    if (event_losses_ > 0) {
      add(Kind::event_break);
    }
  } else {
    add(feed_ == Feed::broken ? Kind::event_notice : Kind::event_connect);
  }
  if (direct_a_ > 0) {
    add(Kind::direct_a);
  }
  if (direct_both_ > 0) {
    add(Kind::direct_both);
  }
  if (direct_flush_ > 0) {
    add(Kind::direct_flush);
  }
  if (time_ < script_->ticks) {
    add(Kind::time);
  }
  if (failovers_ > 0) {
    add(Kind::failover);
  }
  if (deafenings_ > 0) {
    add(Kind::deafen);
  }
  if (swaps_ > 0) {
    add(Kind::swap);
  }
  if (canaries_ > 0 && canary_ == Canary::none && feed_ == Feed::up) {
    add(Kind::canary_tick);
  }
  if (canary_ != Canary::none) {
    add(canary_ == Canary::sent ? Kind::canary_exec : Kind::canary_read);
  }
}

template <Rules R>
void World<R>::apply(std::uint16_t step) {
  const Kind kind = static_cast<Kind>(step >> 8);
  const unsigned n = step & 0xffU;
  coherence::EventLinkActions actions;
  switch (kind) {
    case Kind::issue:
      issue(n);
      break;
    case Kind::exec: {
      Link& link = links_[n];
      Request request = link.requests.front();
      pop_front(link.requests);
      redis_execute(request, link);
      if (request.pttl_due) {
        link.requests.insert(link.requests.begin(), request);
      } else {
        link.replies.push_back(request);
      }
      break;
    }
    case Kind::read:
      reply(n);
      break;
    case Kind::orphan: {
      Request request = orphans_.front();
      pop_front(orphans_);
      Link gone;
      redis_execute(request, gone);
      break;
    }
    case Kind::event_exec:
      emit({Event::Kind::pong, pings_.front()});
      pop_front(pings_);
      break;
    case Kind::event_tick:
      for (const Event& event : hidden_) {
        events_.push_back(event);
      }
      hidden_.clear();
      for (unsigned k = 0; k < kKeys; k++) {
        if ((invalidated_ >> k) & 1U) {
          events_.push_back({Event::Kind::key, k});
        }
      }
      invalidated_ = 0;
      break;
    case Kind::event_read: {
      const Event event = events_.front();
      pop_front(events_);
      if (event.kind == Event::Kind::key) {
        cache_.event(key(static_cast<unsigned>(event.value)).hash);
      } else if (event.kind == Event::Kind::null) {
        event_link_.on_null(cache_.status());
      } else if (event.kind == Event::Kind::canary) {
        event_link_.on_canary_event();
      } else {
        event_link_.on_pong(event.value, now(), cache_.status(), actions);
      }
      break;
    }
    case Kind::mail: {
      const Mail mail = mail_[n].front();
      pop_front(mail_[n]);
      answer(n, mail.op, 0, mail.value, mail.lost);
      break;
    }
    case Kind::release: {
      Client& client = clients_[n];
      // A fence that cannot come: what it would have proven is made true by emptying L1.
      if (R.flush_at_release && no_fence_comes()) {
        cache_.status().bump_generation();
      }
      if (client.wait_ping != 0) {
        const std::uint64_t ping = client.wait_ping;
        client.wait_ping = 0;
        dispatch(n, client.ops.back(), ping);
      } else {
        client.ops.front().hold = 0;
      }
      drain(n);
      break;
    }
    case Kind::heartbeat:
      heartbeats_--;
      event_link_.request(cache_.status().view().next_ping(), now(), cache_.status(), actions);
      break;
    case Kind::direct_a:
      direct_a_--;
      redis_write(1);
      break;
    case Kind::direct_both:
      direct_both_--;
      redis_write(3);
      break;
    case Kind::direct_flush:
      direct_flush_--;
      redis_flush();
      break;
    case Kind::event_break:
      event_losses_--;
      lose_feed(false);
      break;
    case Kind::event_notice:
      feed_ = Feed::noticed;
      event_link_.on_lost(cache_.status());
      break;
    case Kind::event_connect:
      feed_ = Feed::up;
      deaf_ = unheard_of_ = false;  // the greeting switches notifications on
      event_link_.on_subscribed(failovers_ == script_->failovers ? 1 : 2, now(), cache_.status(),
                                actions);
      break;
    case Kind::data_break:
      data_losses_--;
      lose(n);
      break;
    case Kind::time:
      ended_.push_back(versions_);
      time_++;
      redis_expire();
      break;
    default:
      apply_fault(kind, actions);
      break;
  }
  obey(actions);
}

template <Rules R>
std::string World<R>::describe(std::uint16_t step) const {
  const Kind kind = static_cast<Kind>(step >> 8);
  const unsigned n = step & 0xffU;
  const std::string number = std::to_string(n);
  switch (kind) {
    case Kind::issue:
      return "client " + number + " issues " + script_->sessions[n][clients_[n].next];
    case Kind::exec:
      return "redis executes " + std::string(1, links_[n].requests.front().letter) + " of client " +
             std::to_string(links_[n].requests.front().client) + " on link " + number;
    case Kind::read: {
      const Request& reply = links_[n].replies.front();
      return "proxy reads the reply of " + std::string(1, reply.letter) + " of client " +
             std::to_string(reply.client) + " on link " + number +
             ": a=" + std::to_string(reply.value[0]) + " b=" + std::to_string(reply.value[1]);
    }
    case Kind::orphan:
      return "redis executes what a broken link left";
    case Kind::event_exec:
      return "redis executes PING " + std::to_string(pings_.front());
    case Kind::event_tick:
      return "redis ends its tick";
    case Kind::event_read: {
      const Event& event = events_.front();
      return event.kind == Event::Kind::key
                 ? "proxy applies the event of " + std::string(event.value == 0 ? "a" : "b")
             : event.kind == Event::Kind::null ? std::string("proxy applies the NULL payload")
                                               : "proxy reads PONG " + std::to_string(event.value);
    }
    case Kind::mail:
      return "client " + number + " gets an answer from another thread";
    case Kind::release:
      return "client " + number + " is released by its fence";
    case Kind::heartbeat:
      return "heartbeat";
    case Kind::direct_a:
      return "direct write of a";
    case Kind::direct_both:
      return "direct write of both";
    case Kind::direct_flush:
      return "direct FLUSHALL";
    case Kind::event_break:
      return "the event link breaks";
    case Kind::event_notice:
      return "proxy notices the broken event link";
    case Kind::event_connect:
      return "the event link is subscribed again";
    case Kind::data_break:
      return "link " + number + " breaks";
    case Kind::time:
      return "time passes";
    default:
      return describe_fault(kind);
  }
}

}  // namespace model
