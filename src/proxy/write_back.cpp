#include "write_back.hpp"

#include "write_back_pace.hpp"
#include "write_coalesce.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/journal/descriptor.hpp"
#include "tiercache/journal/files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace tiercache::proxy {

namespace {

using l3::Written;

// Writes that go through are looked at so often while the source is tried again.
constexpr auto kSlice = std::chrono::milliseconds(50);

Time now() {
  return std::chrono::steady_clock::now();
}

std::string escaped(std::string_view bytes) {
  std::string text = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text.append("\\").append(1, c);
    } else if (byte < 0x20 || byte >= 0x7f) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text + "\"";
}

}  // namespace

WriteBack::WriteBack(config::Journal config, std::vector<Source> sources, Resolve resolve)
    : config_(std::move(config)), resolve_(std::move(resolve)) {
  for (Source& source : sources) {
    flushers_.push_back(std::make_unique<Flusher>());
    flushers_.back()->source = std::move(source);
  }
}

// The journal first: what it still writes is called back, and is then in a queue.
WriteBack::~WriteBack() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  for (const auto& flusher : flushers_) {
    if (flusher->thread.joinable()) {
      flusher->thread.join();
    }
  }
  journal_.reset();
  std::vector<Done> untold;
  {
    MutexLock lock(mutex_);
    for (const auto& flusher : flushers_) {
      for (const ItemPtr& item : flusher->queue) {
        if (item->done) {
          untold.push_back(std::move(item->done));
        }
      }
      flusher->queue.clear();
    }
  }
  for (const Done& done : untold) {
    done({Written::Kind::failed, "the proxy is stopping", {}}, 0);
  }
}

void WriteBack::add(std::size_t source, const ItemPtr& item) {
  Flusher& flusher = *flushers_[source];
  flusher.queue.push_back(item);
  flusher.found += item->found ? 1 : 0;
  if (item->record.sequence == 0) {
    flusher.through++;
    return;
  }
  last_ = item->record.sequence;
  for (const journal::Change& change : item->record.changes) {
    Pending& pending = pending_[change.key];
    pending.count++;
    pending.last = {!item->found, change.value};
  }
}

bool WriteBack::put(std::size_t source, journal::Record record, Done done) {
  const auto item = std::make_shared<Item>();
  item->record = record;
  const auto journalled = [this, source, item, done](journal::Journal::Outcome outcome) {
    if (!outcome.error.empty()) {
      done({outcome.unknown ? Written::Kind::unknown : Written::Kind::failed,
            std::move(outcome.error),
            {}},
           0);
      return;
    }
    const std::uint64_t sequence = outcome.sequence;
    item->record.sequence = sequence;
    const std::size_t changes = item->record.changes.size();
    {
      MutexLock lock(mutex_);
      unsettled_.insert(sequence);
      add(source, item);
    }
    ready_.notify_all();
    done({Written::Kind::applied, {}, std::vector<std::uint64_t>(changes)}, sequence);
  };
  {
    // The journal goes only after `stopping_` was set.
    MutexLock lock(mutex_);
    if (stopping_) {
      return false;
    }
    if (journal_->append(std::move(record), journalled) == journal::Journal::Taken::yes) {
      return true;
    }
    item->deadline = now() + flushers_[source]->source.timeout;
    item->done = std::move(done);
    add(source, item);
  }
  ready_.notify_all();
  return true;
}

void WriteBack::settle(std::uint64_t sequence) {
  bool oldest = false;
  {
    MutexLock lock(mutex_);
    oldest = !unsettled_.empty() && *unsettled_.begin() == sequence;
    unsettled_.erase(sequence);
  }
  if (oldest) {
    release();
  }
}

std::optional<PendingWrite> WriteBack::pending(std::string_view key) const {
  MutexLock lock(mutex_);
  const auto found = pending_.find(std::string(key));
  return found == pending_.end() ? std::nullopt : std::optional(found->second.last);
}

bool WriteBack::replayed() const noexcept {
  MutexLock lock(mutex_);
  return std::ranges::all_of(flushers_, [](const auto& flusher) {
    return (flusher->known && flusher->found == 0) || flusher->failed;
  });
}

std::size_t WriteBack::unapplied() const {
  MutexLock lock(mutex_);
  std::size_t count = 0;
  for (const auto& flusher : flushers_) {
    count += flusher->queue.size();
  }
  return count;
}

