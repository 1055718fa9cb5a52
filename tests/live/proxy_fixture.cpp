#include "proxy_fixture.hpp"

#include <stdexcept>

namespace tiercache::testing {

namespace {

std::uint64_t not_random() {
  return 42;
}

}  // namespace

ProxyFixture::ProxyFixture(std::uint16_t redis_port, const Options& options) {
  auto config = std::make_shared<config::Config>();
  config->listen.port = 0;
  config->upstream.address.port = redis_port;
  if (options.tune) {
    options.tune(*config);
  }
  coherence::CacheConfig cache;
  cache.shards = 4;
  cache.seed = 7;
  cache.shard.limits.max_bytes = config->l1.max_memory;
  cache.shard.max_staleness = config->coherence.max_staleness;
  cache_ = std::make_unique<coherence::Cache>(cache);
  control_ = std::make_unique<boost::asio::io_context>(1);

  l2::LinksConfig links;
  links.upstream = l2::upstream_at(config->upstream.address);
  links.user = config->upstream.user;
  links.password = config->upstream.password;
  links.max_pending = config->upstream.max_pending;
  links.max_connections = config->upstream.max_connections;
  for (unsigned i = 0; i < options.workers; i++) {
    auto thread = std::make_unique<Thread>();
    thread->links = l2::make_links(thread->io, links, not_random);
    thread->gate =
        l2::make_fence_gate(thread->io, fences_, cache_->status(), config->coherence.hold_limit);
    thread->worker = std::make_unique<proxy::Worker>(
        proxy::WorkerParts{thread->io, hub_, *thread->links, *thread->gate, *cache_, extensions_,
                           registry_.add_thread(), config, command::Table::builtin(), i});
    hub_.workers.push_back(thread->worker.get());
    threads_.push_back(std::move(thread));
  }
  if (options.events) {
    l2::EventsConfig events;
    events.upstream = links.upstream;
    events.user = config->upstream.user;
    events.password = config->upstream.password;
    events.proxy_id = "test";
    events_ = l2::make_events(*control_, *cache_, fences_, events, {}, not_random);
    hub_.on_db_used = [this](std::uint32_t db) {
      events_->use_db(db);
    };
    const bool password = !config->upstream.password.empty();
    if (config->listen.auth == config::Auth::upstream) {
      hub_.identities.ask_about_anonymous(password ? proxy::Identities::AnonymousAs::nobody
                                                   : proxy::Identities::AnonymousAs::proxy);
    }
    users_ = std::make_unique<proxy::UserWatch>(
        *control_, hub_, *events_, password ? proxy::ProxyLogin::password : proxy::ProxyLogin::none,
        config->coherence.acl_ttl);
    events_->start();
    users_->start();
  }
  listener_ = std::make_unique<proxy::Listener>(*control_, hub_);
  if (Status status = listener_->open_tcp(config->listen); !status) {
    throw std::runtime_error(status.error().detail);
  }
  if (Status status = listener_->start(); !status) {
    throw std::runtime_error(status.error().detail);
  }
  for (const auto& thread : threads_) {
    thread->thread = std::thread([&io = thread->io] {
      const auto guard = boost::asio::make_work_guard(io);
      io.run();
    });
  }
  control_thread_ = std::thread([this] {
    const auto guard = boost::asio::make_work_guard(*control_);
    control_->run();
  });
  if (options.events) {
    wait_live();
  }
}

ProxyFixture::~ProxyFixture() {
  control_->stop();
  for (const auto& thread : threads_) {
    thread->io.stop();
  }
  control_thread_.join();
  for (const auto& thread : threads_) {
    thread->thread.join();
  }
}

std::size_t ProxyFixture::sessions() const {
  std::size_t total = 0;
  for (const auto& thread : threads_) {
    total += thread->worker->sessions();
  }
  return total;
}

void ProxyFixture::begin_drain() {
  for (const auto& thread : threads_) {
    thread->worker->begin_drain();
  }
}

bool ProxyFixture::eventually(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

void ProxyFixture::wait_live() {
  if (!eventually([this] {
        return cache_->status().view().state == coherence::LinkState::live &&
               hub_.identities.anonymous()->known();
      })) {
    throw std::runtime_error("the event link does not come up");
  }
}

}  // namespace tiercache::testing
