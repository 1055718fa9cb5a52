// A proxy before a model of Redis and a source, whose every step is drawn at random
// (load_schedules_test.cpp). One thread, no clock.
#pragma once

#include "../l2/fake_events.hpp"
#include "../proxy/fake_source.hpp"
#include "../proxy/fake_upstream.hpp"
#include "model_redis.hpp"
#include "rows.hpp"
#include "schedule_parts.hpp"

#include "tiercache/invalidation/invalidator.hpp"
#include "tiercache/proxy/invalidations.hpp"
#include "tiercache/proxy/loads.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::invalidation::testing {

using proxy::LoadCounter;
using proxy::Loads;
using proxy::testing::FakeLink;
using proxy::testing::FakeLinks;
using proxy::testing::FakeSource;
using proxy::testing::Rig;
using proxy::testing::TestClient;

inline constexpr unsigned kWorkers = 2;
inline constexpr int kReaders = 3;
inline constexpr int kWriters = 2;
inline constexpr int kSteps = 120;

struct Asked {
  RowRead read;
  int floor = 0;  // the oldest version that it may show
};
struct Party {
  std::unique_ptr<TestClient> client;
  std::deque<Asked> asked;  // readers: what is not answered
  std::optional<int> due;   // writers: what the invalidation under way makes known
  std::string bytes;
};

// Goes through many schedules, each with a key of its own.
class World {
 public:
  explicit World(Kind kind)
      : kind_(kind),
        ages_(kind.ages),
        config_(with_source(kind)),
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
    speak_resp3(parties_[kReaders - 1]);
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
    favourite_ = below(16);
    calm_ = 1 + below(4);
    redis_.keys.clear();
    if (ages_ || below(2) == 0) {
      database_ = 1;
      redis_.keys[key_] = value_of(1, redis_.now + 1 + below(4 * ModelRedis::kWindow));
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
    read(parties_[0], Row::What::whole);
    drain();
    return older_;
  }
  std::uint64_t counted(LoadCounter counter) const {
    return rig_.hub.loads->sum(counter);
  }
  std::uint64_t hits() const {
    return rig_.registry.sum()[static_cast<std::size_t>(stats::Counter::l1_hits)];
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
      idle = idle && party.asked.empty() && !party.due;
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
    const bool change = below(calm_) == 0;
    switch (below(24)) {
      case 0:
      case 1:
      case 2:
      case 3:
        read(parties_[below(kReaders)], what());
        break;
      case 4:
      case 5:
        if (change && !still) {
          write(parties_[kReaders + below(kWriters)]);
        }
        break;
      case 6:
        database_ += change && !still ? 1 : 0;  // and nobody is told
        return;
      case 7:
        for (unsigned n = below(3) + 1; n > 0; n--) {
          event();
        }
        return;
      case 8:
      case 9:
        acknowledge();
        break;
      case 10:
        if (change) {
          pass_time();
        }
        return;
      case 11:
      case 12:
      case 13:
        if (!source_->queries.empty()) {
          query(below(source_->queries.size()));
        }
        break;
      case 14:
      case 15:
      case 16:
        for (unsigned n = below(3) + 1; n > 0; n--) {
          with_one([this](FakeLink& link) { return has_more(link); },
                   [this](FakeLink& link) { execute(link); });
        }
        return;
      case 17:
      case 18:
      case 19:
        for (unsigned n = below(3) + 1; n > 0; n--) {
          with_one([this](FakeLink& link) { return !executed_[&link].replies.empty(); },
                   [this](FakeLink& link) { deliver(link); });
        }
        break;
      case 20:
        if (below(8) == 0) {
          rare();
        }
        break;
      case 21:
        if (change && !still) {
          invalidate();
        }
        break;
      default:
        control();
        break;
    }
    collect();
  }
  void pass_time() {
    if (!ages_ || below(4) == 0) {
      redis_.now += 5 * ModelRedis::kWindow;
    } else if (below(2) == 0) {
      redis_.now += below(ModelRedis::kWindow);
    } else {
      interfere();
    }
    redis_.expire(key_);
  }
  void rare() {
    if (below(2) == 0) {
      rig_.cache.flush_begin();
      return;
    }
    with_one([](FakeLink&) { return true; },
             [this](FakeLink& link) {
               executed_.erase(&link);
               link.die("lost");
               rig_.run();
             });
  }
  // One of the links that can do it, if any.
  template <class Can, class Do>
  void with_one(Can&& can, Do&& act) {
    std::vector<FakeLinks::Ref> able = links();
    std::erase_if(able, [&](const FakeLinks::Ref& link) { return !can(*link); });
    if (!able.empty()) {
      act(*able[below(able.size())]);
    }
  }

