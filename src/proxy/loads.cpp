#include "tiercache/proxy/loads.hpp"

#include "hash_read.hpp"
#include "inquiry.hpp"
#include "load_scripts.hpp"
#include "posts.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/base/split_mix.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/proxy/writes.hpp"
#include "tiercache/resp/encoder.hpp"
#include "tiercache/topology/slot_errors.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <random>
#include <utility>

namespace tiercache::proxy {

namespace {

constexpr l1::Variant kAbsence{};
constexpr auto kLeaseMore = std::chrono::milliseconds(500);

Time now() {
  return std::chrono::steady_clock::now();
}

std::string make_token() {
  std::random_device random;
  return std::to_string(std::uint64_t{random()} << 32U | random());
}

l1::Limits absent_limits() {
  l1::Limits limits;
  limits.max_bytes = Loads::kAbsent;
  return limits;
}

}  // namespace

Loads::Loads(const config::Config& config, Hub& hub, const MakeSource& make)
    : hub_(hub),
      lease_token_(make_token()),
      told_(config.upstream.nodes.empty() ? nullptr : std::make_unique<Told>()),
      stored_(std::make_unique<Stored>()),
      absent_(absent_limits()) {
  std::vector<std::vector<l3::Query>> queries(config.sources.size());
  spaces_.push_back(std::make_unique<Space>());  // of the keys of no namespace
  std::vector<std::size_t> source_of{0};
  for (const config::Namespace& one : config.namespaces) {
    auto space = std::make_unique<Space>();
    std::size_t source = 0;
    if (one.tiers == config::Tiers::l1_l2_l3) {
      while (config.sources[source].name != one.source) {
        source++;
      }
      space->pattern = config::KeyPattern::parse(one.key).value();
      space->name = one.name;
      space->source_name = one.source;
      space->queue = config.sources[source].queue;
      space->l2_ttl = one.l2_ttl;
      space->negative_ttl =
          one.negative_ttl.count() >= 0 ? one.negative_ttl : config.l1.negative_ttl;
      space->nil_on_error = one.source_error == config::SourceError::absent;
      space->result = one.result;
      space->freshness = freshness_of(one);
      if (one.lease) {
        // An answer comes after twice the time-out at the latest; then it is stored.
        space->lease = 2 * config.sources[source].timeout + kLeaseMore;
      }
      if (one.refresh_ahead_percent > 0 && !load_times_) {
        load_times_ = std::make_unique<std::array<std::atomic<std::uint32_t>, kLoadTimes>>();
      }
      space->query = queries[source].size();
      queries[source].push_back({one.query, space->pattern->names(), space->pattern->integers(),
                                 one.batch, one.result == config::LoadResult::hash});
    }
    source_of.push_back(source);
    spaces_.push_back(std::move(space));
  }
  for (std::size_t i = 0; i < config.sources.size(); i++) {
    const config::Source& one = config.sources[i];
    sources_.push_back(
        make({one.name, one.path, one.dsn, one.url, one.concurrency, one.queue, one.timeout,
              std::chrono::microseconds(one.batch_window_us), one.validated, one.cold_concurrency,
              [](const std::function<void()>& tell) {
                const Posts together;
                tell();
              }},
             std::move(queries[i])));
  }
  for (const config::Source& one : config.sources) {
    heats_.push_back(one.cold_concurrency > 0 ? std::make_unique<Heat>() : nullptr);
  }
  for (std::size_t i = 1; i < spaces_.size(); i++) {
    if (spaces_[i]->pattern) {
      spaces_[i]->source = sources_[source_of[i]].get();
      spaces_[i]->heat = heats_[source_of[i]].get();
      if (spaces_[i]->heat != nullptr) {
        spaces_[i]->heat->spaces.push_back(static_cast<namespaces::Index>(i));
      }
    }
  }
}

Loads::~Loads() = default;

std::string Loads::name_of(const Wanted& wanted) {
  return std::to_string(wanted.db) + ":" + wanted.key;
}

Loads::Seen Loads::see(const Wanted& wanted) const {
  coherence::Cache& cache = wanted.lane->cache;
  Seen seen;
  seen.wide = wide_.load(std::memory_order_seq_cst);
  seen.generation = cache.status().view().generation;
  seen.changes = cache.changes(wanted.hash);
  seen.told = told_ ? (*told_)[wanted.hash % kStripes].load(std::memory_order_seq_cst) : 0;
  seen.node = wanted.lane->index;
  return seen;
}

void Loads::count(namespaces::Index space, LoadCounter what, std::uint64_t n) noexcept {
  spaces_[space]->counts[static_cast<std::size_t>(what)].fetch_add(n, std::memory_order_relaxed);
}

bool Loads::is_absent(const Wanted& wanted, Time at) {
  const Seen seen = see(wanted);
  MutexLock lock(mutex_);
  const l1::Entry* entry = absent_.find({wanted.hash, wanted.db, wanted.key}, kAbsence, at, 1);
  if (entry == nullptr) {
    return false;
  }
  Seen then;
  TC_CHECK(entry->reply().body().size() == sizeof then);
  std::memcpy(&then, entry->reply().body().data(), sizeof then);
  return then == seen;
}

void Loads::remember_absent(const Load& load) {
  const Duration ttl = spaces_[load.wanted.space]->negative_ttl;
  const Time at = now();
  char bytes[sizeof(Seen)] = {};
  std::memcpy(bytes, &load.seen, sizeof bytes);
  std::string frame;
  resp::append_bulk(frame, {bytes, sizeof bytes});
  l1::Meta meta;
  meta.expire_at = at + ttl;
  meta.generation = 1;
  absent_.put({load.wanted.hash, load.wanted.db, load.wanted.key}, kAbsence, frame, meta, at, 1);
}

// Whether a read may have what the load brings: nothing that was acknowledged before the read was
// sent may be newer.
bool Loads::joinable(const Load& load, const Wanted& wanted) {
  switch (load.state) {
    case Load::State::fencing:
      // Of what Redis has it may fail, which is nothing to whom Redis has answered that.
      return wanted.stale || !load.wanted.stale;
    case Load::State::storing:  // until it ends no write is acknowledged
      return load.seen.node == wanted.lane->index;
    case Load::State::loading:
    case Load::State::loaded:
      return load.seen == see(wanted);
    case Load::State::ended:
      return wanted.asked < load.ended && !load.answer->failed;
  }
  return false;
}

void Loads::want(Worker& worker, Wanted wanted, std::size_t reads, Take take) {
  const namespaces::Index space = wanted.space;
  if (!fits(space, wanted.key)) {
    count(space, LoadCounter::unfit, reads);
    take({});
    return;
  }
  LoadPtr load;
  {
    MutexLock lock(mutex_);
    const auto found = loads_.find(wanted);
    if (found != loads_.end() && joinable(*found->load, wanted)) {
      Load& other = *found->load;
      count(space, LoadCounter::joined, reads);
      join(other, wanted.till_stored, std::move(take));
      return;
    }
    load = std::make_shared<Load>();
    load->wanted = std::move(wanted);
    join(*load, load->wanted.till_stored, std::move(take));
    put(load);
  }
  begin(worker, load);
}

void Loads::join(Load& load, bool till_stored, Take take) {
  const bool stores = load.state == Load::State::loaded || load.state == Load::State::storing;
  if (load.answer && !(till_stored && stores)) {
    take(*load.answer);
  } else {
    (till_stored ? load.late : load.takers).push_back(std::move(take));
  }
}

Aged Loads::heard(Worker& worker, const Wanted& wanted, std::int64_t pttl_ms, bool may_wait) {
  const Freshness& freshness = spaces_[wanted.space]->freshness;
  if (!freshness.any() || !fits(wanted.space, wanted.key)) {
    return {Age::fresh, pttl_ms};
  }
  const Time at = now();
  Duration load_time{0};
  if (load_times_) {
    load_time =
        std::chrono::microseconds(load_time_us(wanted.hash).load(std::memory_order_relaxed));
  }
  const auto ticks = static_cast<std::uint64_t>(at.time_since_epoch().count());
  Aged result = aged(freshness, pttl_ms, load_time, SplitMix(wanted.hash ^ ticks)());
  if (result.age == Age::old && !may_wait) {
    result.age = Age::stale;
  }
  if (result.age != Age::early && result.age != Age::stale) {
    return result;
  }
  LoadPtr load;
  {
    MutexLock lock(mutex_);
    const auto found = loads_.find(wanted);
    if (found != loads_.end()) {
      const Load& other = *found->load;
      const bool over = other.state == Load::State::ended && wanted.asked > other.ended &&
                        (!other.answer->failed || other.ended + kLinger < at);
      if (!over) {
        return result;
      }
    }
    load = std::make_shared<Load>();
    load->wanted = wanted;
    load->wanted.stale = true;
    put(load);
  }
  begin(worker, load);
  return result;
}

void Loads::begin(Worker& worker, const LoadPtr& load) {
  load->worker = &worker;
  active_.fetch_add(1, std::memory_order_seq_cst);
  if (!load->wanted.stale) {
    lease(load);
    return;
  }
  count(load->wanted.space, LoadCounter::anew);
  const l2::LinkPtr link = link_for(*load);
  if (!link) {
    fail(load, "Redis is away");
    return;
  }
  Inquiry::send(*link, as_it_is_request(spaces_[load->wanted.space]->result, load->wanted.key),
                [self = weak_from_this(), load](std::string_view reply) {
                  if (const auto loads = self.lock()) {
                    loads->on_as_it_was(load, reply);
                  }
                });
}

// (Redis before 7.0 cannot tell.)
void Loads::on_as_it_was(const LoadPtr& load, std::string_view reply) {
  if (!reply.starts_with('$')) {
    heed(*load, reply);
    fail(load, "Redis does not tell what it has");
    return;
  }
  if (const std::string_view was = l1::Reply::of(reply).body(); !reply.starts_with("$-1")) {
    load->as_it_was = was;
  }
  lease(load);
}

// On the load's worker's thread. Null: Redis is away.
l2::LinkPtr Loads::link_for(const Load& load) const {
  l2::LinkSpec spec;
  spec.db = load.wanted.db;
  return load.wanted.lane->links.shared(spec);
}

// The node may have lost the slot, or is about to: somebody knows more.
void Loads::heed(const Load& load, std::string_view reply) const {
  if (!topology::is_of_slots(reply)) {
    return;
  }
  if (const topology::SlotMapPtr map = hub_.slot_map()) {
    const std::size_t node = load.wanted.lane->index;
    hub_.on_redirect(node < map->nodes.size() ? map->nodes[node] : std::nullopt);
  }
}

void Loads::fence(const LoadPtr& load) {
  const Lane& lane = *load->wanted.lane;
  const coherence::View view = lane.cache.status().view();
  if (view.state != coherence::LinkState::live || view.proof != coherence::Proof::stream) {
    ask(load);  // no fence can be had, nor is any event to come
    return;
  }
  lane.fences.wait(view.next_ping(), [self = weak_from_this(), load] {
    if (const auto loads = self.lock()) {
      loads->ask(load);
    }
  });
}

unsigned Loads::warm_percent(Heat& heat) {
  if (const Time at = now(); heat.warmth.due(at)) {
    std::uint64_t reads = 0;
    std::uint64_t loads = 0;
    for (const namespaces::Index index : heat.spaces) {
      for (const Worker* worker : hub_.workers) {
        const SpaceSums sums = worker->spaces().sums(index);
        for (const SpaceCounter kind :
             {SpaceCounter::hits, SpaceCounter::misses, SpaceCounter::passed}) {
          reads += sums[static_cast<std::size_t>(kind)];
        }
      }
      for (const LoadCounter kind : {LoadCounter::loads, LoadCounter::joined}) {
        loads +=
            spaces_[index]->counts[static_cast<std::size_t>(kind)].load(std::memory_order_relaxed);
      }
    }
    heat.warmth.look(reads, loads, at);
  }
  return heat.warmth.percent();
}

void Loads::ask(const LoadPtr& load) {
  const Space& space = *spaces_[load->wanted.space];
  l3::Load work;
  {
    MutexLock lock(mutex_);
    load->state = Load::State::loading;
    load->seen = see(load->wanted);
    work.warm_percent = space.heat == nullptr ? 0 : warm_percent(*space.heat);
  }
  load->begun = now();
  // What has been written back goes before what the source has of it.
  if (const auto pending = writes_ ? writes_->pending(load->wanted.key) : std::nullopt) {
    if (!pending->known) {
      fail(load, "which writes of an earlier run it has is not known until it answers");
      return;
    }
    on_loaded(load, {pending->value ? l3::Loaded::Kind::value : l3::Loaded::Kind::absent,
                     pending->value.value_or("")});
    return;
  }
  count(load->wanted.space, LoadCounter::loads);
  work.query = space.query;
  work.values = *space.pattern->match(load->wanted.key);
  work.done = [this, load](l3::Loaded loaded) {
    on_loaded(load, std::move(loaded));
  };
  const l3::Source::Taken taken = space.source->submit(std::move(work));
  if (taken != l3::Source::Taken::yes) {
    const bool away = taken == l3::Source::Taken::away;
    fail(load, std::string(away ? l3::kAway : "too many loads are waiting"), away);
  }
}

void Loads::fail(const LoadPtr& load, std::string why, bool away) {
  on_loaded(load, {l3::Loaded::Kind::failed, std::move(why), away});
}

std::string Loads::error_frame(const Space& space, const std::string& why) const {
  std::string frame;
  resp::append_error(frame, "ERR tiercache: source '" + space.source_name + "' of namespace '" +
                                space.name + "': " + why);
  return frame;
}

std::string Loads::misfit(namespaces::Index space) const {
  std::string frame;
  resp::append_error(frame, "WRONGTYPE tiercache: namespace '" + spaces_[space]->name +
                                "' holds hashes, and this command reads strings");
  return frame;
}

// `in_redis`: another proxy has put the value there. One that fails without a reason was left to
// another proxy, and is counted as that.
void Loads::on_loaded(const LoadPtr& load, l3::Loaded loaded, bool in_redis) {
  using Kind = l3::Loaded::Kind;
  const namespaces::Index index = load->wanted.space;
  const Space& space = *spaces_[index];
  LoadAnswer answer{loaded.kind, nullptr, loaded.kind == Kind::failed};
  const bool stores =
      !in_redis && load->wanted.kept &&
      (loaded.kind == Kind::value || (loaded.kind == Kind::absent && load->as_it_was));
  if (stores && load_times_) {
    load_time_us(load->wanted.hash)
        .store(static_cast<std::uint32_t>(std::min<std::int64_t>(
                   (now() - load->begun) / std::chrono::microseconds(1), UINT32_MAX)),
               std::memory_order_relaxed);
  }
  if (loaded.kind == Kind::value) {
    std::string frame;
    if (space.result == config::LoadResult::hash) {
      frame = hash_reply(loaded.fields);
    } else {
      resp::append_bulk(frame, loaded.bytes);
    }
    answer.bytes = std::make_shared<const std::string>(std::move(frame));
  } else if (loaded.kind == Kind::absent) {
    count(index, LoadCounter::absent);
  } else {
    if (!loaded.bytes.empty()) {
      count(index, LoadCounter::failed);
    }
    if (space.nil_on_error) {
      answer.kind = Kind::absent;
    } else {
      answer.bytes = std::make_shared<const std::string>(error_frame(space, loaded.bytes));
    }
  }
  std::vector<Take> takers;
  std::vector<LoadPtr> gone;
  {
    MutexLock lock(mutex_);
    takers.swap(load->takers);
    load->answer = answer;
    if (loaded.kind == Kind::absent && space.negative_ttl.count() > 0) {
      remember_absent(*load);
    }
    if (!stores) {
      std::ranges::move(std::exchange(load->late, {}), std::back_inserter(takers));
    }
    if (stores) {
      load->state = Load::State::loaded;
    } else if (answer.failed && load->wanted.stale) {
      retire(load, gone);
    } else {
      forget(load);
    }
  }
  for (const Take& take : takers) {
    take(answer);
  }
  if (stores || load->leased) {
    Posts::post(*load->worker, [self = weak_from_this(), load, stores] {
      if (const auto loads = self.lock()) {
        stores ? loads->store(load) : loads->release(load);
      }
    });
  }
}

std::shared_ptr<Loads> make_loads(const config::Config& config, Hub& hub) {
  const bool any = std::ranges::any_of(config.namespaces, [](const config::Namespace& one) {
    return one.tiers == config::Tiers::l1_l2_l3;
  });
  if (!any) {
    return nullptr;
  }
  const auto loads = std::make_shared<Loads>(config, hub);
  loads->set_writes(make_writes(config, *loads));
  return loads;
}

}  // namespace tiercache::proxy
