#include "tiercache/proxy/loads.hpp"

#include "inquiry.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/proxy/writes.hpp"
#include "tiercache/resp/encoder.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace tiercache::proxy {

namespace {

// How long after its end a load still answers reads that were sent before it.
constexpr auto kLinger = std::chrono::seconds(1);
constexpr l1::Variant kAbsence{};

constexpr std::array<std::string_view, kLoadCounters> kNames = {
    "loads",      "load_joined", "load_absent",    "load_failed",
    "load_unfit", "load_stored", "load_not_stored"};

Time now() {
  return std::chrono::steady_clock::now();
}

l1::Limits absent_limits() {
  l1::Limits limits;
  limits.max_bytes = Loads::kAbsent;
  return limits;
}

}  // namespace

Loads::Loads(const config::Config& config, Hub& hub, const MakeSource& make)
    : hub_(hub), absent_(absent_limits()) {
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
      space->l2_ttl = one.l2_ttl;
      space->negative_ttl =
          one.negative_ttl.count() >= 0 ? one.negative_ttl : config.l1.negative_ttl;
      space->nil_on_error = one.source_error == config::SourceError::absent;
      space->query = queries[source].size();
      queries[source].push_back(
          {one.query, space->pattern->names(), space->pattern->integers(), one.batch});
    }
    source_of.push_back(source);
    spaces_.push_back(std::move(space));
  }
  for (std::size_t i = 0; i < config.sources.size(); i++) {
    const config::Source& one = config.sources[i];
    sources_.push_back(
        make({one.name, one.path, one.dsn, one.url, one.concurrency, one.queue, one.timeout,
              std::chrono::microseconds(one.batch_window_us), one.validated, one.cold_concurrency},
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

Loads::Seen Loads::see(const Wanted& wanted, std::uint64_t wide) {
  coherence::Cache& cache = wanted.lane->cache;
  Seen seen;
  seen.wide = wide;
  seen.generation = cache.status().view().generation;
  seen.changes = cache.changes(wanted.hash);
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
    case Load::State::storing:  // until it ends no write is acknowledged
      return true;
    case Load::State::loading:
    case Load::State::loaded:
      return load.seen == see(wanted);
    case Load::State::ended:
      return wanted.asked < load.ended;
  }
  return false;
}

void Loads::want(Worker& worker, Wanted wanted, std::size_t reads, Take take) {
  const namespaces::Index space = wanted.space;
  const std::string name = name_of(wanted);
  if (!spaces_[space]->pattern->match(wanted.key)) {
    count(space, LoadCounter::unfit, reads);
    take({});
    return;
  }
  LoadPtr load;
  {
    MutexLock lock(mutex_);
    const auto found = loads_.find(name);
    if (found != loads_.end() && joinable(*found->second, wanted)) {
      Load& other = *found->second;
      count(space, LoadCounter::joined, reads);
      if (other.frame) {
        take({l3::Loaded::Kind::value, other.frame});
      } else {
        other.takers.push_back(std::move(take));
      }
      return;
    }
    load = std::make_shared<Load>();
    load->worker = &worker;
    load->wanted = std::move(wanted);
    load->takers.push_back(std::move(take));
    loads_[name] = load;
  }
  active_.fetch_add(1, std::memory_order_seq_cst);
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
  // What has been written back goes before what the source has of it.
  if (const auto pending = writes_ ? writes_->pending(load->wanted.key) : std::nullopt) {
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
    on_loaded(load, {l3::Loaded::Kind::failed,
                     std::string(away ? l3::kAway : "too many loads are waiting"), away});
  }
}

std::string Loads::error_frame(const Space& space, const std::string& why) const {
  std::string frame;
  resp::append_error(frame, "ERR tiercache: source '" + space.source_name + "' of namespace '" +
                                space.name + "': " + why);
  return frame;
}

void Loads::on_loaded(const LoadPtr& load, l3::Loaded loaded) {
  using Kind = l3::Loaded::Kind;
  const namespaces::Index index = load->wanted.space;
  const Space& space = *spaces_[index];
  LoadAnswer answer{loaded.kind, nullptr};
  if (loaded.kind == Kind::value) {
    std::string frame;
    resp::append_bulk(frame, loaded.bytes);
    answer.bytes = std::make_shared<const std::string>(std::move(frame));
  } else if (loaded.kind == Kind::absent) {
    count(index, LoadCounter::absent);
  } else {
    count(index, LoadCounter::failed);
    if (space.nil_on_error) {
      answer.kind = Kind::absent;
    } else {
      answer.bytes = std::make_shared<const std::string>(error_frame(space, loaded.bytes));
    }
  }
  std::vector<Take> takers;
  {
    MutexLock lock(mutex_);
    takers.swap(load->takers);
    if (loaded.kind == Kind::value) {
      load->frame = answer.bytes;
      load->state = Load::State::loaded;
    } else {
      if (loaded.kind == Kind::absent && space.negative_ttl.count() > 0) {
        remember_absent(*load);
      }
      forget(load);
    }
  }
  for (const Take& take : takers) {
    take(answer);
  }
  if (loaded.kind == Kind::value) {
    load->worker->post([self = weak_from_this(), load] {
      if (const auto loads = self.lock()) {
        loads->store(load);
      }
    });
  }
}

// On the worker's thread. Marked first and checked then, as writes are announced first and look for
// the mark then: one of the two sees the other. Both under the mutex, as nobody may join a load for
// its being stored that is not to be.
void Loads::store(const LoadPtr& load) {
  const Wanted& wanted = load->wanted;
  bool true_still = false;
  {
    MutexLock lock(mutex_);
    ++storing_[wanted.hash];
    true_still = load->seen == see(wanted);
    load->state = true_still ? Load::State::storing : load->state;
  }
  l2::LinkSpec spec;
  spec.db = wanted.db;
  const l2::LinkPtr link = true_still ? wanted.lane->links.shared(spec) : nullptr;
  if (!link) {
    on_stored(load, "");
    return;
  }
  const std::string_view value = l1::Reply::of(*load->frame).body();
  const std::string ttl = std::to_string(spaces_[wanted.space]->l2_ttl.count());
  std::vector<std::string_view> words{"SET", wanted.key, value, "NX"};
  if (spaces_[wanted.space]->l2_ttl.count() > 0) {
    words.insert(words.end(), {"PX", ttl});
  }
  std::string request;
  resp::append_request(request, words);
  Inquiry::send(*link, request, [self = weak_from_this(), load](std::string_view reply) {
    if (const auto loads = self.lock()) {
      loads->on_stored(load, reply);
    }
  });
}

// nil: somebody else has written the key, which is as good.
void Loads::on_stored(const LoadPtr& load, std::string_view reply) {
  const bool stored = reply.starts_with("+OK");
  count(load->wanted.space, stored ? LoadCounter::stored : LoadCounter::not_stored);
  std::vector<std::function<void()>> held;
  {
    MutexLock lock(mutex_);
    unmark(storing_, load->wanted.hash);
    held.swap(held_);
    load->state = Load::State::ended;
    load->ended = now();
    if (stored || reply.starts_with("$-1")) {
      active_.fetch_sub(1, std::memory_order_seq_cst);
      ended_.push_back(load);
      ended_bytes_ += load->frame->size();
    } else {
      forget(load);
    }
    while (!ended_.empty() &&
           (ended_bytes_ > kEnded || ended_.front()->ended + kLinger < load->ended)) {
      ended_bytes_ -= ended_.front()->frame->size();
      drop(ended_.front());
      ended_.pop_front();
    }
  }
  for (const auto& go : held) {
    go();
  }
}

void Loads::forget(const LoadPtr& load) {
  active_.fetch_sub(1, std::memory_order_seq_cst);
  drop(load);
}

void Loads::drop(const LoadPtr& load) {
  const auto found = loads_.find(name_of(load->wanted));
  if (found != loads_.end() && found->second == load) {
    loads_.erase(found);
  }
}

void Loads::unmark(Marks& marks, KeyHash hash) {
  const auto mark = marks.find(hash);
  TC_CHECK(mark != marks.end());
  if (--mark->second == 0) {
    marks.erase(mark);
  }
}

void Loads::begin_write(std::span<const KeyHash> keys) {
  MutexLock lock(mutex_);
  for (const KeyHash hash : keys) {
    ++writing_[hash];
  }
}

void Loads::end_write(std::span<const KeyHash> keys) {
  std::vector<std::function<void()>> held;
  {
    MutexLock lock(mutex_);
    for (const KeyHash hash : keys) {
      unmark(writing_, hash);
    }
    held.swap(held_);
  }
  for (const auto& go : held) {
    go();
  }
}

bool Loads::is_storing(std::span<const KeyHash> keys, const std::function<void()>& go) {
  MutexLock lock(mutex_);
  bool wait = false;
  for (const KeyHash hash : keys) {  // no lambda: the thread-safety analysis does not see into it
    wait = wait || storing_.contains(hash);
  }
  if (wait) {
    held_.push_back(go);
  }
  return wait;
}

bool Loads::must_wait(std::span<const KeyHash> writes, bool wide, const std::function<void()>& go) {
  MutexLock lock(mutex_);
  bool wait = wide && !storing_.empty();
  for (const KeyHash hash : writes) {
    wait = wait || storing_.contains(hash) || writing_.contains(hash);
  }
  if (wait) {
    held_.push_back(go);
  }
  return wait;
}

std::string Loads::line(namespaces::Index space) const {
  std::string text;
  if (spaces_[space]->source == nullptr) {
    return text;
  }
  for (std::size_t i = 0; i < kLoadCounters; i++) {
    text.append(",").append(kNames[i]).append("=");
    text.append(std::to_string(spaces_[space]->counts[i].load(std::memory_order_relaxed)));
  }
  return writes_ ? text + writes_->line(space) : text;
}

std::uint64_t Loads::sum(LoadCounter counter) const {
  std::uint64_t sum = 0;
  for (const auto& space : spaces_) {
    sum += space->counts[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
  }
  return sum;
}

std::vector<std::pair<std::string, std::string>> Loads::source_lines() const {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const auto& source : sources_) {
    const l3::SourceTotals totals = source->totals();
    const std::pair<std::string_view, std::uint64_t> facts[] = {
        {"loads", totals.loads},
        {"queries", totals.queries},
        {"failed", totals.failed},
        {"timeouts", totals.timeouts},
        {"not_modified", totals.not_modified},
        {"refused", totals.refused},
        {"waiting", totals.waiting},
        {"running", totals.running},
        {"most_running", totals.most_running},
        {"allowed", totals.allowed},
        {"busy_us", totals.busy_us},
        {"left_alone", totals.left_alone ? 1 : 0},
        {"left_alone_times", totals.opened}};
    std::string text;
    for (const auto& [name, value] : facts) {
      text.append(text.empty() ? "" : ",").append(name).append("=");
      text.append(std::to_string(value));
    }
    if (writes_) {
      text += writes_->source_line(lines.size());
    }
    lines.emplace_back(source->name(), std::move(text));
  }
  return lines;
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
