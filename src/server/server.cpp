#include "tiercache/server/server.hpp"

#include "cluster_nodes.hpp"
#include "io_thread.hpp"
#include "logging.hpp"
#include "process.hpp"
#include "reader.hpp"
#include "reload.hpp"
#include "settings.hpp"

#include "tiercache/admin/admin.hpp"
#include "tiercache/config/load.hpp"
#include "tiercache/config/schema.hpp"
#include "tiercache/observe/auditor.hpp"
#include "tiercache/proxy/listener.hpp"
#include "tiercache/proxy/loads.hpp"
#include "tiercache/proxy/user_watch.hpp"
#include "tiercache/proxy/writes.hpp"

#include <csignal>
#include <cstdio>
#include <random>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace tiercache::server {

namespace asio = boost::asio;

namespace {

constexpr auto kGrace = std::chrono::milliseconds(500);
constexpr auto kGlance = std::chrono::milliseconds(1);

}  // namespace

std::string_view version() noexcept {
  return TIERCACHE_VERSION;
}

class Server::Impl {
 public:
  Impl(Options options, const config::Config& config, const std::string& password);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status open();
  Status run();

 private:
  std::uint64_t random();
  void make_threads(const std::string& password);
  void make_events(const std::string& password);
  void make_topology(const std::string& password);
  void connect_links();
  void on_commands(const std::vector<command::LearntCommand>& commands);
  void log_start() const;
  void await_live();
  void let_in();
  void await_signal();
  void on_signal(int signal);
  void reload();
  void begin_stop(int signal);
  void await_drained();
  std::size_t sessions() const;

  // Above what uses them: the order in which they go is the reverse.
  const Options options_;
  std::random_device entropy_;
  asio::io_context control_{1};
  asio::signal_set signals_{control_};
  asio::steady_timer start_timer_{control_};
  Time accept_from_{};
  Time replay_until_{};
  asio::steady_timer drain_timer_{control_};
  Time drain_until_ = kNever;
  bool stopping_ = false;
  Status ended_{Unit{}};  // an error: why it could not go on

  stats::Registry registry_;
  proxy::Hub hub_;
  l2::Fences fences_;
  const l2::UpstreamPtr upstream_;
  const unsigned thread_count_;
  const std::uint64_t cache_seed_;
  coherence::Cache cache_;
  admin::LiveSettings settings_;
  std::unique_ptr<ClusterNodes> cluster_;  // null: there is one server
  std::unique_ptr<Reader> reader_;         // null: reads go to the master
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::unique_ptr<l2::Events> events_;
  std::unique_ptr<l2::Topology> topology_;
  std::unique_ptr<proxy::UserWatch> user_watch_;
  std::unique_ptr<warmup::Warmup> warmup_;
  std::unique_ptr<warmup::Scheduler> warmups_;
  std::unique_ptr<invalidation::Invalidator> invalidator_;
  std::unique_ptr<invalidation::Handlers> handlers_;
  std::unique_ptr<invalidation::Feeds> feeds_;
  std::unique_ptr<observe::Auditor> auditor_;
  std::unique_ptr<proxy::Extensions> extensions_;
  proxy::Listener tcp_;
  proxy::Listener unix_;
};

