#include "tiercache/proxy/invalidations.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/coherence/cache.hpp"
#include "tiercache/proxy/worker.hpp"

#include <algorithm>
#include <atomic>

namespace tiercache::proxy {

namespace {

// Of what is remembered of a clean key beside its name.
constexpr std::size_t kKeyBytes = 96;

void drop_from_l1(const std::vector<Node>& nodes, const Invalidations::Key& key) {
  for (const Node& node : nodes) {
    node.cache.blocking_write_reply(node.cache.hash(key.db, key.name));
  }
}

}  // namespace

// A request that waits for some keys.
struct Invalidations::Wait {
  std::atomic<std::size_t> left{1};  // one more while they are being counted
  std::atomic<bool> failed{false};
  std::atomic<bool> whole{true};  // of what is waited for nothing was begun too early
  Number before = 0;
  Number after = 0;
  Wake wake;

  void arrive(bool done) {
    failed = failed || !done;
    if (left.fetch_sub(1) == 1) {
      wake(failed ? kFailed : whole ? after : before);
    }
  }
};

std::string Invalidations::name_of(std::uint32_t db, std::string_view key) {
  return std::to_string(db).append(":").append(key);
}

void Invalidations::set_newest() {
  Number newest = 0;
  for (const Listed& one : *list_) {
    newest = std::max(newest, one.number);
  }
  hub_.newest_invalidation.store(newest, std::memory_order_seq_cst);
}

Invalidations::Published Invalidations::publish(Pending what) {
  MutexLock lock(mutex_);
  auto list = std::make_shared<List>(*list_);
  const auto same = std::find_if(list->begin(), list->end(),
                                 [&](const Listed& one) { return one.what->what == what.what; });
  Published published;
  if (same != list->end()) {
    same->number = ++last_;
    published = {same->id, same->number};
  } else if (list->size() == kMost) {
    return published;
  } else {
    ++last_;
    published = {last_, last_};
    list->push_back({last_, last_, std::make_shared<const Pending>(std::move(what)), {}});
  }
  list_ = std::move(list);
  set_newest();
  return published;
}

Invalidations::Number Invalidations::retire(Number id, Number number) {
  MutexLock lock(mutex_);
  auto list = std::make_shared<List>(*list_);
  const auto found =
      std::find_if(list->begin(), list->end(), [&](const Listed& one) { return one.id == id; });
  if (found == list->end()) {
    return 0;
  }
  if (found->number > number) {
    return found->number;
  }
  list->erase(found);
  list_ = std::move(list);
  set_newest();
  if (list_->empty()) {
    clean_.clear();
    clean_bytes_ = 0;
  }
  return 0;
}

void Invalidations::note(Number id, std::string progress) {
  MutexLock lock(mutex_);
  auto list = std::make_shared<List>(*list_);
  for (Listed& one : *list) {
    if (one.id == id) {
      one.progress = std::move(progress);
      break;
    }
  }
  list_ = std::move(list);
}

void Invalidations::set_let_go(LetGo let_go) {
  MutexLock lock(mutex_);
  let_go_ = let_go ? std::make_shared<const LetGo>(std::move(let_go)) : nullptr;
}

// Those that a pending one selects of which the request is not clean.
std::vector<Invalidations::Matched> Invalidations::match(const List& list,
                                                         std::span<const Key> keys, Number upto) {
  std::vector<Matched> matched;
  for (const Key& key : keys) {
    Matched its{&key, 0, true};
    for (const Listed& one : list) {
      if (one.number > upto && one.what->db == key.db && one.what->selects(key.name)) {
        its.number = std::max(its.number, one.number);
        its.softens = its.softens && one.what->softens;
      }
    }
    if (its.number > 0) {
      matched.push_back(its);
    }
  }
  return matched;
}

Invalidations::Met Invalidations::meet(std::span<const Key> keys, Number upto, const Wake& wake) {
  std::shared_ptr<const List> list;
  {
    MutexLock lock(mutex_);
    list = list_;
  }
  Number newest = upto;
  for (const Listed& one : *list) {
    newest = std::max(newest, one.number);
  }
  const std::vector<Matched> matched = match(*list, keys, upto);
  if (matched.empty()) {
    return {false, newest};
  }
  const auto wait = std::make_shared<Wait>();
  wait->before = upto;
  wait->after = newest;
  wait->wake = wake;
  bool waits = false;
  std::vector<Matched> drops;
  std::vector<Matched> begun;
  std::shared_ptr<const LetGo> let_go;
  {
    MutexLock lock(mutex_);
    let_go = let_go_;
    for (const Matched& one : matched) {
      std::string name = name_of(one.key->db, one.key->name);
      const auto clean = clean_.find(name);
      if (clean != clean_.end() && clean->second >= one.number) {
        continue;
      }
      if (!one.key->sourced) {
        drops.push_back(one);
        continue;
      }
      const auto [busy, fresh] = busy_.try_emplace(std::move(name));
      if (fresh) {
        busy->second.number = newest;
        begun.push_back(one);
      } else if (busy->second.number < one.number) {
        wait->whole = false;
      }
      waits = true;
      wait->left++;
      busy->second.waiters.emplace_back([wait](bool done) { wait->arrive(done); });
    }
  }
  if (!drops.empty()) {
    const std::vector<Node> nodes = hub_.nodes();
    for (const Matched& one : drops) {
      drop_from_l1(nodes, *one.key);
    }
    MutexLock lock(mutex_);
    for (const Matched& one : drops) {
      remember(name_of(one.key->db, one.key->name), newest);
    }
  }
  for (const Matched& one : begun) {
    if (let_go) {
      (*let_go)(one.key->db, std::string(one.key->name), one.softens);
    } else {
      end(one.key->db, std::string(one.key->name), false, Memory::forget);
    }
  }
  if (!waits) {
    return {false, newest};
  }
  wait->arrive(true);
  return {true, upto};
}

Invalidations::Claim Invalidations::claim(Number number, std::uint32_t db, const std::string& key,
                                          const std::function<void()>& again) {
  std::string name = name_of(db, key);
  MutexLock lock(mutex_);
  const auto clean = clean_.find(name);
  if (clean != clean_.end() && clean->second >= number) {
    return Claim::clean;
  }
  const auto [busy, fresh] = busy_.try_emplace(std::move(name));
  if (fresh) {
    busy->second.number = number;
    return Claim::mine;
  }
  busy->second.waiters.emplace_back([again](bool) { again(); });
  return Claim::busy;
}

void Invalidations::end(std::uint32_t db, const std::string& key, bool done, Memory memory) {
  const std::string name = name_of(db, key);
  std::vector<std::function<void(bool)>> waiters;
  {
    MutexLock lock(mutex_);
    const auto busy = busy_.find(name);
    TC_CHECK(busy != busy_.end());
    waiters.swap(busy->second.waiters);
    // What others have waited for they are about to use.
    if (done && (memory == Memory::keep || !waiters.empty())) {
      remember(name, busy->second.number);
    }
    busy_.erase(busy);
  }
  for (const auto& waiter : waiters) {
    waiter(done);
  }
}

void Invalidations::remember(const std::string& name, Number number) {
  if (list_->empty()) {
    return;
  }
  const auto known = clean_.find(name);
  if (known != clean_.end()) {
    known->second = std::max(known->second, number);
    return;
  }
  const std::size_t bytes = name.size() + kKeyBytes;
  if (clean_bytes_ + bytes > kClean) {
    forget_overtaken();
  }
  if (clean_bytes_ + bytes > kClean) {
    return;
  }
  clean_bytes_ += bytes;
  clean_.emplace(name, number);
}

// What is older than all that is pending is of no use any more.
void Invalidations::forget_overtaken() {
  Number oldest = last_;
  for (const Listed& one : *list_) {
    oldest = std::min(oldest, one.number);
  }
  if (oldest == forgotten_) {
    return;  // it was looked for already
  }
  forgotten_ = oldest;
  std::size_t freed = 0;
  std::erase_if(clean_, [&](const auto& one) {
    const bool over = one.second < oldest;
    freed += over ? one.first.size() + kKeyBytes : 0;
    return over;
  });
  clean_bytes_ -= freed;
}

std::vector<std::pair<Invalidations::Number, std::string>> Invalidations::lines() const {
  MutexLock lock(mutex_);
  std::vector<std::pair<Number, std::string>> lines;
  for (const Listed& one : *list_) {
    lines.emplace_back(one.id, one.what->what + one.progress);
  }
  return lines;
}

}  // namespace tiercache::proxy
