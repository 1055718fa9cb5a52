// Loads in random schedules: clients that read, some that change the source and then invalidate,
// Redis, its events and the source take their steps in any order. Whatever it is, no read that is
// sent after an invalidation was answered may show an older value. (Of a change that nobody was
// told of, one reader may see more than another later.)
//
// In some worlds what was loaded grows stale before it is gone, and the source fails at times.
// There another proxy makes it stale too, or puts a newer value in its place, of which events tell
// late: once all is at rest no older one may have replaced that.
//
// TIERCACHE_SCHEDULES is how many; a failure prints its number, and TIERCACHE_SCHEDULE runs that
// one alone.
#include "fake_source.hpp"
#include "fake_upstream.hpp"

#include "tiercache/proxy/loads.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <sstream>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::proxy::testing;
using proxy::LoadCounter;
using proxy::Loads;

namespace {

constexpr unsigned kWorkers = 2;
constexpr int kReaders = 3;
constexpr int kWriters = 2;
constexpr int kSteps = 80;

constexpr std::int64_t kWindow = 20'000;  // of a TTL of four times that, where it grows stale

config::Config with_source(bool ages) {
  config::Config config;
  config::Source& source = config.sources.emplace_back();
  source.name = "db";
  config::Namespace& space = config.namespaces.emplace_back();
  space.name = "docs";
  space.match = {"doc:*"};
  space.tiers = config::Tiers::l1_l2_l3;
  space.source = "db";
  space.key = "doc:{id:int}";
  space.query = "select doc from t where id = :id";
  space.negative_ttl = std::chrono::hours(1);
  if (ages) {
    space.l2_ttl = std::chrono::milliseconds(3 * kWindow);
    space.stale_while_revalidate = std::chrono::milliseconds(kWindow / 2);
    space.stale_if_error = std::chrono::milliseconds(kWindow);
  }
  return config;
}

int version_of(std::string_view bulk) {
  const auto at = bulk.find("\r\n") + 2;
  return bulk.starts_with("$-1") ? 0 : std::stoi(std::string(bulk.substr(at)));
}

// One reply after the other; nothing if it is not whole.
std::optional<std::string> take_reply(std::string& bytes) {
  constexpr std::string_view kOfMget = "*1\r\n";
  if (bytes.starts_with(kOfMget)) {
    bytes.erase(0, kOfMget.size());
  }
  auto end = bytes.find("\r\n");
  if (end == bytes.npos) {
    return std::nullopt;
  }
  end += 2;
  if (bytes[0] == '$' && bytes[1] != '-') {
    end = bytes.find("\r\n", end) + 2;
  }
  std::string one = bytes.substr(0, end);
  bytes.erase(0, end);
  return one;
}

struct Party {
  std::unique_ptr<TestClient> client;
  std::deque<int> floors;  // readers: the oldest version that each read may show
  std::optional<int> due;  // writers: what the invalidation under way makes known
  std::string bytes;
};

// Goes through many schedules, each with a key of its own.
class World {
 public:
  explicit World(bool ages)
      : ages_(ages),
        config_(with_source(ages)),
        rig_(kWorkers, [&](config::Config& config) { config = config_; }) {
    rig_.hub.loads = std::make_shared<Loads>(
        config_, rig_.hub, [this](const l3::SourceConfig&, const std::vector<l3::Query>&) {
          auto source = std::make_unique<FakeSource>();
          source_ = source.get();
          return source;
        });
    for (int i = 0; i < kReaders + kWriters; i++) {
      Party party;
      party.client = std::make_unique<TestClient>(rig_, static_cast<unsigned>(i) % kWorkers);
      parties_.push_back(std::move(party));
    }
  }

  // The number of replies that were too old.
  int run(unsigned number) {
    random_.seed(number);
    key_ = "doc:" + std::to_string(number);
    database_ = acknowledged_ = replaced_ = older_ = 0;
    if (ages_) {
      database_ = 1;
      redis_[key_] = {"1", now_ + below(4 * kWindow)};
    }
    // So that reads can find nothing first.
    const int still = below(2) == 0 ? 0 : static_cast<int>(below(kSteps));
    for (int i = 0; i < kSteps; i++) {
      step(i < still);
    }
    drain();
    expire();
    acknowledge();  // all events have been heard
    acknowledged_ = std::max(acknowledged_, replaced_);
    read(parties_[0]);
    drain();
    return older_;
  }
  std::uint64_t counted(LoadCounter counter) const {
    return rig_.hub.loads->sum(counter);
  }

 private:
  struct Executed {
    std::deque<std::string> replies;  // of the oldest requests
  };

  unsigned below(std::size_t n) {
    return static_cast<unsigned>(random_() % n);
  }
  std::vector<FakeLinks::Ref> links() const {
    std::vector<FakeLinks::Ref> all;
    for (const auto& thread : rig_.threads) {
      for (const auto& link : thread->links.living()) {
        all.push_back(link);
      }
    }
    return all;
  }
  bool settled() const {
    bool idle = source_->queries.empty();
    for (const auto& link : links()) {
      idle = idle && link->pending.empty();
    }
    for (const Party& party : parties_) {
      idle = idle && party.floors.empty() && !party.due;
    }
    return idle;
  }