WriteBackTotals WriteBack::totals(std::size_t source) const {
  MutexLock lock(mutex_);
  WriteBackTotals totals = flushers_[source]->totals;
  totals.pending = flushers_[source]->queue.size();
  return totals;
}

journal::Totals WriteBack::journal_totals() const {
  return journal_->totals();
}

// For people.
std::string WriteBack::key_of(const Item& item) {
  return item.record.changes.empty() ? std::string() : escaped(item.record.changes[0].key);
}

void WriteBack::forget(Flusher& flusher, const Item& item) {
  flusher.found -= item.found ? 1 : 0;
  if (item.record.sequence == 0) {
    flusher.through--;
    return;
  }
  for (const journal::Change& change : item.record.changes) {
    const auto pending = pending_.find(change.key);
    TC_CHECK(pending != pending_.end());
    if (--pending->second.count == 0) {
      pending_.erase(pending);
    }
  }
}

// The first so many are done with.
void WriteBack::take_away(Flusher& flusher, std::size_t count) {
  for (; count > 0; count--) {
    forget(flusher, *flusher.queue.front());
    flusher.queue.pop_front();
  }
}

// All records before the first that some source, or Redis, has not got.
void WriteBack::release() {
  std::uint64_t until = 0;
  {
    MutexLock lock(mutex_);
    until = unsettled_.empty() ? last_ : std::min(last_, *unsettled_.begin() - 1);
    for (const auto& flusher : flushers_) {
      for (const ItemPtr& item : flusher->queue) {
        if (item->record.sequence > 0) {
          until = std::min(until, item->record.sequence - 1);
          break;
        }
      }
    }
  }
  journal_->release(until);
}

// `coalesced`: so many changes were left out.
Written WriteBack::apply(Flusher& flusher, const std::vector<ItemPtr>& batch, const Pace& pace,
                         std::size_t& coalesced) {
  std::vector<l3::Change> changes;
  std::vector<std::uint64_t> sequences;
  std::vector<KeyWrite> writes;
  for (const ItemPtr& item : batch) {
    auto resolved = resolve_(item->record);
    if (!resolved) {
      return {Written::Kind::refused, "no namespace writes such a key back", {}};
    }
    for (std::size_t i = 0; i < resolved->changes.size(); i++) {
      changes.push_back(std::move(resolved->changes[i]));
      sequences.push_back(item->record.sequence);
      writes.push_back({item->record.changes[i].key, resolved->coalesces[i]});
    }
  }
  const std::vector<bool> sent = needed(writes);
  std::vector<const l3::Change*> pointers;
  for (std::size_t i = 0; i < changes.size(); i++) {
    if (sent[i]) {
      sequences[pointers.size()] = sequences[i];
      pointers.push_back(&changes[i]);
    }
  }
  coalesced = changes.size() - pointers.size();
  sequences.resize(pointers.size());
  const bool through = batch.front()->record.sequence == 0;
  const l3::Position position{through ? std::string_view() : journal_->id(), sequences};
  const auto patience = static_cast<std::int64_t>(pace.patience(through ? 1 : pointers.size()));
  return flusher.source.writer->apply(pointers, position,
                                      now() + patience * Duration(flusher.source.timeout));
}

