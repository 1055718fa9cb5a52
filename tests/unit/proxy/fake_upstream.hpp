// Links, fences and clients for the tests of sessions: nothing happens by itself. A test sends what
// a client would send, looks at what reached the link, answers it when it likes, and sees what the
// client gets. Each step runs the io_context until nothing is left to do.
//
// Owned by the test, one thread.
#pragma once

#include "tiercache/coherence/cache.hpp"
#include "tiercache/l2/fences.hpp"
#include "tiercache/l2/link.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/resp/encoder.hpp"
#include "tiercache/resp/request_parser.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tiercache::proxy::testing {

inline std::string words_of(std::string_view requests) {
  resp::RequestParser parser;
  std::string out;
  while (!requests.empty() && parser.parse(requests) == resp::ParseStatus::complete) {
    for (const std::string_view word : parser.request().args) {
      out += out.empty() || out.ends_with('\n') ? "" : " ";
      out += word;
    }
    requests.remove_prefix(parser.consumed());
  }
  return out;
}

class FakeLink final : public l2::Link {
 public:
  struct Request {
    std::string words;
    l2::ConsumerPtr consumer;
    std::uint64_t tag;
  };

  FakeLink(coherence::LinkId id, l2::LinkSpec of, l2::ConsumerPtr whose)
      : spec(of), owner(std::move(whose)), id_(id) {
  }

  State state() const noexcept override {
    return state_;
  }
  std::string_view why() const noexcept override {
    return why_;
  }
  coherence::Place next_place() const noexcept override {
    return {id_, seq_, 1, spec.user};
  }
  void send(std::string_view request, l2::Consumer& consumer, std::uint64_t tag) override {
    seq_++;
    pending.push_back({words_of(request), &consumer, tag});
  }
  void send_raw(std::string_view bytes) override {
    raw.push_back(words_of(bytes));
  }
  void pass_through() override {
    passes_through = true;
  }
  void close() override {
    owner.reset();
    state_ = State::dead;
  }
  bool saturated() const noexcept override {
    return full;
  }
  void wait_room(l2::Consumer& consumer) override {
    waiting = &consumer;
  }
  void pause_reading(bool paused) override {
    reading_paused = paused;
  }

  // Redis answers the oldest request.
  void reply(std::string_view bytes) {
    const Request request = take();
    request.consumer->on_reply(request.tag, bytes, true);
  }
  void piece(std::string_view bytes) {
    const Request request = pending.front();
    request.consumer->on_reply(request.tag, bytes, false);
  }
  void frame(std::string_view bytes, bool push = false) {
    const l2::ConsumerPtr keep = owner;
    keep->on_frame(bytes, true, push);
  }
  // The rest comes later.
  void frame_piece(std::string_view bytes, bool push = false) {
    const l2::ConsumerPtr keep = owner;
    keep->on_frame(bytes, false, push);
  }
  void die(std::string_view why) {
    state_ = State::dead;
    why_ = why;
    while (!pending.empty()) {
      const Request request = take();
      request.consumer->on_lost(request.tag, why);
    }
    if (const l2::ConsumerPtr keep = std::exchange(owner, nullptr)) {
      keep->on_closed(why);
    }
  }

  l2::LinkSpec spec;
  l2::ConsumerPtr owner;
  std::deque<Request> pending;
  std::vector<std::string> raw;
  l2::ConsumerPtr waiting;
  bool full = false;
  bool reading_paused = false;
  bool passes_through = false;

 private:
  Request take() {
    if (pending.empty()) {
      throw std::runtime_error("the link has nothing to answer");
    }
    const Request request = pending.front();
    pending.pop_front();
    return request;
  }

  coherence::LinkId id_;
  State state_ = State::ready;
  std::string why_;
  std::uint64_t seq_ = 1;
};

class FakeLinks final : public l2::Links {
 public:
  using Ref = boost::intrusive_ptr<FakeLink>;

