#include "tiercache/warmup/scheduler.hpp"

#include "hot_saver.hpp"
#include "run.hpp"
#include "schedule.hpp"

#include "tiercache/config/endpoint.hpp"
#include "tiercache/l3/listing.hpp"
#include "tiercache/warmup/hot_keys.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <spdlog/spdlog.h>

namespace tiercache::warmup {

namespace {

using Strategy = config::WarmupStrategy;
using Flag = std::shared_ptr<std::atomic<bool>>;

Time now() {
  return std::chrono::steady_clock::now();
}

std::unique_ptr<Keys> listed(const config::Warmup& settings) {
  std::vector<std::unique_ptr<Keys>> parts;
  if (!settings.keys.empty() || settings.file.empty()) {
    parts.push_back(std::make_unique<ListedKeys>(settings.keys));
  }
  if (!settings.file.empty()) {
    parts.push_back(std::make_unique<FileKeys>(settings.file));
  }
  return std::make_unique<JoinedKeys>(std::move(parts));
}

// Where all would be too many.
constexpr std::uint64_t kHotLimit = 10'000;

bool is_hot(const config::Warmup& settings) {
  return settings.strategy == Strategy::hot || settings.strategy == Strategy::peer;
}

std::unique_ptr<Keys> saved(std::shared_ptr<HotFile> file) {
  return std::make_unique<QueryKeys>([file = std::move(file)] { return file->read(); });
}

std::unique_ptr<Keys> queried(const config::Warmup& settings, const l3::SourceConfig& source,
                              const Flag& stop) {
  const l3::Listing listing{settings.query, settings.limit};
  return std::make_unique<QueryKeys>([source, listing, stop]() -> Result<std::vector<std::string>> {
    auto rows = l3::list(source, listing, *stop);
    if (!rows) {
      return Error{rows.error().code, "source '" + source.name + "': " + rows.error().detail};
    }
    return rows;
  });
}

}  // namespace

std::string_view name(Strategy strategy) noexcept {
  switch (strategy) {
    case Strategy::scan:
      return "scan";
    case Strategy::keys:
      return "keys";
    case Strategy::query:
      return "query";
    case Strategy::hot:
      return "hot";
    case Strategy::peer:
      return "peer";
  }
  return "unknown";
}

class Scheduler::Impl : public std::enable_shared_from_this<Scheduler::Impl> {
 public:
  Impl(SchedulerParts parts, const config::Config& config);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  bool any_required() const;
  void start(std::function<void()> ready);
  void stop();
  void save();
  std::vector<NamedProgress> progress() const;

 private:
  struct Named {
    config::Warmup settings;
    l3::SourceConfig source;          // of a query
    std::shared_ptr<HotSaver> hot{};  // of that strategy
    std::shared_ptr<Board> board = std::make_shared<Board>();
    std::shared_ptr<Run> run{};  // the last
  };

  void look();
  void look_at(Time time);
  void begin(std::size_t index);
  void on_end(std::size_t index);
  std::unique_ptr<KeyStream> stream(const Named& named, const std::shared_ptr<Reach>& reach);
  l2::Asked asked(const config::Warmup& one) const;
  void tell_ready();

  const SchedulerParts parts_;
  std::vector<Named> all_;  // as many from the constructor on
  Schedule schedule_;
  std::function<void()> ready_;
  boost::asio::steady_timer timer_;
  bool looking_ = false;
  bool without_l1_ = false;  // there are some, and nothing to be warmed
  // Null: no keys are read that may block. Its threads are made here: those of the control thread
  // would be hurried with it.
  std::unique_ptr<boost::asio::thread_pool> pool_;
};

Scheduler::Impl::Impl(SchedulerParts parts, const config::Config& config)
    : parts_(std::move(parts)), timer_(parts_.control) {
  if (!config.l1.enabled) {
    without_l1_ = !config.warmups.empty();
    return;
  }
  bool aside = false;
  for (const config::Warmup& one : config.warmups) {
    Named named;
    named.settings = one;
    const auto source = std::ranges::find(config.sources, one.source, &config::Source::name);
    if (source != config.sources.end()) {
      named.source.name = source->name;
      named.source.path = source->path;
      named.source.dsn = source->dsn;
      named.source.timeout = one.query_timeout;
    }
    if (is_hot(one) && one.limit == 0) {
      named.settings.limit = kHotLimit;
    }
    aside = aside || (one.strategy != Strategy::scan && one.strategy != Strategy::peer);
    all_.push_back(std::move(named));
  }
  if (aside) {
    pool_ = std::make_unique<boost::asio::thread_pool>(Schedule::kAtOnce);
  }
  for (Named& named : all_) {
    const config::Warmup& one = named.settings;
    if (one.strategy == Strategy::hot) {
      named.hot = std::make_shared<HotSaver>(
          parts_.control, *pool_, one.name,
          std::make_shared<HotFile>(parts_.hub, one.file, one.db, one.limit), one.save_interval);
    }
  }
}

Scheduler::Impl::~Impl() {
  for (Named& named : all_) {
    named.run.reset();
  }
  if (pool_) {
    pool_->stop();
    pool_->join();
  }
}

bool Scheduler::Impl::any_required() const {
  return std::ranges::any_of(all_, [](const Named& named) { return named.settings.required; });
}

void Scheduler::Impl::start(std::function<void()> ready) {
  if (without_l1_) {
    spdlog::warn("l1.enabled is false, so there is nothing to warm");
  }
  std::vector<Schedule::Plan> plans;
  std::string required;
  for (const Named& named : all_) {
    const config::Warmup& one = named.settings;
    plans.push_back({one.priority, one.refresh_interval, one.required, one.deadline});
    if (one.required) {
      required.append(required.empty() ? "" : ", ").append(one.name);
    }
  }
  if (!required.empty()) {
    spdlog::info("clients wait for the required warmups: {}", required);
  }
  schedule_ = Schedule(plans, now());
  ready_ = std::move(ready);
  for (const Named& named : all_) {
    if (named.hot) {
      named.hot->start();
    }
  }
  look();
}

void Scheduler::Impl::stop() {
  ready_ = nullptr;
  schedule_ = {};
  timer_.cancel();
  for (Named& named : all_) {
    if (named.run) {
      named.run->stop();
    }
    if (named.hot) {
      named.hot->stop();
    }
  }
}

void Scheduler::Impl::save() {
  for (const Named& named : all_) {
    if (named.hot) {
      named.hot->save();
    }
  }
}

std::vector<NamedProgress> Scheduler::Impl::progress() const {
  std::vector<NamedProgress> all;
  for (const Named& named : all_) {
    const config::Warmup& one = named.settings;
    all.push_back({one.name, one.strategy, one.required, named.board->read(now())});
  }
  return all;
}

// A run that ends at once ends while others are begun, and is looked at in the same turn.
void Scheduler::Impl::look() {
  if (looking_) {
    return;
  }
  looking_ = true;
  while (const auto index = schedule_.take(now())) {
    begin(*index);
  }
  looking_ = false;
  const Time at = now();
  if (ready_ && schedule_.ready(at)) {
    tell_ready();
  }
  if (const Time next = schedule_.next(at); next != kNever) {
    look_at(next);
  }
}

void Scheduler::Impl::look_at(Time time) {
  timer_.expires_at(time);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self) {
      self->look();
    }
  });
}

