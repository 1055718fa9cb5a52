#include "letting_go.hpp"

#include "key_query.hpp"

#include "tiercache/proxy/freshness.hpp"
#include "tiercache/proxy/invalidations.hpp"
#include "tiercache/proxy/loads.hpp"

#include <chrono>
#include <string_view>

#include <boost/asio/post.hpp>

namespace tiercache::invalidation {

namespace {

using l2::Reply;

Time now() {
  return std::chrono::steady_clock::now();
}

// It becomes as old as what has just ceased to be fresh. What is older becomes older still, so that
// who loads it anew sees that it has been softened since.
constexpr std::string_view kSoften =
    "local k,w=KEYS[1],tonumber(ARGV[1]) local t=redis.call('PTTL',k) if t==-2 then return 0 end "
    "if t<0 or t>w then redis.call('PEXPIRE',k,w) elseif t>1 then "
    "redis.call('PEXPIREAT',k,redis.call('PEXPIRETIME',k)-1) else redis.call('UNLINK',k) end "
    "return 1";

}  // namespace

// What is on its way into L1 is not kept either. Says how many entries there were.
std::int64_t LettingGo::drop_from_l1(std::uint32_t db, std::string_view key) {
  coherence::Cache& cache = hub_.node_of(key).cache;
  const l1::Key at{cache.hash(db, key), db, key};
  const std::uint64_t generation = cache.status().view().generation;
  const Time time = now();
  std::int64_t entries = 0;
  cache.for_each_shard([&](coherence::Shard& shard) {
    shard.store().for_each_variant(at, [&](l1::Entry& entry) {
      entries += shard.store().alive(entry, time, generation) ? 1 : 0;
    });
  });
  tell_all(hub_, db, key);
  return entries;
}

void LettingGo::begin(Keys keys, Done done) {
  const auto batch = std::make_shared<Batch>();
  batch->db = keys.db;
  batch->how = keys.how;
  batch->number = keys.number;
  batch->done = std::move(done);
  std::int64_t entries = 0;
  for (std::string& key : keys.keys) {
    if (keys.number == 0) {
      entries += drop_from_l1(keys.db, key);
    }
    if (selector_.has_source(selector_.set().find(key))) {
      batch->keys.push_back(std::move(key));
    }
  }
  batch->removed = entries;
  go_on(batch);
}

void LettingGo::go_on(const BatchPtr& batch) {
  while (batch->next < batch->keys.size() && batch->unanswered < Invalidator::kBatch) {
    batch->unanswered++;
    std::string key = std::move(batch->keys[batch->next++]);
    batch->number == 0 ? let_go(batch, std::move(key)) : claim(batch, key);
  }
  if (batch->unanswered == 0) {
    batch->done(std::move(batch->removed));
  }
}

// What a request has made clean since is left alone: it may have been written again.
void LettingGo::claim(const BatchPtr& batch, const std::string& key) {
  const auto again = [weak = weak_from_this(), &control = control_, batch, key] {
    boost::asio::post(control, [weak, batch, key] {
      if (const auto self = weak.lock()) {
        self->claim(batch, key);
      }
    });
  };
  using Claim = proxy::Invalidations::Claim;
  const Claim claimed = hub_.invalidations->claim(batch->number, batch->db, key, again);
  if (claimed == Claim::mine) {
    batch->removed =
        batch->removed ? Result<std::int64_t>(batch->removed.value() + drop_from_l1(batch->db, key))
                       : batch->removed;
    let_go(batch, key);
  } else if (claimed == Claim::clean) {
    boost::asio::post(control_, [weak = weak_from_this(), batch] {
      if (const auto self = weak.lock()) {
        batch->unanswered--;
        self->go_on(batch);
      }
    });
  }
}

void LettingGo::touch(std::uint32_t db, std::string key, How how) {
  touched_.push_back({db, std::move(key), how});
  go_on_touching();
}

void LettingGo::go_on_touching() {
  while (!touched_.empty() && touching_ < Invalidator::kBatch) {
    touching_++;
    Touched next = std::move(touched_.front());
    touched_.pop_front();
    const auto batch = std::make_shared<Batch>();
    batch->db = next.db;
    batch->how = next.how;
    batch->keys = {next.key};
    batch->done = [weak = weak_from_this(), next](const Result<std::int64_t>& removed) {
      if (const auto self = weak.lock()) {
        self->touching_--;
        self->hub_.invalidations->end(next.db, next.key, static_cast<bool>(removed),
                                      proxy::Invalidations::Memory::keep);
        self->go_on_touching();
      }
    };
    go_on(batch);
  }
}

void LettingGo::let_go(const BatchPtr& batch, std::string key) {
  const KeyHash hash = hub_.node_of(key).cache.hash(batch->db, key);
  tell_all(hub_, batch->db, key);
  const auto again = [weak = weak_from_this(), &control = control_, batch, key] {
    boost::asio::post(control, [weak, batch, key] {
      if (const auto self = weak.lock()) {
        self->let_go(batch, key);
      }
    });
  };
  if (hub_.loads->must_wait({&hash, 1}, false, again)) {
    return;
  }
  const namespaces::Set& set = selector_.set();
  const auto window = proxy::freshness_of(set.at(set.find(key))).window();
  const std::string ttl = std::to_string(window.count());
  std::vector<std::string> words{"UNLINK", key};
  if (batch->how == How::soften && window.count() > 0) {
    words = {"EVAL", std::string(kSoften), "1", key, ttl};
  }
  ask(control_, hub_,
      {batch->db, key, std::move(words),
       [weak = weak_from_this(), batch, key](const Result<Reply>& reply) {
         if (const auto self = weak.lock()) {
           self->on_gone(batch, key, reply);
         }
       }});
}

void LettingGo::on_gone(const BatchPtr& batch, const std::string& key, const Result<Reply>& reply) {
  // What was read before Redis let go of it.
  tell_all(hub_, batch->db, key);
  const bool gone = reply && !reply.value().is_error();
  if (!reply) {
    batch->removed = reply.error();
  } else if (reply.value().is_error()) {
    batch->removed = Error{ErrorCode::refused, reply.value().text};
  } else if (batch->removed) {
    batch->removed = batch->removed.value() + reply.value().integer;
  }
  if (batch->number != 0) {
    hub_.invalidations->end(batch->db, key, gone, proxy::Invalidations::Memory::forget);
  }
  batch->unanswered--;
  go_on(batch);
}

}  // namespace tiercache::invalidation