  explicit FakeLinks(coherence::LinkId first_id) : next_id_(first_id) {
  }
  l2::LinkPtr shared(const l2::LinkSpec& spec) override {
    if (away) {
      return nullptr;
    }
    Ref& link = links_[spec];
    if (!link || link->state() == l2::Link::State::dead) {
      link = new FakeLink(next_id_++, spec, nullptr);
    }
    return link;
  }
  l2::LinkPtr own(const l2::LinkSpec& spec, l2::Consumer& owner) override {
    if (crowded) {
      return nullptr;
    }
    owned.emplace_back(new FakeLink(next_id_++, spec, l2::ConsumerPtr(&owner)));
    return owned.back();
  }
  std::string_view why_not() const noexcept override {
    return crowded ? "-ERR too many" : "it is away";
  }
  std::string where() const override {
    return "127.0.0.1:6379";
  }
  l2::LinkPtr candidate(const l2::LinkSpec& spec) override {
    if (crowded) {
      return nullptr;
    }
    candidates.emplace_back(new FakeLink(next_id_++, spec, nullptr));
    return candidates.back();
  }
  l2::LinkPtr adopt(const l2::LinkSpec& spec, const l2::LinkPtr& candidate) override {
    Ref& link = links_[spec];
    if (!link || link->state() == l2::Link::State::dead) {
      link = static_cast<FakeLink*>(candidate.get());
    }
    return link;
  }
  void drop_users(const std::function<bool(std::uint64_t)>& /*in_use*/) override {
  }
  void close_all() override {
  }
  void lose_all() {
    for (const auto& [spec, link] : links_) {
      link->die("over");
      link->waiting.reset();
    }
    for (const Ref& link : owned) {
      link->die("over");
    }
    for (const Ref& link : candidates) {
      link->die("over");
    }
  }
  FakeLink& at(const l2::LinkSpec& spec = {}) {
    return *links_.at(spec);
  }
  // The shared ones that live.
  std::vector<Ref> living() const {
    std::vector<Ref> all;
    for (const auto& [spec, link] : links_) {
      if (link->state() != l2::Link::State::dead) {
        all.push_back(link);
      }
    }
    return all;
  }

  bool away = false;
  bool crowded = false;  // no more connections
  std::vector<Ref> owned;
  std::vector<Ref> candidates;

 private:
  std::map<l2::LinkSpec, Ref> links_;
  coherence::LinkId next_id_;
};

class FakeGate final : public l2::FenceGate {
 public:
  void wait(std::uint64_t ping, std::function<void()> release) override {
    waits.emplace_back(ping, std::move(release));
  }
  std::size_t waiting() const noexcept override {
    return waits.size();
  }
  std::vector<std::pair<std::uint64_t, std::function<void()>>> waits;
};

// Workers that share an io_context, so that a test sees every step.
class Rig {
 public:
  struct Thread {
    explicit Thread(coherence::LinkId first_id) : links(first_id) {
    }
    FakeLinks links;
    FakeGate gate;
    std::unique_ptr<Worker> worker;
  };

  explicit Rig(unsigned workers = 1, std::function<void(config::Config&)> tune = {})
      : cache(cache_config()) {
    auto config = std::make_shared<config::Config>();
    if (tune) {
      tune(*config);
    }
    coherence::LinkStatus& status = cache.status();
    status.set_source(1);
    status.set_sent(1);
    status.set_acked(1, now());
    status.set_state(coherence::LinkState::live);
    for (unsigned i = 0; i < workers; i++) {
      auto thread = std::make_unique<Thread>(100 * (i + 1));
      thread->worker = std::make_unique<Worker>(
          WorkerParts{io, hub, thread->links, thread->gate, cache, extensions,
                      registry.add_thread(), config, command::Table::builtin(), i});
      hub.workers.push_back(thread->worker.get());
      threads.push_back(std::move(thread));
    }
  }
  ~Rig() {
    for (const auto& thread : threads) {
      thread->worker->close_all();
    }
    run();
    for (const auto& thread : threads) {
      thread->links.lose_all();
      for (auto& [ping, release] : std::exchange(thread->gate.waits, {})) {
        release();
      }
    }
    run();
  }