std::unique_ptr<KeyStream> Scheduler::Impl::stream(const Named& named,
                                                   const std::shared_ptr<Reach>& reach) {
  const config::Warmup& one = named.settings;
  if (one.strategy == Strategy::scan) {
    return make_scan(parts_.control, reach, one.db, one.pattern);
  }
  if (one.strategy == Strategy::peer) {
    return make_peer(parts_.control, asked(one));
  }
  auto stop = std::make_shared<std::atomic<bool>>(false);
  auto keys = one.strategy == Strategy::hot    ? saved(named.hot->file())
              : one.strategy == Strategy::keys ? listed(one)
                                               : queried(one, named.source, stop);
  return make_aside(*pool_, parts_.control, std::move(keys), std::move(stop));
}

// The peer hands the login on to its Redis, which is ours as a rule.
l2::Asked Scheduler::Impl::asked(const config::Warmup& one) const {
  l2::Asked asked{config::parse_endpoint(one.peer).value(),
                  parts_.user,
                  parts_.password,
                  {},
                  one.query_timeout};
  if (one.db != 0) {
    asked.commands.push_back({"SELECT", std::to_string(one.db)});
  }
  asked.commands.push_back({"CACHE", "HOT", "COUNT", std::to_string(one.limit)});
  return asked;
}

void Scheduler::Impl::begin(std::size_t index) {
  Named& named = all_[index];
  const config::Warm defaults = parts_.defaults();
  Job job;
  job.name = named.settings.name;
  job.db = named.settings.db;
  job.pattern = named.settings.pattern;
  job.limit = named.settings.limit;
  job.rate = named.settings.rate != 0 ? named.settings.rate : defaults.rate;
  job.batch = defaults.batch;
  job.load = named.settings.load;
  const auto reach = std::make_shared<Reach>(parts_.hub);
  named.run =
      std::make_shared<Run>(RunParts{parts_.control, parts_.hub, reach}, std::move(job),
                            stream(named, reach), named.board, [weak = weak_from_this(), index] {
                              if (const auto self = weak.lock()) {
                                self->on_end(index);
                              }
                            });
  named.run->start();
}

void Scheduler::Impl::on_end(std::size_t index) {
  schedule_.on_end(index);
  look();
}

void Scheduler::Impl::tell_ready() {
  for (std::size_t i = 0; i < all_.size(); i++) {
    const config::Warmup& one = all_[i].settings;
    if (!one.required) {
      continue;
    }
    const Progress progress = all_[i].board->read(now());
    if (!schedule_.ended_once(i)) {
      spdlog::warn("warmup '{}' is required and not done after {} ms: clients are let in without",
                   one.name, one.deadline.count());
    } else if (progress.state == State::failed) {
      spdlog::warn("warmup '{}' is required and has failed: clients are let in without", one.name);
    } else {
      spdlog::info("warmup '{}', which is required, is done", one.name);
    }
  }
  std::exchange(ready_, nullptr)();
}

Scheduler::Scheduler(SchedulerParts parts, const config::Config& config)
    : impl_(std::make_shared<Impl>(std::move(parts), config)) {
}

Scheduler::~Scheduler() = default;

bool Scheduler::any_required() const {
  return impl_->any_required();
}

void Scheduler::start(std::function<void()> ready) {
  impl_->start(std::move(ready));
}

void Scheduler::stop() {
  impl_->stop();
}

void Scheduler::save() {
  impl_->save();
}

std::vector<NamedProgress> Scheduler::progress() const {
  return impl_->progress();
}

}  // namespace tiercache::warmup
