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
  timed_.notify_all();
  for (const auto& flusher : flushers_) {
    if (flusher->thread.joinable()) {
      flusher->thread.join();
    }
  }
  if (late_thread_.joinable()) {
    late_thread_.join();
  }
  journal_.reset();
  std::vector<Done> untold;
  {
    MutexLock lock(mutex_);
    for (const auto& flusher : flushers_) {
      for (const Through& one : flusher->through) {
        untold.push_back(std::move(one.item->done));
      }
      flusher->through.clear();
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
    item->done = std::move(done);
    Flusher& flusher = *flushers_[source];
    const auto& queue = flusher.queue;
    flusher.through.push_back(
        {item, queue.empty() ? 0 : queue.back()->record.sequence, now() + flusher.source.timeout});
  }
  ready_.notify_all();
  timed_.notify_all();
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
    count += flusher->queue.size() + flusher->through.size();
  }
  return count;
}

WriteBackTotals WriteBack::totals(std::size_t source) const {
  MutexLock lock(mutex_);
  const Flusher& flusher = *flushers_[source];
  WriteBackTotals totals = flusher.totals;
  totals.pending = flusher.queue.size() + flusher.through.size();
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
  for (const journal::Change& change : item.record.changes) {
    const auto pending = pending_.find(change.key);
    TC_CHECK(pending != pending_.end());
    if (--pending->second.count == 0) {
      pending_.erase(pending);
    }
  }
}

// They are done with.
void WriteBack::take_away(Flusher& flusher, const std::vector<ItemPtr>& batch) {
  if (flusher.busy > 0) {
    const auto begin = flusher.through.begin();
    flusher.through.erase(begin, begin + static_cast<std::ptrdiff_t>(flusher.busy));
    flusher.busy = 0;
    return;
  }
  for (const ItemPtr& item : batch) {
    forget(flusher, *item);
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
      if (!flusher->queue.empty()) {
        until = std::min(until, flusher->queue.front()->record.sequence - 1);
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

// What is next, of one kind: what is journalled, or what goes through behind that. Under the mutex.
// REQUIRES: there is something.
std::vector<WriteBack::ItemPtr> WriteBack::choose(Flusher& flusher, std::size_t most) {
  std::vector<ItemPtr> batch;
  const auto& queue = flusher.queue;
  const auto& through = flusher.through;
  for (std::size_t i = 0; batch.size() < most && i < through.size() &&
                          (queue.empty() || through[i].behind < queue.front()->record.sequence);
       i++) {
    batch.push_back(through[i].item);
  }
  flusher.busy = batch.size();
  if (!batch.empty()) {
    return batch;
  }
  for (std::size_t i = 0; batch.size() < most && i < queue.size() &&
                          (through.empty() || queue[i]->record.sequence <= through.front().behind);
       i++) {
    batch.push_back(queue[i]);
  }
  return batch;
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
      while (!stopping_ && flusher.queue.empty() && flusher.through.empty()) {
        ready_.wait(mutex_);
      }
      if (stopping_) {
        return;
      }
      batch = choose(flusher, pace.records());
    }
    const bool through = batch.front()->record.sequence == 0;
    std::size_t coalesced = 0;
    Written written = apply(flusher, batch, pace, coalesced);
    if (written.kind == Written::Kind::refused && batch.size() > 1) {
      pace.on_refused(batch.size());
      {
        MutexLock lock(mutex_);
        flusher.busy = 0;
      }
      timed_.notify_all();
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
      take_away(flusher, batch);
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
  wait(pause);
  pause = std::min<Duration>(pause * 2, config_.retry_max);
}

// Until the pause is over or all is.
void WriteBack::wait(Duration pause) {
  const Time until = now() + pause;
  MutexLock lock(mutex_);
  while (!stopping_ && now() < until) {
    ready_.wait_until(mutex_, until);
  }
}

// A thread of its own: those that go through do not wait for ever, whatever the source is doing.
void WriteBack::end_late() {
  for (;;) {
    std::vector<ItemPtr> late;
    {
      MutexLock lock(mutex_);
      for (;;) {
        if (stopping_) {
          return;
        }
        const Time next = take_late(late);
        if (!late.empty()) {
          break;
        }
        if (next == kNever) {
          timed_.wait(mutex_);
        } else {
          timed_.wait_until(mutex_, next);
        }
      }
    }
    for (const ItemPtr& item : late) {
      std::exchange(item->done, {})(
          {Written::Kind::failed,
           "the journal is full, and the source has not come to it in time",
           {}},
          0);
    }
  }
}

// When the next one will be.
Time WriteBack::take_late(std::vector<ItemPtr>& late) {
  Time next = kNever;
  const Time at = now();
  for (const auto& flusher : flushers_) {
    auto& through = flusher->through;
    const auto first = through.begin() + static_cast<std::ptrdiff_t>(flusher->busy);
    auto end = first;
    for (; end != through.end() && end->deadline <= at; ++end) {
      late.push_back(end->item);
    }
    if (end != through.end()) {
      next = std::min(next, end->deadline);
    }
    through.erase(first, end);
  }
  return next;
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