Server::Impl::Impl(Options options, const config::Config& config, const std::string& password)
    : options_(std::move(options)),
      upstream_(upstream(config)),
      thread_count_(thread_count(config, std::thread::hardware_concurrency())),
      cache_seed_(random()),
      cache_(cache_config(config, shard_count(config, thread_count_), cache_seed_)),
      settings_(std::make_shared<const config::Config>(config), hub_),
      tcp_(control_, hub_),
      unix_(control_, hub_) {
  make_events(password);
  make_topology(password);
  warmup_ = std::make_unique<warmup::Warmup>(control_, hub_);
  warmups_ = std::make_unique<warmup::Scheduler>(
      warmup::SchedulerParts{control_, hub_, [this] { return settings_.get()->warm; },
                             config.upstream.user, password},
      config);
  invalidator_ = std::make_unique<invalidation::Invalidator>(control_, hub_, config);
  handlers_ = std::make_unique<invalidation::Handlers>(
      control_, cluster_ ? cluster_->any_events() : *events_, config.handlers);
  feeds_ = std::make_unique<invalidation::Feeds>(control_, *invalidator_, *handlers_, hub_, config);
  auditor_ = std::make_unique<observe::Auditor>(
      observe::AuditorParts{control_, cache_, *events_, fences_, registry_.add_thread(), random(),
                            reader_ ? &reader_->catch_up() : nullptr});
  extensions_ =
      admin::make_admin({control_, hub_, cache_, registry_, fences_, *events_, *upstream_,
                         *topology_, settings_, *warmup_, *warmups_, *invalidator_, *feeds_,
                         *handlers_, std::string(version()), std::chrono::steady_clock::now()});
  make_threads(password);
  if (reader_) {
    reader_->add_lanes(0);
  }
  if (cluster_) {
    cluster_->start(static_cast<l2::ClusterTopology&>(*topology_));
  }
  settings_.on_change = [this](const config::Config& changed) {
    const config::Coherence& coherence = changed.coherence;
    const l2::EventIntervals intervals{coherence.heartbeat, coherence.max_staleness,
                                       coherence.canary_interval};
    events_->set_intervals(intervals);
    auditor_->set_rate(coherence.audit_per_s);
    if (cluster_) {
      cluster_->set_intervals(intervals);
      cluster_->set_audit_rate(coherence.audit_per_s);
    }
    user_watch_->set_acl_ttl(coherence.acl_ttl);
    set_log_level(changed.log.level);
  };
}

// Nothing runs any more; what is still queued on the loops is dropped with them. The extensions go
// before the workers, to whom they owe answers.
Server::Impl::~Impl() {
  for (const auto& thread : threads_) {
    thread->stop();
  }
  feeds_.reset();
  hub_.loads.reset();
  extensions_.reset();
}

std::uint64_t Server::Impl::random() {
  return std::uint64_t{entropy_()} << 32 | entropy_();
}

void Server::Impl::make_threads(const std::string& password) {
  const admin::ConfigPtr config = settings_.get();
  const l2::LinksConfig links = links_config(*config, upstream_, password);
  for (std::uint32_t i = 0; i < thread_count_; i++) {
    threads_.push_back(std::make_unique<IoThread>(
        IoThreadParts{hub_, cache_, fences_, *extensions_, registry_, config, links, random(), i}));
    hub_.workers.push_back(&threads_.back()->worker());
  }
}

void Server::Impl::make_events(const std::string& password) {
  reader_ = Reader::make({control_, hub_, *settings_.get(), password, upstream_, [this] {
                            return random();
                          }});
  l2::EventsListeners listeners;
  listeners.on_server_known = [this](const std::string& redis_version, const std::string&) {
    if (!redis_version.empty()) {
      hub_.set_redis_version(redis_version);
    }
    connect_links();
  };
  listeners.on_commands = [this](const std::vector<command::LearntCommand>& commands) {
    on_commands(commands);
  };
  invalidation::tell_changes(listeners, handlers_, settings_.get()->handlers);
  events_ = l2::make_events(
      control_, cache_, fences_,
      events_config(*settings_.get(), reader_ ? reader_->upstream() : upstream_, password,
                    fmt::format("{:016x}", random())),
      std::move(listeners), [engine = std::mt19937_64(random())]() mutable { return engine(); });
  hub_.add_node({upstream_, cache_, fences_, *events_,
                 reader_ ? reader_->watch(cache_.status(), fences_, *events_) : nullptr});
  const config::Config& config = *settings_.get();
  if (!config.upstream.nodes.empty()) {
    cluster_ = std::make_unique<ClusterNodes>(
        ClusterParts{control_, hub_, registry_, settings_, password, cache_seed_, cache_.shards(),
                     [this] { return random(); },
                     [this](l2::EventsListeners& of_a_node) {
                       invalidation::tell_changes(of_a_node, handlers_, settings_.get()->handlers);
                     }});
  }
  const auto login = password.empty() ? proxy::ProxyLogin::none : proxy::ProxyLogin::password;
  if (config.listen.auth == config::Auth::upstream) {
    hub_.identities.ask_about_anonymous(password.empty() ? proxy::Identities::AnonymousAs::proxy
                                                         : proxy::Identities::AnonymousAs::nobody);
  }
  user_watch_ = std::make_unique<proxy::UserWatch>(control_, hub_,
                                                   cluster_ ? cluster_->any_events() : *events_,
                                                   login, config.coherence.acl_ttl);
  hub_.kept_prefixes = kept_prefixes(config);
  hub_.keyspace = proxy::make_keyspace(config, random());
  hub_.loads = proxy::make_loads(config, hub_);
  hub_.on_db_used = [this](std::uint32_t db) {
    events_->use_db(db);
    feeds_->use_db(db);
  };
}

