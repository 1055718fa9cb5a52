// World, the rarer things that happen to Redis and to the event link: a failover, notifications
// switched off, SWAPDB, and the canary that is to notice. Included by world.hpp only.
#pragma once

namespace model {

template <Rules R>
void World<R>::lose_feed(bool noticed) {
  feed_ = noticed ? Feed::noticed : Feed::broken;
  canary_ = Canary::none;
  events_.clear();
  hidden_.clear();
  invalidated_ = 0;
  pings_.clear();
}

template <Rules R>
void World<R>::apply_fault(Kind kind, coherence::EventLinkActions& actions) {
  switch (kind) {
    case Kind::failover:
      // The event link breaks and will reach the new server; the data links still reach the old
      // one, which holds what it held.
      failovers_--;
      old_versions_ = versions_;
      for (Link& link : links_) {
        link.old_server = true;
        for (Request& reply : link.replies) {
          reply.old_server = true;
        }
      }
      lose_feed(false);
      break;
    case Kind::deafen:
      deafenings_--;
      deaf_ = true;
      break;
    case Kind::swap:
      swaps_--;
      writes_++;
      history_.push_back(3);
      versions_ = {writes_, writes_};
      swapped_ = unheard_of_ = true;
      break;
    case Kind::canary_tick:
      canaries_--;
      event_link_.on_tick(now(), cache_.status(), actions);
      break;
    case Kind::canary_exec:
      canary_ = swapped_ ? Canary::surprised : Canary::replied;
      swapped_ = unheard_of_ = false;
      emit({Event::Kind::canary, 0});
      break;
    case Kind::canary_read: {
      const bool surprise = canary_ == Canary::surprised;
      canary_ = Canary::none;
      event_link_.on_canary_written(surprise, now(), cache_.status(), actions);
      break;
    }
    default:
      break;
  }
}

template <Rules R>
std::string World<R>::describe_fault(Kind kind) const {
  switch (kind) {
    case Kind::failover:
      return "failover: the event link breaks, the data links reach the old server";
    case Kind::deafen:
      return "notifications are switched off";
    case Kind::swap:
      return "direct SWAPDB";
    case Kind::canary_tick:
      return "it is time for a canary";
    case Kind::canary_exec:
      return "redis executes the canary";
    case Kind::canary_read:
      return "proxy reads the canary's old value";
    default:
      return "?";
  }
}

}  // namespace model
