#include "failover_load.hpp"

#include <algorithm>
#include <charconv>
#include <random>
#include <utility>

namespace tiercache::testing {

namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 30s;
// Readers should find something to hit.
constexpr auto kPace = 300us;
constexpr auto kRetry = 5ms;
constexpr std::size_t kMostWrong = 20;

std::string value_of(const std::string& key, std::uint64_t version) {
  return key + "|" + std::to_string(version) + "|";
}

}  // namespace

std::string FailoverLoad::name(std::size_t key) {
  return "failover:" + std::to_string(key);
}

FailoverLoad::FailoverLoad(std::uint16_t proxy_port) : port_(proxy_port) {
  for (std::size_t writer = 0; writer < kWriters; writer++) {
    threads_.emplace_back([this, writer] { write_all(writer); });
  }
  threads_.emplace_back([this] { read_all(1, 1); });
  threads_.emplace_back([this] { read_all(2, 16); });
}

FailoverLoad::~FailoverLoad() {
  stop_writers_ = true;
  stop_ = true;
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void FailoverLoad::begin_disaster() {
  const std::lock_guard lock(mutex_);
  disasters_++;
  calm_ = false;
  dying_ = true;
}

void FailoverLoad::disaster() {
  const std::lock_guard lock(mutex_);
  disasters_++;
  dying_ = false;
  disaster_ = Clock::now();
  for (Key& key : keys_) {
    key.acknowledged = 0;
  }
  // What was wrong stays to be seen.
  tally_ = {.wrong = std::move(tally_.wrong)};
}

FailoverLoad::Tally FailoverLoad::tally() {
  const std::lock_guard lock(mutex_);
  return tally_;
}

template <class Session>
void FailoverLoad::repeat(const std::atomic<bool>& stop, Session&& session) {
  while (!stop) {
    try {
      Client client(port_, kPatience);
      session(client);
    } catch (const ClientError& error) {
      const std::lock_guard lock(mutex_);
      tally_.wrong.push_back(std::string("a client lost its connection: ") + error.what());
    }
    std::this_thread::sleep_for(kRetry);
  }
}

void FailoverLoad::write_all(std::size_t writer) {
  std::minstd_rand random(static_cast<unsigned>(writer) + 1);
  repeat(stop_writers_, [&](Client& client) {
    while (!stop_writers_) {
      const std::size_t index = random() % (kKeys / kWriters) * kWriters + writer;
      std::uint64_t version = 0;
      Asked asked = ask(index);
      {
        const std::lock_guard lock(mutex_);
        version = ++keys_[index].begun;
      }
      const Value reply = client.call("SET", name(index), value_of(name(index), version));
      if (reply.is_error()) {
        failed("SET: " + reply.text, asked.disasters, asked.calm);
        std::this_thread::sleep_for(kRetry);
        continue;
      }
      const std::lock_guard lock(mutex_);
      tally_.writes++;
      // One that was sent before is known to nobody who is alive, for all we know.
      if (asked.disasters == disasters_) {
        keys_[index].acknowledged = version;
        if (!calm_ && !dying_) {
          calm_ = true;
          tally_.writes_again = true;
          tally_.window =
              std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - disaster_);
        }
      }
      std::this_thread::sleep_for(kPace);
    }
  });
}

void FailoverLoad::read_all(unsigned seed, std::size_t pipeline) {
  std::minstd_rand random(seed);
  repeat(stop_, [&](Client& client) {
    std::vector<Asked> asked;
    while (!stop_) {
      asked.clear();
      for (std::size_t i = 0; i < pipeline; i++) {
        asked.push_back(ask(random() % kKeys));
        client.send("GET", name(asked.back().key));
      }
      bool refused = false;
      for (const Asked& one : asked) {
        const Value reply = client.read();
        refused |= reply.is_error();
        judge(one, reply);
      }
      std::this_thread::sleep_for(refused ? kRetry : kPace);
    }
  });
}

FailoverLoad::Asked FailoverLoad::ask(std::size_t key) {
  const std::lock_guard lock(mutex_);
  return {key, keys_[key].acknowledged, disasters_, calm_};
}

void FailoverLoad::judge(const Asked& asked, const Value& reply) {
  if (reply.is_error()) {
    failed("GET: " + reply.text, asked.disasters, asked.calm);
    return;
  }
  const std::lock_guard lock(mutex_);
  tally_.reads++;
  const std::string key = name(asked.key);
  std::uint64_t version = 0;
  if (!reply.is_nil()) {
    const char* begin = reply.text.data() + std::min(reply.text.size(), key.size() + 1);
    std::from_chars(begin, reply.text.data() + reply.text.size(), version);
    if (reply.text != value_of(key, version) || version > keys_[asked.key].begun) {
      tally_.wrong.push_back("GET " + key + " says " + reply.text);
    }
  }
  if (asked.disasters == disasters_ && version < asked.least && tally_.wrong.size() < kMostWrong) {
    tally_.wrong.push_back("GET " + key + " says version " + std::to_string(version) + " after " +
                           std::to_string(asked.least) + " was acknowledged");
  }
}

void FailoverLoad::failed(const std::string& what, std::uint64_t disasters, bool calm) {
  const std::lock_guard lock(mutex_);
  if (calm && disasters == disasters_ && tally_.wrong.size() < kMostWrong) {
    tally_.wrong.push_back("an error outside the window: " + what);
  } else {
    tally_.errors++;
  }
}

std::vector<std::string> FailoverLoad::differences(std::uint16_t redis_port) {
  stop_writers_ = true;
  for (std::size_t writer = 0; writer < kWriters; writer++) {
    threads_[writer].join();
  }
  threads_.erase(threads_.begin(), threads_.begin() + kWriters);
  Client proxy(port_, kPatience);
  Client direct(redis_port, kPatience);
  proxy.settle();
  std::vector<std::string> different;
  for (std::size_t key = 0; key < kKeys; key++) {
    const Value ours = proxy.call("GET", name(key));
    const Value theirs = direct.call("GET", name(key));
    if (ours != theirs) {
      different.push_back(name(key) + ": " + ours.to_string() + " is " + theirs.to_string());
    }
  }
  return different;
}

}  // namespace tiercache::testing