  void speak_resp3(Party& party) {
    party.client->send("HELLO 3");
    for (const auto& link : links()) {
      execute(*link);
      deliver(*link);
    }
    CHECK(party.client->read().starts_with("%7\r\n"));
  }
  // Mostly the same, so that L1 has what is read.
  Row::What what() {
    const std::span<const Row::What> all = kind_.hashes ? std::span<const Row::What>(kHashReads)
                                                        : std::span<const Row::What>(kStringReads);
    return all[(favourite_ + (below(4) == 0 ? below(all.size()) : 0)) % all.size()];
  }
  void read(Party& party, Row::What what) {
    if (party.asked.size() < 3) {
      const int at = std::max(acknowledged_, 1) + static_cast<int>(favourite_ % 2 + below(5) / 4);
      party.asked.push_back({row_read(kind_.hashes, what, at, key_), acknowledged_});
      party.client->send(party.asked.back().read.words);
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
      if (party.asked.empty() && !party.due) {
        continue;
      }
      party.bytes += party.client->read();
      while (const auto reply = take_reply(party.bytes)) {
        if (party.due) {
          acknowledged_ = std::max(acknowledged_, reply->type == ':' ? *party.due : 0);
          party.due.reset();
          continue;
        }
        const Asked asked = party.asked.front();
        party.asked.pop_front();
        older_ += newest_told(asked.read, *reply) < asked.floor ? 1 : 0;
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
    ModelRedis::Value row = value_of(*answered.version, 0);
    l3::Loaded loaded{l3::Loaded::Kind::value, std::move(row.value), false, false,
                      std::move(row.fields)};
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

  ModelRedis::Value value_of(int version, std::int64_t expires) const {
    return kind_.hashes ? ModelRedis::Value{{}, fields_of_version(version), expires}
                        : ModelRedis::Value{std::to_string(version), {}, expires};
  }
  // Another proxy.
  void interfere() {
    const auto found = redis_.keys.find(key_);
    if (found == redis_.keys.end()) {
      return;
    }
    switch (below(3)) {
      case 0:
        found->second.expires =
            std::min(found->second.expires - 1, redis_.now + ModelRedis::kWindow);
        break;
      case 1:  // as SET KEEPTTL, or APPEND
        replaced_ = ++database_;
        found->second = value_of(database_, found->second.expires);
        break;
      default:
        replaced_ = ++database_;
        found->second = value_of(database_, redis_.now + 4 * ModelRedis::kWindow);
    }
    redis_.changed(key_);
  }
  bool has_more(FakeLink& link) {
    return executed_[&link].replies.size() < link.pending.size();
  }
  void execute(FakeLink& link) {
    auto& replies = executed_[&link].replies;
    if (has_more(link)) {
      replies.push_back(redis_.call(link.pending[replies.size()].words, link.spec.version));
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
  unsigned favourite_ = 0;  // of the reads
  unsigned calm_ = 1;       // changes are so rare
  std::uint64_t begun_ = 0;
  std::uint64_t ended_ = 0;
};

}  // namespace tiercache::invalidation::testing