void WriteBack::work(Flusher& flusher) {
  look(flusher);
  Duration pause = config_.retry_min;
  Pace pace(config_.batch);
  std::uint64_t alone = 0;  // the one that was last told of
  for (;;) {
    std::vector<ItemPtr> batch;
    {
      MutexLock lock(mutex_);
      while (!stopping_ && flusher.queue.empty()) {
        ready_.wait(mutex_);
      }
      if (stopping_) {
        return;
      }
      const std::size_t most = pace.records();
      const bool through = flusher.queue.front()->record.sequence == 0;
      for (const ItemPtr& item : flusher.queue) {
        if (batch.size() == most || (item->record.sequence == 0) != through) {
          break;
        }
        batch.push_back(item);
      }
    }
    const bool through = batch.front()->record.sequence == 0;
    std::size_t coalesced = 0;
    Written written = apply(flusher, batch, pace, coalesced);
    if (written.kind == Written::Kind::refused && batch.size() > 1) {
      pace.on_refused(batch.size());
      continue;
    }
    const bool refused = written.kind == Written::Kind::refused;
    const bool good = written.kind == Written::Kind::applied || through ||
                      (refused && bury(flusher, *batch.front(), written.why));
    bool was_failed = false;
    if (good) {
      MutexLock lock(mutex_);
      was_failed = std::exchange(flusher.failed, false);
      if (written.kind == Written::Kind::applied) {
        flusher.totals.flushed += batch.size();
        flusher.totals.transactions++;
        flusher.totals.coalesced += coalesced;
        flusher.totals.through += through ? batch.size() : 0;
      }
      take_away(flusher, batch.size());
    } else {
      if (batch.size() == 1 && batch.front()->record.sequence != alone) {
        alone = batch.front()->record.sequence;
        spdlog::warn("source '{}' does not take write {} alone either, key {}: {}",
                     flusher.source.name, alone, key_of(*batch.front()), written.why);
      }
      pace.on_failed(batch.size());
      try_again(flusher, written.why, pause);
      continue;
    }
    if (was_failed) {
      spdlog::info("source '{}' takes what is written back again", flusher.source.name);
    }
    pause = config_.retry_min;
    pace.on_done(batch.size());
    for (const ItemPtr& item : batch) {
      if (item->done) {
        Written own{written.kind, written.why,
                    std::vector<std::uint64_t>(item->record.changes.size())};
        std::exchange(item->done, {})(std::move(own), 0);
      }
    }
    release();
  }
}

void WriteBack::try_again(Flusher& flusher, const std::string& why, Duration& pause) {
  bool was_failed = false;
  {
    MutexLock lock(mutex_);
    was_failed = std::exchange(flusher.failed, true);
    flusher.totals.retries++;
  }
  if (!was_failed) {
    spdlog::warn("source '{}' does not take what is written back, which is kept: {}",
                 flusher.source.name, why);
  }
  wait(flusher, pause);
  pause = std::min<Duration>(pause * 2, config_.retry_max);
}

// Until the pause is over or all is.
void WriteBack::wait(Flusher& flusher, Duration pause) {
  const Time until = now() + pause;
  while (now() < until) {
    {
      MutexLock lock(mutex_);
      if (stopping_) {
        return;
      }
      ready_.wait_until(mutex_, std::min<Time>(until, now() + kSlice));
    }
    end_late(flusher);
  }
}

// Those that go through do not wait for ever.
void WriteBack::end_late(Flusher& flusher) {
  std::vector<ItemPtr> late;
  {
    MutexLock lock(mutex_);
    if (flusher.through == 0) {
      return;
    }
    const Time at = now();
    std::erase_if(flusher.queue, [&](const ItemPtr& item) {
      const bool ends = item->record.sequence == 0 && item->deadline <= at;
      if (ends) {
        late.push_back(item);
      }
      return ends;
    });
    flusher.through -= late.size();
  }
  for (const ItemPtr& item : late) {
    std::exchange(item->done, {})(
        {Written::Kind::failed, "the journal is full, and the source does not take it", {}}, 0);
  }
}

// A line in the file of dead letters, and in the log. Then the source is told that the journal has
// come so far, so that it is not buried again.
bool WriteBack::bury(Flusher& flusher, const Item& item, const std::string& why) {
  std::string line = fmt::format("source={} sequence={} db={}", flusher.source.name,
                                 item.record.sequence, item.record.db);
  for (const journal::Change& change : item.record.changes) {
    line += " key=" + escaped(change.key);
    line += change.value ? " value=" + escaped(*change.value) : " removed";
  }
  line += " why=" + escaped(why) + "\n";
  const std::string path = config_.dir + "/dead-letters";
  const journal::Descriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (file.get() < 0 || journal::write_all(file.get(), line) != 0 || ::fsync(file.get()) != 0 ||
      !journal::sync_directory(config_.dir)) {
    return false;
  }
  spdlog::error("source '{}' will not take a write, which is in {}: key {}: {}",
                flusher.source.name, path, key_of(item), why);
  const std::uint64_t sequence = item.record.sequence;
  const l3::Position position{journal_->id(), {&sequence, 1}};
  flusher.source.writer->apply({}, position, now() + flusher.source.timeout);
  MutexLock lock(mutex_);
  flusher.totals.dead++;
  return true;
}

}  // namespace tiercache::proxy
