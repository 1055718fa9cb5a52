// Loads in random schedules: clients that read, some that change the source and then invalidate,
// Redis, its events and the source take their steps in any order. Whatever it is, no read that is
// sent after an invalidation was answered may show an older value. (Of a change that nobody was
// told of, one reader may see more than another later.) An invalidation is a DEL, a script, or one
// by prefix, namespace or tag, which is answered at once and carried out by SCANs and UNLINKs that
// take their steps in any order too, and sometimes fail.
//
// In some worlds what was loaded grows stale before it is gone, and the source fails at times.
// There another proxy makes it stale too, or puts a newer value in its place, of which events tell
// late: once all is at rest no older one may have replaced that.
//
// TIERCACHE_SCHEDULES is how many; a failure prints its number, and TIERCACHE_SCHEDULE runs that
// one alone.
#include "../l2/fake_events.hpp"
#include "../proxy/fake_source.hpp"
#include "../proxy/fake_upstream.hpp"
#include "model_redis.hpp"
#include "schedule_parts.hpp"

#include "tiercache/invalidation/invalidator.hpp"
#include "tiercache/proxy/invalidations.hpp"
#include "tiercache/proxy/loads.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::invalidation::testing;
using namespace tiercache::proxy::testing;
using invalidation::How;
using invalidation::Invalidator;
using invalidation::Selection;
using proxy::LoadCounter;
using proxy::Loads;

namespace {

constexpr unsigned kWorkers = 2;
constexpr int kReaders = 3;
constexpr int kWriters = 2;
constexpr int kSteps = 80;

constexpr std::int64_t kWindow = ModelRedis::kWindow;

struct Party {
  std::unique_ptr<TestClient> client;
  std::deque<int> floors;  // readers: the oldest version that each read may show
  std::optional<int> due;  // writers: what the invalidation under way makes known
  std::string bytes;
};

// What is different in a world.
struct Kind {
  bool ages = false;   // what was loaded grows stale, and the source fails at times
  bool fails = false;  // Redis does not do what the invalidator wants, at times
  bool blind = false;  // no request looks for pending invalidations: it has to be noticed
};

// Goes through many schedules, each with a key of its own.
class World {
 public:
  explicit World(Kind kind)
      : kind_(kind),
        ages_(kind.ages),
        config_(with_source(kind.ages)),
        rig_(kWorkers, [&](config::Config& config) { config = config_; }) {
    rig_.hub.loads = std::make_shared<Loads>(
        config_, rig_.hub, [this](const l3::SourceConfig&, const std::vector<l3::Query>&) {
          auto source = std::make_unique<FakeSource>();
          source_ = source.get();
          return source;
        });
    rig_.hub.add_node({nullptr, rig_.cache, fences_, events_});
    invalidator_ = std::make_unique<Invalidator>(rig_.io, rig_.hub, config_);
    for (int i = 0; i < kReaders + kWriters; i++) {
      Party party;
      party.client = std::make_unique<TestClient>(rig_, static_cast<unsigned>(i) % kWorkers);
      parties_.push_back(std::move(party));
    }
  }

  // A query that is not answered holds what has a timer on the rig's loop, which goes first.
  ~World() {
    events_.queries.clear();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // The number of replies that were too old.
  int run(unsigned number) {
    random_.seed(number);
    key_ = "doc:" + std::to_string(number);
    database_ = acknowledged_ = replaced_ = older_ = 0;
    redis_.keys.clear();
    if (ages_) {
      database_ = 1;
      redis_.keys[key_] = {"1", redis_.now + below(4 * kWindow)};
    }
    // So that reads can find nothing first.
    const int still = below(2) == 0 ? 0 : static_cast<int>(below(kSteps));
    for (int i = 0; i < kSteps; i++) {
      step(i < still);
    }
    drain();
    redis_.expire(key_);
    acknowledge();  // all events have been heard
    acknowledged_ = std::max(acknowledged_, replaced_);
    read(parties_[0]);
    drain();
    return older_;
  }
  std::uint64_t counted(LoadCounter counter) const {
    return rig_.hub.loads->sum(counter);
  }
  // Invalidations that were answered at once, and of these the ones that were carried out.
  std::uint64_t begun() const noexcept {
    return begun_;
  }
  std::uint64_t ended() const noexcept {
    return ended_;
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
    bool idle = source_->queries.empty() && events_.queries.empty();
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
      control();
      collect();
    }
    CHECK(settled());
  }

