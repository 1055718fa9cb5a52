// Loads: the lease by which one proxy of all that share a Redis loads a key.
//
// It is a key beside the loaded one, SET NX PX with a token of the process. Whoever does not get it
// looks for the value every few milliseconds, and for the lease again where there is none yet. A
// lease only saves queries: without one (Redis refuses it, it ended early) all that loads.hpp says
// holds too.
#include "hash_read.hpp"
#include "inquiry.hpp"

#include "tiercache/l1/reply.hpp"
#include "tiercache/proxy/loads.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/proxy/writes.hpp"
#include "tiercache/resp/encoder.hpp"
#include "tiercache/resp/reply_header.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/steady_timer.hpp>

namespace tiercache::proxy {

namespace {

using std::chrono::milliseconds;

// Between looks: doubled from one to the other.
constexpr milliseconds kFirstLook{5};
constexpr milliseconds kLastLook{40};
// The longest reply to a look: each bulk string has a header and an end.
constexpr std::size_t kHeader = 64;
constexpr std::size_t kLongest = l3::kMaxValue + (2 * l3::kMaxFields + 1) * kHeader;

constexpr std::string_view kRelease =
    "if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1]) end return 0";

// What a look has found whole.
std::optional<l3::Loaded> value_of(std::string_view reply) {
  const resp::ReplyHeader header = resp::read_reply_header(reply);
  const std::string_view body = l1::Reply::of(reply).body();
  if (!reply.starts_with('$') || header.number < 0 ||
      body.size() != static_cast<std::size_t>(header.number)) {
    return std::nullopt;
  }
  return l3::Loaded{l3::Loaded::Kind::value, std::string(body)};
}

std::optional<l3::Loaded> hash_of(std::string_view reply) {
  const auto fields = fields_of(reply);
  if (fields.empty()) {
    return std::nullopt;
  }
  l3::Loaded loaded{l3::Loaded::Kind::value, {}};
  loaded.fields.assign(fields.begin(), fields.end());
  return loaded;
}

std::string name_of_lease(const std::string& key) {
  return std::string(kLeasePrefix) + key;
}

}  // namespace

// On the worker's thread, as all here. Goes on with fence(). An earlier load of this process that
// is not joined any more does not keep a later one from the source.
void Loads::lease(const LoadPtr& load) {
  const milliseconds time = spaces_[load->wanted.space]->lease;
  const std::string name = name_of_lease(load->wanted.key);
  const l2::LinkPtr link = time.count() > 0 ? lease_link(*load, name) : nullptr;
  bool own = false;
  if (link) {
    MutexLock lock(mutex_);
    own = leases_.contains(name_of(load->wanted));
  }
  if (!link || own) {
    fence(load);
    return;
  }
  const std::string ms = std::to_string(time.count());
  std::string request;
  resp::append_request(request, {"SET", name, lease_token_, "NX", "PX", ms});
  Inquiry::send(*link, request, [self = weak_from_this(), load](std::string_view reply) {
    if (const auto loads = self.lock()) {
      loads->on_lease(load, reply);
    }
  });
}

// Over a Cluster a lease is on the node of its own slot.
l2::LinkPtr Loads::lease_link(const Load& load, std::string_view name) const {
  const topology::SlotMapPtr& map = load.worker->slot_map();
  if (!map) {
    return link_for(load);
  }
  const topology::NodeIndex node = map->node_of[topology::slot_of(name)];
  return node == topology::SlotMap::kNobody ? nullptr
                                            : load.worker->lane(node).links.shared(l2::LinkSpec{});
}

void Loads::on_lease(const LoadPtr& load, std::string_view reply) {
  const Time at = std::chrono::steady_clock::now();
  if (load->lease_wait == Time{}) {
    load->lease_wait = at;
  }
  const bool anothers = reply.starts_with("$-1");
  if (reply.starts_with("+OK")) {
    load->leased = true;
    MutexLock lock(mutex_);
    leases_.insert(name_of(load->wanted));
  }
  const bool waited = load->lease_look.count() > 0;
  if (anothers && load->as_it_was) {
    leave(load);
  } else if (anothers ? at < load->lease_wait + spaces_[load->wanted.space]->lease
                      : load->leased && waited) {
    look(load);  // who had it before has stored the value first
  } else {
    fence(load);
  }
}

// Those who wait have what is stale. Nothing has failed, so there is no reason.
void Loads::leave(const LoadPtr& load) {
  count(load->wanted.space, LoadCounter::left);
  fail(load, {});
}

// What is found is as of the look, so that reads join as they do a question to the source.
void Loads::look(const LoadPtr& load) {
  const l2::LinkPtr link = link_for(*load);
  if (!link) {
    fence(load);
    return;
  }
  {
    MutexLock lock(mutex_);
    load->seen = see(load->wanted);
  }
  // As ask() does: what has been written back here goes before what another proxy has loaded, which
  // may be older.
  if (writes_ && writes_->pending(load->wanted.key)) {
    fence(load);
    return;
  }
  {
    MutexLock lock(mutex_);
    load->state = Load::State::loading;
  }
  std::string request;
  const bool hash = spaces_[load->wanted.space]->result == config::LoadResult::hash;
  resp::append_request(request, {hash ? "HGETALL" : "GET", load->wanted.key});
  Inquiry::send(
      *link, request,
      [self = weak_from_this(), load](std::string_view reply) {
        if (const auto loads = self.lock()) {
          loads->on_look(load, reply);
        }
      },
      kLongest);
}

void Loads::on_look(const LoadPtr& load, std::string_view reply) {
  const bool hash = spaces_[load->wanted.space]->result == config::LoadResult::hash;
  if (auto found = hash ? hash_of(reply) : value_of(reply)) {
    count(load->wanted.space, LoadCounter::found);
    on_loaded(load, std::move(*found), true);
    return;
  }
  {
    MutexLock lock(mutex_);
    load->state = Load::State::fencing;  // nobody is asked just now
  }
  if (load->leased || !reply.starts_with(hash ? "*0" : "$-1")) {
    fence(load);
    return;
  }
  load->lease_look =
      load->lease_look.count() == 0 ? kFirstLook : std::min(2 * load->lease_look, kLastLook);
  const auto timer =
      std::make_shared<boost::asio::steady_timer>(load->worker->io(), load->lease_look);
  timer->async_wait([self = weak_from_this(), load, timer](const boost::system::error_code& error) {
    const auto loads = self.lock();
    if (loads && !error) {
      loads->lease(load);
    }
  });
}

// Only if it is still ours. Where it cannot be told, the lease ends by itself.
void Loads::release(const LoadPtr& load) {
  if (!std::exchange(load->leased, false)) {
    return;
  }
  {
    MutexLock lock(mutex_);
    leases_.erase(name_of(load->wanted));
  }
  const std::string name = name_of_lease(load->wanted.key);
  const l2::LinkPtr link = lease_link(*load, name);
  if (!link) {
    return;
  }
  std::string request;
  resp::append_request(request, {"EVAL", kRelease, "1", name, lease_token_});
  Inquiry::send(*link, request, [](std::string_view) {});
}

}  // namespace tiercache::proxy
