// World, the part that plays the proxy's shell when something comes back: replies, answers from
// other threads, and the loss of a link. Included by world.hpp only.
#pragma once

#include <algorithm>

namespace model {

// What must happen to L1 before a reply, or the news that there will be none, goes out.
template <Rules R>
void World<R>::end_barriers(const Request& request) {
  switch (request.letter) {
    case 'W':
    case 'E':
      cache_.write_end(key(0).hash);
      break;
    case 'w':
      cache_.write_end(key(1).hash);
      break;
    case 'N':
      cache_.write_end(key(0).hash);
      cache_.write_end(key(1).hash);
      break;
    case 'F':
      cache_.flush_end();
      break;
    case 'B':
      cache_.blocking_write_reply(key(0).hash);
      break;
    default:
      break;
  }
}

template <Rules R>
void World<R>::pass(Op& op, const Request& request, std::uint8_t mask) {
  for (unsigned k = 0; k < kKeys; k++) {
    if ((mask >> k) & 1U) {
      cache_.pass_read(key(k).hash);
      op.value[k] = request.value[k];
    }
  }
  op.mask = mask;
}

template <Rules R>
coherence::Fill World<R>::fill_of(const Request& r, unsigned k) const {
  static const auto kNumbers = [] {
    std::array<std::string, 256> numbers;
    for (unsigned i = 0; i < numbers.size(); i++) {
      numbers[i] = std::to_string(i);
    }
    return numbers;
  }();
  coherence::Fill fill;
  fill.source = r.old_server || failovers_ == script_->failovers ? 1 : 2;
  fill.reply = kNumbers[r.value[k]];
  fill.missing = k == 0 && redis_has_none_of_a(r.value[k]);
  fill.pttl_ms = k == 0 ? r.pttl : -1;
  return fill;
}

template <Rules R>
void World<R>::reply(unsigned link_index) {
  const Request r = links_[link_index].replies.front();
  pop_front(links_[link_index].replies);
  Client& c = clients_[r.client];
  coherence::Waiters waiters;
  if (r.letter != 'M' && (r.flights[0] != 0 || r.flights[1] != 0)) {
    const unsigned k = r.flights[0] != 0 ? 0 : 1;
    cache_.reply(key(k).hash, r.flights[k], fill_of(r, k), now(), waiters);
    for (const coherence::Waiter waiter : waiters) {
      const unsigned client = static_cast<unsigned>(waiter / 64);
      const auto index = static_cast<std::uint8_t>(waiter % 64);
      if (thread_of(client) == thread_of(r.client)) {
        answer(client, index, static_cast<std::uint8_t>(k), r.value[k], false);
      } else {
        mail_[client].push_back({index, r.value[k], false});
      }
    }
    return;
  }
  Op* op = find(r.client, r.op);
  c.order.on_paid();
  end_barriers(r);
  switch (r.letter) {
    case 'M':
      if (r.flights[0] != 0 || r.flights[1] != 0) {
        for (unsigned k = 0; k < kKeys; k++) {
          if (r.flights[k] != 0) {
            cache_.reply(key(k).hash, r.flights[k], fill_of(r, k), now(), waiters);
            op->value[k] = r.value[k];
          }
        }
        op->mask = 3;
      } else {
        pass(*op, r, 3);
      }
      break;
    case 'P':
    case 'R':
    case 'Q':
      pass(*op, r, 1);
      break;
    case 'r':
      pass(*op, r, 2);
      break;
    case 'L':
      op->hold = c.order.on_wide_write_reply(
          cache_.status().view(), script_->session_scripts ? coherence::ScriptMode::session
                                                           : coherence::ScriptMode::strict);
      need_ping(std::max(op->hold, c.order.fence()));
      op->wide_done_due = true;
      op->mask = 1;
      op->value[0] = r.value[0];
      break;
    case 'W':
    case 'B':
      op->mask = 1;
      op->value[0] = r.value[0];
      break;
    case 'w':
      op->mask = 2;
      op->value[1] = r.value[1];
      break;
    case 'F':
      op->wide_done_due = true;
      op->mask = 3;
      op->value = r.value;
      break;
    case 'N':
      op->mask = 3;
      op->value = r.value;
      break;
    case 'E':
      op->exec_ok = r.exec_ok;
      op->watched = r.watched;
      op->mask = r.exec_ok ? 1 : 0;
      op->value[0] = r.value[0];
      op->unpins = true;
      break;
    case 'U':
      op->unpins = true;
      break;
    default:
      break;
  }
  for (unsigned k = 0; k < kKeys; k++) {
    if ((op->reads >> k) & 1U) {
      c.order.on_read_done(key(k).hash);
    }
  }
  op->ready = true;
  drain(r.client);
}

template <Rules R>
void World<R>::answer(unsigned client, std::uint8_t index, std::uint8_t k, std::uint8_t value,
                      bool lost) {
  Client& c = clients_[client];
  Op* op = find(client, index);
  if (op->letter == 'r') {
    k = 1;
  }
  op->failed = lost;
  op->mask = static_cast<std::uint8_t>(1U << k);
  op->value[k] = value;
  op->ready = true;
  c.order.on_paid();
  c.order.on_read_done(key(k).hash);
  c.foreign_wait = false;
  drain(client);
}

template <Rules R>
void World<R>::drain(unsigned client) {
  Client& c = clients_[client];
  while (!c.ops.empty() && c.ops.front().ready && c.ops.front().hold == 0) {
    finish(client, c.ops.front());
    pop_front(c.ops);
  }
  if (c.unpin_due && c.order.owed() == 0 && c.ops.empty()) {
    c.unpin_due = false;
    c.pinned = false;
    c.link = static_cast<std::uint8_t>(thread_of(client));
    c.order.on_moved();
    c.order.set_upstream_only(false);
  }
  if (c.moving && c.order.owed() == 0) {
    dispatch(client, c.ops.back(), 0);
  }
}

template <Rules R>
void World<R>::lose(unsigned link_index) {
  Link& link = links_[link_index];
  Queue<Request> pending = link.replies;
  pending.insert(pending.end(), link.requests.begin(), link.requests.end());
  orphans_.insert(orphans_.end(), link.requests.begin(), link.requests.end());
  link = Link{};
  link.id = next_link_++;
  for (const Request& r : pending) {
    coherence::Waiters waiters;
    for (unsigned k = 0; k < kKeys; k++) {
      if (r.flights[k] != 0) {
        cache_.flight_lost(key(k).hash, r.flights[k], waiters);
      }
    }
    for (const coherence::Waiter waiter : waiters) {
      const unsigned client = static_cast<unsigned>(waiter / 64);
      const auto index = static_cast<std::uint8_t>(waiter % 64);
      if (thread_of(client) == thread_of(r.client)) {
        answer(client, index, 0, 0, true);
      } else {
        mail_[client].push_back({index, 0, true});
      }
    }
    if (!waiters.empty()) {
      continue;
    }
    end_barriers(r);
    Op* op = find(r.client, r.op);
    Client& c = clients_[r.client];
    c.order.on_paid();
    for (unsigned k = 0; k < kKeys; k++) {
      if ((op->reads >> k) & 1U) {
        c.order.on_read_done(key(k).hash);
      }
    }
    op->wide_done_due = r.letter == 'L' || r.letter == 'F';
    op->failed = true;
    op->ready = true;
    drain(r.client);
  }
}

}  // namespace model
