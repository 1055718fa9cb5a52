#include "catch_up_world.hpp"

#include <algorithm>
#include <charconv>

namespace tiercache::coherence::testing {

namespace {

constexpr Time kNow = Time(std::chrono::seconds(1000));
constexpr Duration kLag = std::chrono::seconds(1);
constexpr std::uint64_t kReplica = 77;
constexpr std::array<std::string_view, 2> kKeys = {"a", "b"};

CacheConfig small() {
  CacheConfig config;
  config.shard.limits.max_bytes = std::size_t{1} << 16;
  config.shard.stripes = 16;
  return config;
}

std::string reply_of(std::uint64_t value) {
  return ":" + std::to_string(value) + "\r\n";
}

std::uint64_t value_of(const l1::Entry& entry) {
  std::string text;
  entry.reply().append_to(text);
  std::uint64_t value = 0;
  std::from_chars(text.data() + 1, text.data() + text.size(), value);
  return value;
}

}  // namespace

CatchUpWorld::CatchUpWorld(const CatchUpRules& rules, std::uint64_t seed)
    : rules_(rules), random_(seed), cache_(small()) {
  cache_.status().set_source(kReplica);
  cache_.status().set_sent(1);
  cache_.status().set_acked(1, kNow);
  cache_.status().set_state(LinkState::live);
  catch_up_.caught_up(catch_up_.ask(), kNow);
  for (Client& client : clients_) {
    for (unsigned i = 0; i < 16; i++) {
      const std::uint64_t what = random_() % 10;
      client.todo.push_back(what == 0   ? What::write
                            : what == 1 ? What::script
                            : what < 4  ? What::multi
                                        : What::read);
    }
  }
}

bool CatchUpWorld::run() {
  for (unsigned i = 0; i < 500 && right_; i++) {
    switch (random_() % 16) {
      case 0:
        if (direct_ < 4) {
          direct_++;
          master_++;
        }
        break;
      case 1:
        replica_ += replica_ < master_ ? 1 : 0;
        break;
      case 2:
        apply_event();
        break;
      case 3:
      case 4:
      case 5:
        step_ping();
        break;
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
        step_round();
        break;
      default:
        serve(random_() % kClients);
    }
  }
  return right_;
}

l1::Key CatchUpWorld::key(std::size_t index) const {
  return {cache_.hash(0, kKeys[index]), 0, kKeys[index]};
}

void CatchUpWorld::apply_event() {
  if (events_ < 2 * replica_) {
    cache_.event(key(events_++ % 2).hash);
  }
}

// One is under way at most.
void CatchUpWorld::step_ping() {
  if (!ping_) {
    cache_.status().set_sent(++pings_);
    ping_ = 2 * replica_;
  } else if (events_ >= *ping_) {
    cache_.status().set_acked(pings_, kNow);
    ping_.reset();
  }
}

void CatchUpWorld::step_round() {
  switch (round_) {
    case Round::resting:
      question_ = catch_up_.ask();
      round_ = Round::asked;
      break;
    case Round::asked:
      length_ = master_;
      round_ = Round::told;
      break;
    case Round::told:
      if (replica_ >= length_ || !rules_.compare) {
        round_ = Round::there;
      }
      break;
    case Round::there:
      fence_ = cache_.status().view().next_ping();
      round_ = Round::ping_there;
      break;
    case Round::ping_there:
      if (cache_.status().view().acked >= fence_ || !rules_.await_events) {
        catch_up_.caught_up(question_, kNow);
        round_ = Round::resting;
      }
      break;
  }
}

void CatchUpWorld::serve(std::size_t index) {
  Client& client = clients_[index];
  switch (client.at) {
    case At::idle:
      if (!client.todo.empty()) {
        begin(client);
        ask(index);
      }
      break;
    case At::fenced:
      if (cache_.status().view().acked >= client.wait) {
        client.fenced_by = client.wait;
        ask(index);
      }
      break;
    case At::sent:
      if (client.what == What::write || client.what == What::script) {
        master_++;
      }
      client.value = client.to_master ? master_ : replica_;
      of_replica += client.to_master ? 0 : 1;
      client.at = At::served;
      break;
    case At::served:
      end(index);
      break;
    case At::joined:
      break;  // whose flight it is will tell it
  }
}

void CatchUpWorld::begin(Client& client) {
  client.what = client.todo.back();
  client.todo.pop_back();
  client.key = random_() % 2;
  client.command = static_cast<std::uint16_t>(1 + random_() % 2);
  client.flight = 0;
  client.fenced_by = 0;
  client.floor = shown_;
  client.to_master = true;
  if (client.what == What::write) {
    cache_.write_begin(key(0).hash);
    cache_.write_begin(key(1).hash);
  }
}

Place CatchUpWorld::place(std::size_t index) {
  const std::size_t link = index * 2 + (clients_[index].to_master ? 0 : 1);
  return {link + 1, ++sent_[link], kReplica};
}

// As Session::pick_server and what follows it.
void CatchUpWorld::ask(std::size_t index) {
  Client& client = clients_[index];
  client.at = At::sent;
  if (client.what == What::multi) {
    ask_both(client);
    return;
  }
  if (client.what != What::read) {
    return;
  }
  const bool fresh = catch_up_.fresh(kNow, kLag);
  const bool behind = catch_up_.behind(key(client.key).hash);
  client.to_master = behind || !fresh;
  const l1::Variant variant{client.command, 0, {}};
  if (!fresh) {
    client.flight = cache_.begin_fill(key(client.key), variant, place(index), kNow);
    return;
  }
  ReadAsk ask;
  ask.key = key(client.key);
  ask.answers = {&variant, 1};
  ask.place = place(index);
  ask.fenced_by = client.fenced_by;
  ask.waiter = index;
  std::uint64_t value = 0;
  const ReadOutcome outcome =
      cache_.read(ask, kNow, [&](const l1::Entry& entry) { value = value_of(entry); });
  switch (outcome.kind) {
    case ReadOutcome::Kind::hit:
      hits++;
      hits_behind += behind ? 1 : 0;
      show(client, client.key, value);
      client.at = At::idle;
      break;
    case ReadOutcome::Kind::wait:
      client.wait = outcome.ping;
      client.at = At::fenced;
      break;
    case ReadOutcome::Kind::joined:
      client.at = At::joined;
      break;
    case ReadOutcome::Kind::send:
    case ReadOutcome::Kind::none:
      client.flight = outcome.flight;
      break;
  }
}

void CatchUpWorld::ask_both(Client& client) {
  const bool behind = catch_up_.behind(key(0).hash) || catch_up_.behind(key(1).hash);
  if (!catch_up_.fresh(kNow, kLag) || (behind && rules_.multi_waits)) {
    return;
  }
  const l1::Variant variant{1, 0, {}};
  const std::array<Part, 2> parts = {{{key(0), {&variant, 1}}, {key(1), {&variant, 1}}}};
  std::vector<std::uint64_t> values;
  const MultiOutcome outcome =
      cache_.multi(parts, client.fenced_by, kNow,
                   [&](const l1::Entry& entry) { values.push_back(value_of(entry)); });
  if (outcome.kind == MultiOutcome::Kind::wait) {
    client.wait = outcome.ping;
    client.at = At::fenced;
  } else if (outcome.kind == MultiOutcome::Kind::hit) {
    hits++;
    right_ = right_ && values[0] == values[1];
    show(client, 0, values[0]);
    show(client, 1, values[1]);
    client.at = At::idle;
  } else {
    client.to_master = behind;
  }
}

// A reply: what it means to L1 first, then it is passed on.
void CatchUpWorld::end(std::size_t index) {
  Client& client = clients_[index];
  client.at = At::idle;
  if (client.what == What::read) {
    end_read(index);
    return;
  }
  const bool script = client.what == What::script;
  if (script && rules_.mark_scripts) {
    catch_up_.shown_all();
  }
  for (std::size_t i = 0; i < 2 && !script; i++) {
    const bool write = client.what == What::write;
    if (client.to_master && (write ? rules_.mark_writes : rules_.mark_reads)) {
      catch_up_.shown(key(i).hash);
    }
    if (write) {
      cache_.write_end(key(i).hash);
    } else {
      cache_.pass_read(key(i).hash);
    }
  }
  show(client, 0, client.value);
  show(client, 1, client.value);
}

void CatchUpWorld::end_read(std::size_t index) {
  Client& client = clients_[index];
  if (client.to_master && rules_.mark_reads) {
    catch_up_.shown(key(client.key).hash);
  }
  Fill fill;
  const std::string reply = reply_of(client.value);
  fill.reply = reply;
  fill.source = kReplica;
  fill.sole = client.to_master && rules_.sole;
  Waiters waiters;
  cache_.reply(key(client.key).hash, client.flight, fill, kNow, waiters);
  if (std::ranges::find(waiters, index) == waiters.end()) {
    waiters.push_back(index);
  }
  for (const Waiter waiter : waiters) {
    Client& who = clients_[waiter];
    show(who, client.key, client.value);
    who.at = At::idle;
  }
}

void CatchUpWorld::show(Client& client, std::size_t key, std::uint64_t value) {
  right_ = right_ && value >= client.floor[key];
  shown_[key] = std::max(shown_[key], value);
}

}  // namespace tiercache::coherence::testing