  void step(bool still) {
    const auto all = links();
    switch (below(19)) {
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
          redis_.now += 5 * kWindow;
        } else if (below(2) == 0) {
          redis_.now += below(kWindow);
        } else {
          interfere();
        }
        redis_.expire(key_);
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
      case 15:
        rare(all);
        break;
      case 16:
        if (!still) {
          invalidate();
        }
        break;
      default:
        control();
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
  // It is true from the return of the call.
  void invalidate() {
    Selection selection;
    switch (below(3)) {
      case 0:
        selection.prefix = "doc:";
        break;
      case 1:
        selection.space = 1;
        break;
      default:
        selection.part = {"id", key_.substr(4)};
    }
    const int version = ++database_;
    const How how = ages_ && below(4) == 0 ? How::soften : How::remove;
    if (!invalidator_->matching(selection, how, Invalidator::Tell::at_end,
                                [this](const Result<std::int64_t>&) { ended_++; })) {
      return;
    }
    begun_++;
    if (kind_.blind) {
      rig_.hub.newest_invalidation = 0;
    }
    if (how == How::remove) {  // what is stale may be served
      acknowledged_ = std::max(acknowledged_, version);
    }
    if (below(2) == 0) {
      rig_.run();
    }
  }
  // What the invalidator asks of Redis: executed first, answered the next time.
  void control() {
    if (events_.queries.empty()) {
      return;
    }
    l2::testing::FakeEvents::Query& query = events_.queries.front();
    if (kind_.fails && below(100) == 0) {
      events_.answer(Error{ErrorCode::unavailable, "it is away"});
    } else if (!query.reply) {
      query.reply = redis_.control(query.words);
      return;
    } else {
      events_.answer(*query.reply);
    }
    rig_.run();
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
    // More often where Redis has something stale to fall back to.
    if (ages_ && below(redis_.keys.contains(key_) ? 2 : 4) == 0) {
      loaded = {l3::Loaded::Kind::failed, "it does not work"};
    }
    answered.load.done(std::move(loaded));
    rig_.run();
  }

  // Another proxy.
  void interfere() {
    const auto found = redis_.keys.find(key_);
    if (found == redis_.keys.end()) {
      return;
    }
    switch (below(3)) {
      case 0:
        found->second.expires = std::min(found->second.expires - 1, redis_.now + kWindow);
        break;
      case 1:  // as SET KEEPTTL, or APPEND
        replaced_ = ++database_;
        found->second.value = std::to_string(database_);
        break;
      default:
        replaced_ = ++database_;
        found->second = {std::to_string(database_), redis_.now + 4 * kWindow};
    }
    redis_.changed(key_);
  }
  void execute(FakeLink& link) {
    auto& replies = executed_[&link].replies;
    if (replies.size() < link.pending.size()) {
      replies.push_back(redis_.call(link.pending[replies.size()].words));
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
    if (!redis_.events.empty()) {
      rig_.cache.event(rig_.cache.hash(0, redis_.events.front()));
      redis_.events.pop_front();
    }
  }
  void acknowledge() {
    while (!redis_.events.empty()) {
      event();
    }
    rig_.acknowledge();
  }

  const Kind kind_;
  const bool ages_;
  config::Config config_;
  l2::Fences fences_;
  l2::testing::FakeEvents events_;
  Rig rig_;
  std::unique_ptr<Invalidator> invalidator_;
  FakeSource* source_ = nullptr;
  std::vector<Party> parties_;
  std::map<FakeLink*, Executed> executed_;
  ModelRedis redis_;
  std::mt19937 random_;
  std::string key_;
  int database_ = 0;
  int acknowledged_ = 0;
  int replaced_ = 0;  // by another proxy, with that version
  int older_ = 0;
  std::uint64_t begun_ = 0;
  std::uint64_t ended_ = 0;
};

unsigned setting(const char* name, unsigned standard) {
  const char* text = std::getenv(name);
  return text == nullptr ? standard : static_cast<unsigned>(std::atol(text));
}

}  // namespace

constexpr unsigned kSchedulesOfAWorld = 200;

TEST_CASE("no schedule of loads, changes and invalidations shows an older value") {
  const unsigned count = setting("TIERCACHE_SCHEDULES", 3000);
  const unsigned one = setting("TIERCACHE_SCHEDULE", 0);
  std::unique_ptr<World> world;
  std::array<std::uint64_t, proxy::kLoadCounters> sums{};
  std::uint64_t begun = 0;
  std::uint64_t ended = 0;
  const auto finish = [&] {
    for (std::size_t i = 0; world && i < sums.size(); i++) {
      sums[i] += world->counted(static_cast<LoadCounter>(i));
    }
    begun += world ? world->begun() : 0;
    ended += world ? world->ended() : 0;
    world.reset();
  };
  for (unsigned number = one == 0 ? 1 : one; number <= (one == 0 ? count : one); number++) {
    if (number % kSchedulesOfAWorld == 1 || !world) {
      finish();
      const unsigned which = number / kSchedulesOfAWorld;
      world = std::make_unique<World>(Kind{which % 2 == 1, which % 4 >= 2});
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
  if (one == 0) {
    CHECK(begun > count);
    CHECK(ended > count / 4);
  }
}

TEST_CASE("requests that do not look for pending invalidations are found") {
  for (const bool ages : {false, true}) {
    World world(Kind{ages, false, true});
    int older = 0;
    for (unsigned number = 1; number <= kSchedulesOfAWorld; number++) {
      older += world.run(number);
    }
    CHECK(older > 0);
  }
}