  void drain() {
    for (int i = 0; i < 1000 && !settled(); i++) {
      acknowledge();
      if (!source_->queries.empty()) {
        query(0);
      }
      for (const auto& link : links()) {
        execute(*link);
        deliver(*link);
      }
      collect();
    }
    CHECK(settled());
  }

  void step(bool still) {
    const auto all = links();
    switch (below(16)) {
      case 0:
      case 1:
      case 2:
        read(parties_[below(kReaders)]);
        break;
      case 3:
      case 4:
        if (!still) {
          write(parties_[kReaders + below(kWriters)]);
        }
        break;
      case 5:
        database_ += still ? 0 : 1;  // and nobody is told
        break;
      case 6:
        event();
        break;
      case 7:
        acknowledge();
        break;
      case 8:
        if (!ages_ || below(4) == 0) {
          now_ += 5 * kWindow;
        } else if (below(2) == 0) {
          now_ += below(kWindow);
        } else {
          interfere();
        }
        expire();
        break;
      case 9:
      case 10:
        if (!source_->queries.empty()) {
          query(below(source_->queries.size()));
        }
        break;
      case 11:
      case 12:
      case 13:
        if (!all.empty()) {
          execute(*all[below(all.size())]);
        }
        break;
      case 14:
        if (!all.empty()) {
          deliver(*all[below(all.size())]);
        }
        break;
      default:
        rare(all);
        break;
    }
    collect();
  }
  void rare(const std::vector<FakeLinks::Ref>& all) {
    if (below(8) != 0) {
      if (!all.empty()) {
        deliver(*all[below(all.size())]);
      }
    } else if (below(2) == 0) {
      rig_.cache.flush_begin();
    } else if (!all.empty()) {
      FakeLink& link = *all[below(all.size())];
      executed_.erase(&link);
      link.die("lost");
      rig_.run();
    }
  }

  void read(Party& party) {
    if (party.floors.size() < 3) {
      party.floors.push_back(acknowledged_);
      party.client->send((below(4) == 0 ? "MGET " : "GET ") + key_);
    }
  }
  void write(Party& party) {
    if (!party.due) {
      party.due = ++database_;
      party.client->send(below(4) == 0 ? "EVAL del 0 " + key_ : "DEL " + key_);
    }
  }
  void collect() {
    for (Party& party : parties_) {
      if (party.floors.empty() && !party.due) {
        continue;
      }
      party.bytes += party.client->read();
      while (const auto reply = take_reply(party.bytes)) {
        if (party.due) {
          acknowledged_ = std::max(acknowledged_, reply->starts_with(':') ? *party.due : 0);
          party.due.reset();
          continue;
        }
        const int floor = party.floors.front();
        party.floors.pop_front();
        older_ += reply->starts_with('$') && version_of(*reply) < floor ? 1 : 0;
      }
    }
  }

  // The source: executed first, answered the next time.
  void query(std::size_t index) {
    FakeSource::Query& query = source_->queries[index];
    if (!query.version) {
      query.version = database_;
      return;
    }
    const FakeSource::Query answered = std::move(query);
    source_->queries.erase(source_->queries.begin() + static_cast<std::ptrdiff_t>(index));
    l3::Loaded loaded{l3::Loaded::Kind::value, std::to_string(*answered.version)};
    if (*answered.version == 0) {
      loaded = {l3::Loaded::Kind::absent, {}};
    }
    if (ages_ && below(4) == 0) {
      loaded = {l3::Loaded::Kind::failed, "it does not work"};
    }
    answered.load.done(std::move(loaded));
    rig_.run();
  }