  static Time now() {
    return std::chrono::steady_clock::now();
  }
  void run() {
    io.restart();
    io.poll();
  }
  // The event link sends a PING, Redis answers it.
  void acknowledge() {
    coherence::LinkStatus& status = cache.status();
    const std::uint64_t ping = status.view().next_ping();
    status.set_sent(ping);
    status.set_acked(ping, now());
    for (const auto& thread : threads) {
      auto waits = std::move(thread->gate.waits);
      thread->gate.waits.clear();
      for (auto& [wanted, release] : waits) {
        if (wanted <= ping) {
          release();
        } else {
          thread->gate.waits.emplace_back(wanted, std::move(release));
        }
      }
    }
    run();
  }
  FakeLink& link(unsigned thread = 0) {
    return threads.at(thread)->links.at();
  }
  FakeLink& scripts(unsigned thread = 0) {
    l2::LinkSpec spec;
    spec.traffic = l2::LinkSpec::Traffic::scripts;
    return threads.at(thread)->links.at(spec);
  }
  FakeLink& own(unsigned thread = 0) {
    return *threads.at(thread)->links.owned.back();
  }
  void reply(std::string_view bytes, unsigned thread = 0) {
    link(thread).reply(bytes);
    run();
  }
  // A flight: PTTL and the read.
  void fill(std::string_view bytes, std::string_view pttl = ":-1\r\n", unsigned thread = 0) {
    link(thread).reply(pttl);
    reply(bytes, thread);
  }
  std::string pending(unsigned thread = 0) {
    return pending(link(thread));
  }
  static std::string pending(const FakeLink& link) {
    std::string all;
    for (const FakeLink::Request& request : link.pending) {
      all += (all.empty() ? "" : ", ") + request.words;
    }
    return all;
  }

  boost::asio::io_context io{1};
  Hub hub;
  NoExtensions extensions;
  stats::Registry registry;
  coherence::Cache cache;
  std::vector<std::unique_ptr<Thread>> threads;

 private:
  static coherence::CacheConfig cache_config() {
    coherence::CacheConfig config;
    config.shard.limits.max_bytes = std::size_t{1} << 24;
    config.shard.max_staleness = std::chrono::hours(1);  // the clock runs, the test does not
    config.shard.join_within = std::chrono::hours(1);
    return config;
  }
};

class TestClient {
 public:
  explicit TestClient(Rig& rig, unsigned thread = 0) : rig_(rig) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
      throw std::runtime_error("socketpair");
    }
    fd_ = ends[0];
    ::fcntl(fd_, F_SETFL, O_NONBLOCK);
    Socket socket(rig.io, boost::asio::generic::stream_protocol(AF_UNIX, 0), ends[1]);
    rig.threads.at(thread)->worker->adopt(std::move(socket), rig.hub.new_client_id());
    rig.run();
  }
  ~TestClient() {
    close();
  }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  // Inline: "GET k" or several with \r\n between them.
  void send(const std::string& lines) {
    const std::string bytes = lines + "\r\n";
    if (::write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      throw std::runtime_error("the session does not read");
    }
    rig_.run();
  }
  // What has arrived since the last time.
  std::string read() {
    std::string out;
    char buffer[65536];
    for (;;) {
      const ssize_t n = ::read(fd_, buffer, sizeof buffer);
      if (n <= 0) {
        closed_ = closed_ || n == 0;
        rig_.run();
        return out;
      }
      out.append(buffer, static_cast<std::size_t>(n));
      rig_.run();
    }
  }
  bool closed() {
    read();
    return closed_;
  }
  void close() {
    if (fd_ >= 0) {
      ::close(fd_);
      fd_ = -1;
      rig_.run();
    }
  }

 private:
  Rig& rig_;
  int fd_ = -1;
  bool closed_ = false;
};

}  // namespace tiercache::proxy::testing
