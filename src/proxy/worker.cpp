#include "tiercache/proxy/worker.hpp"

#include "refusal.hpp"
#include "retry_budget.hpp"
#include "session.hpp"
#include "stamps.hpp"

#include "tiercache/base/words.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include <boost/asio/post.hpp>

namespace tiercache::proxy {

namespace asio = boost::asio;

void Hub::set_redis_version(std::string version) {
  MutexLock lock(mutex_);
  redis_version_ = std::move(version);
}

std::string Hub::redis_version() const {
  MutexLock lock(mutex_);
  return redis_version_;
}

void Hub::add_node(const Node& node) {
  MutexLock lock(mutex_);
  nodes_.push_back(node);
}

std::vector<Node> Hub::nodes() const {
  MutexLock lock(mutex_);
  return nodes_;
}

void Hub::set_slot_map(topology::SlotMapPtr map) {
  MutexLock lock(mutex_);
  slot_map_ = std::move(map);
}

topology::SlotMapPtr Hub::slot_map() const {
  MutexLock lock(mutex_);
  return slot_map_;
}

Node Hub::node_of(std::string_view key) const {
  MutexLock lock(mutex_);
  const topology::NodeIndex node = slot_map_ ? slot_map_->node_of[topology::slot_of(key)] : 0;
  return nodes_.at(node == topology::SlotMap::kNobody ? 0 : node);
}

namespace {

std::uint64_t secret() {
  std::random_device entropy;
  return std::uint64_t{entropy()} << 32 | entropy();
}

}  // namespace

Worker::Worker(WorkerParts parts)
    : parts_(std::move(parts)),
      poller_(io::Poller::of(parts_.io)),
      home_{0, parts_.links, parts_.fences, parts_.cache},
      link_timer_(parts_.io),
      retry_budget_(std::make_unique<RetryBudget>()),
      pause_timer_(parts_.io),
      timer_(parts_.io),
      stamps_(std::make_unique<Stamps>(secret())),
      spaces_(*parts_.config),
      hold_timer_(parts_.io) {
  read_config();
  arm_tick();
}

Worker::~Worker() {
  await_map_.clear();
  await_link_.clear();
  holding_.clear();
  // Links hold the sessions that wait for replies, and these their link.
  for (const SessionPtr& session : all()) {
    session->forget_links();
  }
}

void Worker::adopt(Socket socket, std::uint64_t client_id) {
  count(stats::Counter::clients_accepted);
  if (parts_.hub.clients.load(std::memory_order_relaxed) >= config().listen.max_clients ||
      draining_) {
    constexpr std::string_view kRefusal = "-ERR max number of clients reached\r\n";
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(kRefusal), ignored);
    return;
  }
  parts_.hub.clients.fetch_add(1, std::memory_order_relaxed);
  while (sessions_.contains(next_session_)) {
    next_session_++;
  }
  const SessionPtr session(new Session(*this, next_session_++, client_id));
  sessions_.emplace(session->id(), session);
  session_count_.store(sessions_.size(), std::memory_order_relaxed);
  session->start(std::move(socket));
}

void Worker::post(std::function<void()> work) {
  asio::post(parts_.io, std::move(work));
}

void Worker::set_config(std::shared_ptr<const config::Config> config) {
  post([this, config = std::move(config)] {
    parts_.config = config;
    read_config();
  });
}

void Worker::set_table(std::shared_ptr<const command::Table> table) {
  post([this, table = std::move(table)] {
    parts_.table = table;
    read_config();
  });
}

void Worker::add_lane(MakeLinks make_links, MakeGate make_gate, coherence::Cache& cache) {
  post([this, make_links = std::move(make_links), make_gate = std::move(make_gate), &cache] {
    auto links = make_links(*this);
    auto gate = make_gate(*this);
    const auto index = static_cast<topology::NodeIndex>(lanes_.size() + 1);
    const Lane lane{index, *links, *gate, cache};
    lanes_.push_back(
        std::unique_ptr<OwnLane>(new OwnLane{std::move(links), std::move(gate), lane}));
  });
}

void Worker::add_reader(topology::NodeIndex index, MakeLinks make_links,
                        coherence::CatchUp& catch_up) {
  post([this, index, make_links = std::move(make_links), &catch_up] {
    Lane& master = lane(index);
    auto links = make_links(*this);
    const Lane reader{index, *links, master.fences, master.cache, nullptr, nullptr, &master};
    readers_.push_back(std::unique_ptr<OwnLane>(new OwnLane{std::move(links), nullptr, reader}));
    master.catch_up = &catch_up;
    master.reader = &readers_.back()->lane;
  });
}

