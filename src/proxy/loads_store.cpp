// Loads: what has come goes into Redis.
#include "hash_read.hpp"
#include "inquiry.hpp"
#include "load_scripts.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/proxy/copy_ttl.hpp"
#include "tiercache/proxy/loads.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/resp/encoder.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace tiercache::proxy {

namespace {

// Of what is remembered of a load beside its key and value.
constexpr std::size_t kLoadBytes = 256;

}  // namespace

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
  const l2::LinkPtr link = true_still ? link_for(*load) : nullptr;
  if (!link) {
    on_stored(load, "");
    return;
  }
  Inquiry::send(*link, store_request(*load),
                [self = weak_from_this(), load](std::string_view reply) {
                  if (const auto loads = self.lock()) {
                    loads->on_stored(load, reply);
                  }
                });
}

std::string Loads::store_request(const Load& load) const {
  const Space& space = *spaces_[load.wanted.space];
  const auto moment = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now().time_since_epoch());
  const CopyTtl copy_ttl =
      copy_ttl_of(load.worker->spaces().set().at(load.wanted.space), space.l2_ttl);
  const std::string ttl = std::to_string(copy_ttl.of(load.wanted.key, moment).count());
  if (load.as_it_was && !load.answer->bytes) {
    return remove_request(space.result, load.wanted.key, *load.as_it_was);
  }
  if (space.result == LoadResult::hash) {
    const auto fields = fields_of(*load.answer->bytes);
    return load.as_it_was ? replace_hash_request(load.wanted.key, *load.as_it_was, fields, ttl)
                          : add_hash_request(load.wanted.key, fields, ttl);
  }
  const std::string_view value = l1::Reply::of(*load.answer->bytes).body();
  if (load.as_it_was) {
    return replace_request(load.wanted.key, *load.as_it_was, value, ttl);
  }
  std::vector<std::string_view> words{"SET", load.wanted.key, value, "NX"};
  if (ttl != "0") {
    words.insert(words.end(), {"PX", ttl});
  }
  std::string request;
  resp::append_request(request, words);
  return request;
}

// nil: somebody else has written the key, which is as good.
void Loads::on_stored(const LoadPtr& load, std::string_view reply) {
  const bool stored = reply.starts_with("+OK");
  count(load->wanted.space, stored ? LoadCounter::stored : LoadCounter::not_stored);
  heed(*load, reply);
  const Time ended = std::chrono::steady_clock::now();
  std::vector<std::function<void()>> held;
  std::vector<Take> late;
  std::vector<LoadPtr> gone;
  {
    MutexLock lock(mutex_);
    unmark(storing_, load->wanted.hash);
    (*stored_)[load->wanted.hash % kStripes].store(ended.time_since_epoch().count(),
                                                   std::memory_order_relaxed);
    held.swap(held_);
    late.swap(load->late);
    if (stored || reply.starts_with("$-1")) {
      retire(load, gone);
    } else {
      load->state = Load::State::ended;
      forget(load);
    }
  }
  for (const auto& go : held) {
    go();
  }
  for (const Take& take : late) {
    take(*load->answer);
  }
  release(load);
}

// Marked before Redis is asked, dated after it has answered: what was stored since then is one or
// the other.
bool Loads::stored_since(KeyHash hash, Time then) const {
  MutexLock lock(mutex_);
  return storing_.contains(hash) || (*stored_)[hash % kStripes].load(std::memory_order_relaxed) >=
                                        then.time_since_epoch().count();
}

// It is over, and remembered for a while.
void Loads::retire(const LoadPtr& load, std::vector<LoadPtr>& gone) {
  const auto size = [](const Load& one) {
    return kLoadBytes + one.wanted.key.size() + (one.answer->bytes ? one.answer->bytes->size() : 0);
  };
  active_.fetch_sub(1, std::memory_order_seq_cst);
  load->state = Load::State::ended;
  load->ended = std::chrono::steady_clock::now();
  ended_.push_back(load);
  ended_bytes_ += size(*load);
  while (!ended_.empty() &&
         (ended_bytes_ > kEnded || ended_.front()->ended + kLinger < load->ended)) {
    ended_bytes_ -= size(*ended_.front());
    drop(ended_.front());
    gone.push_back(std::move(ended_.front()));
    ended_.pop_front();
  }
}

void Loads::forget(const LoadPtr& load) {
  active_.fetch_sub(1, std::memory_order_seq_cst);
  drop(load);
}

// In place of an earlier one of the key.
void Loads::put(const LoadPtr& load) {
  if (const auto found = loads_.find(load->wanted); found != loads_.end()) {
    loads_.erase(found);
  }
  loads_.insert({load->wanted.hash, load});
}

// Unless there is a later one of the key by now.
void Loads::drop(const LoadPtr& load) {
  const auto found = loads_.find(load->wanted);
  if (found != loads_.end() && found->load == load) {
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
  for (std::size_t i = 0; told_ && i < writes.size(); i++) {
    (*told_)[writes[i] % kStripes].fetch_add(1, std::memory_order_seq_cst);
  }
  bool wait = wide && !storing_.empty();
  for (const KeyHash hash : writes) {
    wait = wait || storing_.contains(hash) || writing_.contains(hash);
  }
  if (wait) {
    held_.push_back(go);
  }
  return wait;
}

}  // namespace tiercache::proxy