void Server::Impl::make_topology(const std::string& password) {
  const admin::ConfigPtr config = settings_.get();
  if (cluster_) {
    topology_ = l2::make_cluster(
        control_, cluster_config(*config, password, random()),
        [this](const topology::ClusterServers& servers) { cluster_->on_servers(servers); });
    return;
  }
  if (config->upstream.sentinels.empty()) {
    topology_ = l2::make_standalone(config->upstream.address);
    return;
  }
  topology_ = l2::make_sentinel(control_, upstream_, sentinel_config(*config, password, random()),
                                [this](const std::string& why) {
                                  if (!reader_) {
                                    events_->relocate(why);
                                  }
                                });
}

// Ready before the first client is: a read sent on a link that does not know yet whom it reaches
// cannot fill L1.
void Server::Impl::connect_links() {
  for (proxy::Worker* worker : hub_.workers) {
    worker->connect(0, hub_.identities.anonymous()->id());
  }
}

void Server::Impl::on_commands(const std::vector<command::LearntCommand>& commands) {
  const auto table = command::Table::with(commands);
  for (proxy::Worker* worker : hub_.workers) {
    worker->set_table(table);
  }
}

Status Server::Impl::open() {
  const admin::ConfigPtr config = settings_.get();
  const config::Listen& listen = config->listen;
  if (proxy::Writes* writes = proxy::source_writes(hub_)) {
    if (Status status = writes->open(hub_); !status) {
      return status;
    }
    replay_until_ = std::chrono::steady_clock::now() + config->limits.drain_timeout;
  }
  // For so long clients are better off elsewhere than in a queue.
  const auto queue = warmups_->any_required() ? proxy::Listener::Queue::from_start
                                              : proxy::Listener::Queue::from_open;
  if (listen.port != 0) {
    if (Status status = tcp_.open_tcp(listen, queue); !status) {
      return status;
    }
  }
  if (!listen.unix_socket.empty()) {
    if (Status status = unix_.open_unix(listen, queue); !status) {
      return status;
    }
  }
  return Unit{};
}

void Server::Impl::log_start() const {
  log_serving(*settings_.get(), {tcp_.port(), thread_count_, cache_.shards(), upstream_->where()});
}

Status Server::Impl::run() {
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  signals_.add(SIGHUP);
  await_signal();
  if (!warmups_->any_required()) {
    log_start();
  }
  for (const auto& thread : threads_) {
    thread->start();
  }
  hurry_this_thread();  // not before: a new thread inherits it
  connect_links();
  topology_->start();
  events_->start();
  if (reader_) {
    reader_->start();
  }
  user_watch_->start();
  feeds_->start();
  auditor_->set_rate(settings_.get()->coherence.audit_per_s);
  if (cluster_) {
    cluster_->set_audit_rate(settings_.get()->coherence.audit_per_s);
  }
  accept_from_ = std::chrono::steady_clock::now() + kGrace;
  await_live();
  const auto guard = asio::make_work_guard(control_);
  control_.run();
  warmups_->save();
  topology_->stop();
  if (reader_) {
    reader_->stop();
  }
  events_->stop();
  if (cluster_) {
    cluster_->stop();
  }
  for (const auto& thread : threads_) {
    thread->stop();
  }
  for (const auto& [name, line] : proxy::namespace_lines(hub_)) {
    spdlog::info("namespace {}: {}", name, line);
  }
  spdlog::info("stopped");
  return ended_;
}

