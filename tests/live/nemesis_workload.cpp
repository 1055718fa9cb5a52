#include "nemesis_workload.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::testing {
namespace {

using namespace std::chrono_literals;

// Longer than any fault holds: who waits past it has lost his connection as well.
constexpr auto kPatience = 20s;
// Between two writes of one writer: readers should find something to hit.
constexpr auto kPace = 400us;
constexpr auto kRetry = 5ms;

Instant now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

NemesisWorkload::NemesisWorkload(std::uint16_t redis_port, std::uint16_t proxy_port,
                                 Span max_staleness)
    : redis_port_(redis_port), proxy_port_(proxy_port), max_staleness_(max_staleness) {
  for (std::size_t i = 0; i < kSlots; i++) {
    give_up(i);
  }
  threads_.emplace_back([this] { write_direct(); });
  threads_.emplace_back([this] { write_proxied(); });
  threads_.emplace_back([this] { read_all(1, 1); });
  threads_.emplace_back([this] { read_all(2, 32); });
}

NemesisWorkload::~NemesisWorkload() {
  stop_writers_ = true;
  stop_ = true;
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

template <class Session>
void NemesisWorkload::repeat(std::uint16_t port, const std::atomic<bool>& stop, Session&& session) {
  while (!stop) {
    try {
      Client client(port, kPatience);
      session(client);
    } catch (const ClientError&) {
      const std::lock_guard lock(mutex_);
      tally_.failures++;
    }
    std::this_thread::sleep_for(kRetry);
  }
}

void NemesisWorkload::write_direct() {
  std::minstd_rand random(1);
  repeat(redis_port_, stop_writers_, [&](Client& client) {
    client.call("CLIENT", "SETNAME", "nemesis");
    while (!stop_writers_) {
      const WriteWith with = with_ == WriteWith::restore ? WriteWith::restore : WriteWith::set;
      if (!write_one(client, random() % (kSlots / 2) * 2, with)) {
        return;
      }
      std::this_thread::sleep_for(kPace);
    }
  });
}

void NemesisWorkload::write_proxied() {
  std::minstd_rand random(2);
  repeat(proxy_port_, stop_writers_, [&](Client& client) {
    SeenKeys seen;
    while (!stop_writers_) {
      const std::size_t index = random() % (kSlots / 2) * 2 + 1;
      const WriteWith with =
          with_ == WriteWith::undeclared_eval ? WriteWith::undeclared_eval : WriteWith::set;
      const KeyPtr key = slot(index).key;
      if (!write_one(client, index, with)) {
        return;
      }
      // Its own write, at least.
      const Asked asked{key, index, now()};
      judge(0, asked, client.call("GET", key->name()), seen);
      std::this_thread::sleep_for(kPace);
    }
  });
}

// False when the outcome is not known.
bool NemesisWorkload::write_one(Client& client, std::size_t index, WriteWith with) {
  const KeyPtr key = slot(index).key;
  const std::uint64_t version = key->begin_write();
  try {
    const Value reply = send_write(client, key->name(), key->value_of(version), with);
    if (!reply.is_error()) {
      key->end_write();
      const std::lock_guard lock(mutex_);
      tally_.writes++;
      return true;
    }
  } catch (const ClientError&) {
    give_up(index);
    throw;
  }
  give_up(index);
  const std::lock_guard lock(mutex_);
  tally_.failures++;
  return false;
}

Value NemesisWorkload::send_write(Client& client, const std::string& key, const std::string& value,
                                  WriteWith with) {
  if (with == WriteWith::undeclared_eval) {
    return client.call("EVAL", "return redis.call('set', ARGV[1], ARGV[2])", "0", key, value);
  }
  if (with == WriteWith::restore) {
    client.call("SET", "restored", value);
    const Value dump = client.call("DUMP", "restored");
    return client.call("RESTORE", key, "0", dump.text, "REPLACE");
  }
  return client.call("SET", key, value);
}

void NemesisWorkload::read_all(unsigned reader, std::size_t pipeline) {
  std::minstd_rand random(reader + 2);
  repeat(proxy_port_, stop_, [&](Client& client) {
    SeenKeys seen;
    std::vector<Asked> asked;
    while (!stop_) {
      asked.clear();
      for (std::size_t i = 0; i < pipeline; i++) {
        const std::size_t index = random() % kSlots;
        const Slot at = slot(index);
        // Now and then one that was given up: its last write may still arrive.
        const KeyPtr key = at.before && random() % 8 == 0 ? at.before : at.key;
        asked.push_back({key, index, now()});
        client.send("GET", key->name());
      }
      bool refused = false;
      for (const Asked& one : asked) {
        const Value reply = client.read();
        judge(reader, one, reply, seen);
        refused = refused || reply.is_error();
      }
      if (refused) {
        std::this_thread::sleep_for(kRetry);
      }
    }
  });
}

void NemesisWorkload::judge(unsigned reader, const Asked& asked, const Value& reply,
                            SeenKeys& seen) {
  const Instant got = now();
  if (reply.is_error()) {
    const std::lock_guard lock(mutex_);
    tally_.failures++;
    return;
  }
  Judgement judgement;
  const auto version =
      reply.is_nil() ? std::optional<std::uint64_t>(0) : asked.key->version_in(reply.text);
  if (version) {
    // Writes through the proxy are seen at once; losses happen past it.
    const Span past_it = max_staleness_ + Span(extra_.load());
    const Read read{*version, asked.sent, got, direct(asked.slot) ? past_it : Span{}, past_it};
    judgement = asked.key->judge(read, losses_.all(), seen[asked.key]);
  } else {
    judgement.violation = "not a value of this key: " + reply.to_string();
  }
  const std::lock_guard lock(mutex_);
  tally_.reads++;
  if (direct(asked.slot)) {
    tally_.staleness = std::max(tally_.staleness, judgement.staleness);
  }
  if (!judgement.violation.empty()) {
    tally_.violations++;
    if (tally_.traces.size() < kTraces) {
      const auto us = [&](Instant at) {
        return std::to_string(
            std::chrono::duration_cast<std::chrono::microseconds>(at - start_).count());
      };
      tally_.traces.push_back(
          "reader " + std::to_string(reader) + ", key " + asked.key->name() +
          (direct(asked.slot) ? " (written directly)" : " (through the proxy)") + ", sent at " +
          us(asked.sent) + " us, answered at " + us(got) + " us: " + judgement.violation);
    }
  }
}

NemesisWorkload::Tally NemesisWorkload::take_tally() {
  const std::lock_guard lock(mutex_);
  return std::exchange(tally_, {});
}

std::vector<std::string> NemesisWorkload::settle() {
  stop_writers_ = true;
  threads_[0].join();
  threads_[1].join();
  stop_ = true;
  threads_[2].join();
  threads_[3].join();
  threads_.clear();
  std::vector<std::string> differences;
  Client redis(redis_port_, kPatience);
  Client proxy(proxy_port_, kPatience);
  // A direct write may stay unseen for so long.
  std::this_thread::sleep_for(max_staleness_);
  for (std::size_t i = 0; i < kSlots; i++) {
    for (const KeyPtr& key : {slots_[i].key, slots_[i].before}) {
      for (int again = 0; key && again < 3; again++) {
        const Value ours = proxy.call("GET", key->name());
        const Value theirs = redis.call("GET", key->name());
        if (ours != theirs) {
          differences.push_back(key->name() + ": " + ours.to_string() + " is " +
                                theirs.to_string() + " in Redis");
        }
      }
    }
  }
  return differences;
}

void NemesisWorkload::give_up(std::size_t index) {
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[index];
  slot.before = std::move(slot.key);
  slot.key = std::make_shared<KeyHistory>("nemesis:" + std::to_string(index) + ":" +
                                          std::to_string(given_up_++));
}

NemesisWorkload::Slot NemesisWorkload::slot(std::size_t index) {
  const std::lock_guard lock(mutex_);
  return slots_[index];
}

}  // namespace tiercache::testing