  // Redis.
  void expire() {
    const auto found = redis_.find(key_);
    if (found != redis_.end() && found->second.expires <= now_) {
      redis_.erase(found);
      changed(key_);
    }
  }
  // Another proxy.
  void interfere() {
    const auto found = redis_.find(key_);
    if (found == redis_.end()) {
      return;
    }
    switch (below(3)) {
      case 0:
        found->second.expires = std::min(found->second.expires - 1, now_ + kWindow);
        break;
      case 1:  // as SET KEEPTTL, or APPEND
        replaced_ = ++database_;
        found->second.value = std::to_string(database_);
        break;
      default:
        replaced_ = ++database_;
        found->second = {std::to_string(database_), now_ + 4 * kWindow};
    }
    changed(key_);
  }
  void changed(const std::string& key) {
    events_.push_back(key);
  }
  std::string call(const std::string& words) {
    const std::string name = words.substr(0, words.find(' '));
    std::string key = words.substr(name.size() + 1);
    const auto found = redis_.find(key.substr(0, key.find(' ')));
    if (name == "PTTL") {
      return ":" + std::to_string(found == redis_.end() ? -2 : found->second.expires - now_) +
             "\r\n";
    }
    if (name == "GET" || name == "MGET") {
      std::string reply = name == "MGET" ? "*1\r\n" : "";
      if (found == redis_.end()) {
        return reply + "$-1\r\n";
      }
      resp::append_bulk(reply, found->second.value);
      return reply;
    }
    if (words.find("PEXPIRETIME") != words.npos) {
      return compare_and_set(words.substr(words.rfind(" 1 doc:") + 3));
    }
    if (name == "DEL" || name == "EVAL") {
      key = words.substr(words.rfind(' ') + 1);
      const std::size_t gone = redis_.erase(key);
      if (gone > 0) {
        changed(key);
      }
      return ":" + std::to_string(gone) + "\r\n";
    }
    // SET key value NX PX ttl
    key = key.substr(0, key.find(' '));
    const auto begin = words.find(key) + key.size() + 1;
    const Value value{words.substr(begin, words.find(' ', begin) - begin), now_ + 4 * kWindow};
    if (!redis_.emplace(key, value).second) {
      return "$-1\r\n";
    }
    changed(key);
    return "+OK\r\n";
  }
  // "key", answered with what it is; with that behind it the key is removed, with a value and a TTL
  // behind that replaced, if it still is that.
  std::string compare_and_set(const std::string& arguments) {
    std::istringstream in(arguments);
    std::string key;
    in >> key;
    const auto found = redis_.find(key);
    if (found == redis_.end()) {
      return "$-1\r\n";
    }
    const std::string is = std::to_string(found->second.expires) + ":" + found->second.value;
    std::string was;
    if (!(in >> was)) {
      std::string reply;
      resp::append_bulk(reply, is);
      return reply;
    }
    if (was != is) {
      return "$-1\r\n";
    }
    if (std::int64_t ttl = 0; in >> found->second.value >> ttl) {
      found->second.expires = now_ + ttl;
    } else {
      redis_.erase(found);
    }
    changed(key);
    return "+OK\r\n";
  }
  void execute(FakeLink& link) {
    auto& replies = executed_[&link].replies;
    if (replies.size() < link.pending.size()) {
      replies.push_back(call(link.pending[replies.size()].words));
    }
  }
  void deliver(FakeLink& link) {
    auto& replies = executed_[&link].replies;
    if (!replies.empty()) {
      const std::string reply = replies.front();
      replies.pop_front();
      link.reply(reply);
      rig_.run();
    }
  }
  void event() {
    if (!events_.empty()) {
      rig_.cache.event(rig_.cache.hash(0, events_.front()));
      events_.pop_front();
    }
  }
  void acknowledge() {
    while (!events_.empty()) {
      event();
    }
    rig_.acknowledge();
  }

  struct Value {
    std::string value;
    std::int64_t expires = 0;
  };

  const bool ages_;
  config::Config config_;
  Rig rig_;
  FakeSource* source_ = nullptr;
  std::vector<Party> parties_;
  std::map<FakeLink*, Executed> executed_;
  std::map<std::string, Value> redis_;
  std::deque<std::string> events_;
  std::mt19937 random_;
  std::string key_;
  int database_ = 0;
  int acknowledged_ = 0;
  int replaced_ = 0;              // by another proxy, with that version
  std::int64_t now_ = 1'000'000;  // Redis's clock
  int older_ = 0;
};

unsigned setting(const char* name, unsigned standard) {
  const char* text = std::getenv(name);
  return text == nullptr ? standard : static_cast<unsigned>(std::atol(text));
}

}  // namespace

TEST_CASE("no schedule of loads, changes and invalidations shows an older value") {
  constexpr unsigned kSchedulesOfAWorld = 200;
  const unsigned count = setting("TIERCACHE_SCHEDULES", 3000);
  const unsigned one = setting("TIERCACHE_SCHEDULE", 0);
  std::unique_ptr<World> world;
  bool ages = false;
  std::array<std::uint64_t, proxy::kLoadCounters> sums{};
  const auto finish = [&] {
    for (std::size_t i = 0; world && i < sums.size(); i++) {
      sums[i] += world->counted(static_cast<LoadCounter>(i));
    }
    world.reset();
  };
  for (unsigned number = one == 0 ? 1 : one; number <= (one == 0 ? count : one); number++) {
    if (number % kSchedulesOfAWorld == 1 || !world) {
      finish();
      ages = number / kSchedulesOfAWorld % 2 == 1;
      world = std::make_unique<World>(ages);
    }
    CAPTURE(number);
    CHECK(world->run(number) == 0);
  }
  finish();
  // What it is about has happened.
  for (const LoadCounter counter :
       {LoadCounter::joined, LoadCounter::absent, LoadCounter::stored, LoadCounter::not_stored,
        LoadCounter::anew, LoadCounter::stale, LoadCounter::stale_on_error}) {
    CAPTURE(static_cast<int>(counter));
    const std::uint64_t sum = sums[static_cast<std::size_t>(counter)];
    CHECK((one != 0 ? 1 : sum) > (one != 0 ? 0 : count / 100));
  }
}