// Clients wait in the listen queue until L1 may serve, so that the first ones find it working; but
// not for long, since a Redis that is away is no reason to be away too.
void Server::Impl::await_live() {
  const bool live = cache_.status().view().state == coherence::LinkState::live &&
                    hub_.identities.anonymous()->known();
  const Time at = std::chrono::steady_clock::now();
  const proxy::Writes* writes = proxy::source_writes(hub_);
  const bool replays = writes != nullptr && !writes->ready();
  if ((!live && at < accept_from_) || (replays && at < replay_until_)) {
    start_timer_.expires_after(kGlance);
    start_timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) {
        await_live();
      }
    });
    return;
  }
  if (!stopping_) {
    warmups_->start([this] { let_in(); });
  }
}

void Server::Impl::let_in() {
  const admin::ConfigPtr config = settings_.get();
  Status status = Unit{};
  if (config->listen.port != 0) {
    status = tcp_.start();
  }
  if (status && !config->listen.unix_socket.empty()) {
    status = unix_.start();
  }
  if (!status) {
    ended_ = std::move(status);
    control_.stop();
    return;
  }
  if (warmups_->any_required()) {
    log_start();
  }
}

void Server::Impl::await_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (!error) {
      on_signal(signal);
      await_signal();
    }
  });
}

void Server::Impl::on_signal(int signal) {
  if (signal == SIGHUP) {
    reload();
  } else if (stopping_) {
    spdlog::warn("a second signal: stopping at once");
    control_.stop();
  } else {
    begin_stop(signal);
  }
}

void Server::Impl::reload() {
  if (auto next = reload_config(options_, *settings_.get())) {
    settings_.apply(std::make_shared<const config::Config>(std::move(*next)));
  }
}

void Server::Impl::begin_stop(int signal) {
  stopping_ = true;
  drain_until_ = std::chrono::steady_clock::now() + settings_.get()->limits.drain_timeout;
  spdlog::info("{}: stopping, {} clients connected", signal == SIGINT ? "SIGINT" : "SIGTERM",
               hub_.clients.load());
  tcp_.stop();
  unix_.stop();
  warmups_->stop();
  handlers_->hear_no_more();
  for (proxy::Worker* worker : hub_.workers) {
    worker->begin_drain();
  }
  await_drained();
}

std::size_t Server::Impl::sessions() const {
  std::size_t count = 0;
  for (const proxy::Worker* worker : hub_.workers) {
    count += worker->sessions();
  }
  return count;
}

void Server::Impl::await_drained() {
  const std::size_t clients = sessions();  // first: they begin writes
  const proxy::Writes* writes = proxy::source_writes(hub_);
  const std::string left = writes != nullptr ? writes->left() : std::string();
  if (clients == 0 && left.empty() && handlers_->settled()) {
    control_.stop();
    return;
  }
  if (std::chrono::steady_clock::now() >= drain_until_) {
    if (clients > 0) {
      spdlog::warn("{} sessions still had requests in flight", clients);
    }
    if (!left.empty()) {
      spdlog::warn("{}", left);
    }
    control_.stop();
    return;
  }
  drain_timer_.expires_after(std::chrono::milliseconds(2));
  drain_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      await_drained();
    }
  });
}

Server::Server(Options options, const config::Config& config, const std::string& password)
    : impl_(std::make_unique<Impl>(std::move(options), config, password)) {
}

Server::~Server() = default;

Status Server::open() {
  return impl_->open();
}

Status Server::run() {
  return impl_->run();
}

int serve(Options options, const config::Config& config, const std::string& password) {
  if (Status status = start_logging(config.log); !status) {
    std::fprintf(stderr, "tiercache: %s\n", status.error().detail.c_str());
    return 1;
  }
  ignore_sigpipe();
  raise_descriptor_limit(config);
  Server server(std::move(options), config, password);
  if (Status status = server.open(); !status) {
    spdlog::error("{}", status.error().detail);
    return 1;
  }
  if (Status status = server.run(); !status) {
    spdlog::error("{}", status.error().detail);
    return 1;
  }
  return 0;
}

}  // namespace tiercache::server