void Worker::connect(topology::NodeIndex index, std::uint64_t user) {
  post([this, spec = l2::LinkSpec{0, resp::Version::resp2, user}, index] {
    const Lane& lane = this->lane(index);
    lane.links.shared(spec);
    if (lane.reader != nullptr) {
      lane.reader->links.shared(spec);
    }
  });
}

void Worker::set_slot_map(topology::SlotMapPtr map) {
  post([this, map = std::move(map)] {
    slot_map_ = map;
    end_waits_for_map(0);
  });
}

Lane* Worker::lane_at(const topology::Redirect& redirect, topology::NodeIndex from) noexcept {
  const topology::NodeIndex index = slot_map_->node_at(redirect, from);
  return index == topology::SlotMap::kNobody ? nullptr : &lane(index);
}

void Worker::await_slot_map(std::function<void()> again) {
  await_map_.push_back({0, std::move(again)});
}

bool Worker::may_retry() noexcept {
  return retry_budget_->take(parts_.counters.get(stats::Counter::l2_requests),
                             config().upstream.retry_percent);
}

void Worker::await_link(Session& session) {
  constexpr std::chrono::milliseconds kPause(10);  // a connection takes some
  if (session.awaits_link) {
    return;
  }
  session.awaits_link = true;
  await_link_.emplace_back(&session);
  if (await_link_.size() > 1) {
    return;
  }
  link_timer_.expires_after(kPause);
  link_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) {
      return;
    }
    for (const SessionPtr& waiting : std::exchange(await_link_, {})) {
      waiting->awaits_link = false;
      touch(*waiting);
    }
  });
}

// A session stays among them when it has written meanwhile, so that it costs nothing then.
void Worker::hold(Session& session) {
  if (!session.holding) {
    session.holding = true;
    holding_.emplace_back(&session);
  }
  next_hold_ = std::min(next_hold_, session.hold_until());
  if (!hold_timed_) {
    time_holds(session.hold_until());
  }
}

// What links bring makes us look whose time has come; this is for when they bring nothing. To time
// each would cost more than waiting saves.
void Worker::time_holds(Time at) {
  hold_timed_ = true;
  hold_timer_.expires_at(at);
  hold_timer_.async_wait([this](const boost::system::error_code& error) {
    hold_timed_ = false;
    if (error) {
      return;
    }
    next_hold_ = {};
    on_turn_end();
    if (!hold_timed_ && !holding_.empty()) {
      time_holds(std::chrono::steady_clock::now() + Hold::kLongest);
    }
  });
}

void Worker::end_holds(Time now) {
  next_hold_ = kNever;
  std::erase_if(holding_, [&](const SessionPtr& session) {
    const Time until = session->hold_until();
    if (until > now) {
      next_hold_ = std::min(next_hold_, until);
      return false;
    }
    session->holding = false;
    if (until != Time{} && !std::exchange(session->touched, true)) {
      touched_.push_back(session);
    }
    return true;
  });
}

// Those that have waited for so many ticks.
void Worker::end_waits_for_map(unsigned ticks) {
  std::vector<AwaitsMap> waits;
  waits.swap(await_map_);
  for (AwaitsMap& wait : waits) {
    if (wait.ticks >= ticks) {
      wait.again();
    } else {
      await_map_.push_back(std::move(wait));
    }
  }
}

// An entry of commands.deny is a command, or "CONFIG|SET" for one of its subcommands.
void Worker::read_config() {
  const std::int64_t slow = config().slowlog.slower_than_us;
  slower_than_ = slow < 0 ? Duration::max() : Duration(std::chrono::microseconds(slow));
  spaces_.configure(config(), table());
  denied_names_.clear();
  denied_commands_.assign(table().commands().size(), false);
  for (const std::string& entry : config().commands.deny) {
    std::string name = entry;
    std::ranges::transform(name, name.begin(), lower);
    std::ranges::replace(name, ' ', '|');
    denied_names_.insert(name);
  }
  for (std::size_t i = 0; i < denied_commands_.size(); i++) {
    const std::string name(table().commands()[i].name);
    denied_commands_[i] =
        denied_names_.contains(name) || denied_names_.contains(name.substr(0, name.find('|')));
  }
}

bool Worker::in_denied(std::uint16_t position, command::Args args) const {
  if (position < denied_commands_.size()) {
    return denied_commands_[position];
  }
  if (args[0].size() > command::Table::kMaxNameSize) {
    return false;
  }
  std::string name(args[0]);
  std::ranges::transform(name, name.begin(), lower);
  return denied_names_.contains(name);
}

std::string Worker::denial(const command::Command* command, command::Args args) const {
  if (command != nullptr && command->subcommand) {
    const std::string container(command->name.substr(0, command->name.find('|')));
    if (!denied_names_.contains(container)) {
      return unknown_subcommand(args);
    }
  }
  return unknown_command(args);
}

std::vector<Worker::SessionPtr> Worker::all() const {
  std::vector<SessionPtr> sessions;
  sessions.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) {
    sessions.push_back(session);
  }
  return sessions;
}

void Worker::begin_drain() {
  post([this] {
    draining_ = true;
    for (const SessionPtr& session : all()) {
      session->begin_drain();
    }
  });
}

void Worker::close_all() {
  post([this] {
    draining_ = true;
    for (const SessionPtr& session : all()) {
      session->close();
      touch(*session);
    }
  });
}

void Worker::end_window(Time at) {
  const stats::Counters& counted = parts_.counters;
  bypass_.end_window(counted.get(stats::Counter::l1_hits), counted.get(stats::Counter::l1_misses),
                     at, [this] {
                       std::uint64_t evictions = home_.cache.totals().evictions;
                       for (const auto& lane : lanes_) {
                         evictions += lane->lane.cache.totals().evictions;
                       }
                       return evictions;
                     });
}

void Worker::touch(Session& session) {
  if (session.touched) {
    return;
  }
  session.touched = true;
  touched_.emplace_back(&session);
  poller_.at_turn_end(*this, io::TurnEnd::answer);
}

void Worker::on_turn_end() {
  // What lies in their inputs was read before, so one moment is right for all.
  const Time at = std::chrono::steady_clock::now();
  if (at >= next_hold_) {
    end_holds(at);
  }
  std::vector<SessionPtr> sessions;
  sessions.swap(touched_);
  for (const SessionPtr& session : sessions) {
    session->touched = false;
    session->pump(at);
  }
  if (touched_.empty()) {
    sessions.clear();
    touched_.swap(sessions);  // keep the memory
  }
}

Session* Worker::find(std::uint32_t session) const {
  const auto found = sessions_.find(session);
  return found != sessions_.end() ? found->second.get() : nullptr;
}

void Worker::remove(Session& session) {
  sessions_.erase(session.id());
  session_count_.store(sessions_.size(), std::memory_order_relaxed);
}

void Worker::learn_spec(const l2::LinkSpec& spec) {
  constexpr std::size_t kMost = 256;
  if (known_spec(spec)) {
    return;
  }
  if (known_specs_.size() < kMost) {
    known_specs_.insert({spec.db, spec.version});
  }
  if (parts_.hub.on_db_used) {
    parts_.hub.on_db_used(spec.db);
  }
}

void Worker::close_user(std::uint64_t user) {
  for (const SessionPtr& session : all()) {
    if (session->user() == user) {
      session->close();
    }
  }
}

void Worker::each_client(const std::function<void(const ClientFacts&)>& each) const {
  for (const auto& [id, session] : sessions_) {
    if (session->has_client()) {
      each(session->facts());
    }
  }
}

void Worker::each_session(const std::function<void(Session&)>& each) const {
  for (const SessionPtr& session : all()) {
    each(*session);
  }
}

void Worker::pause(PauseMode mode, Time until) {
  const bool more = pause_mode_ == PauseMode::none || until > pause_until_;
  pause_mode_ = std::max(pause_mode_, mode);
  if (!more) {
    return;
  }
  pause_until_ = until;
  pause_timer_.expires_at(until);
  pause_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      end_pause();
    }
  });
}

void Worker::end_pause() {
  pause_mode_ = PauseMode::none;
  pause_timer_.cancel();
  for (const SessionPtr& session : all()) {
    session->end_pause();
  }
}

void Worker::arm_tick() {
  timer_.expires_after(std::chrono::seconds(1));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      tick();
      arm_tick();
    }
  });
}

void Worker::tick() {
  const Time now = std::chrono::steady_clock::now();
  retry_budget_->tick(parts_.counters.get(stats::Counter::l2_requests));
  for (const SessionPtr& session : all()) {
    session->tick(now);
  }
  std::vector<std::uint64_t> users;
  for (const IdentityPtr& identity : hub().identities.in_use()) {
    users.push_back(identity->id());
  }
  std::ranges::sort(users);
  const auto in_use = [&users](std::uint64_t user) {
    return std::ranges::binary_search(users, user);
  };
  links().drop_users(in_use);
  for (const auto* lanes : {&lanes_, &readers_}) {
    for (const auto& own : *lanes) {
      own->links->drop_users(in_use);
    }
  }
  for (AwaitsMap& wait : await_map_) {
    wait.ticks++;
  }
  constexpr unsigned kLongestWait = 2;
  end_waits_for_map(kLongestWait);
}

}  // namespace tiercache::proxy
