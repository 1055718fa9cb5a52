// WriteBack: what an earlier run has left, and which of it its source has.
#include "write_back.hpp"

#include <algorithm>
#include <utility>

#include <pthread.h>
#include <spdlog/spdlog.h>

namespace tiercache::proxy {

using l3::Written;

Status WriteBack::open(OnFound on_found) {
  on_found_ = std::move(on_found);
  journal::Journal::Found its;
  const auto sync =
      config_.fsync == config::Fsync::always ? journal::Sync::always : journal::Sync::everysec;
  auto opened = journal::Journal::open({config_.dir, sync, config_.max_bytes}, its);
  if (!opened) {
    return std::move(opened).error();
  }
  journal_ = std::move(*opened);
  for (const std::string& note : its.notes) {
    spdlog::warn("journal: {}", note);
  }
  {
    MutexLock lock(mutex_);
    for (journal::Record& record : its.records) {
      const auto resolved = resolve_(record);
      const auto item = std::make_shared<Item>();
      item->record = std::move(record);
      item->found = true;
      item->lost = !resolved;
      // Nobody else is to lose it: where its namespace has gone it is buried by the first flusher.
      const auto first = std::ranges::find_if(
          flushers_, [](const auto& flusher) { return flusher->source.writer != nullptr; });
      add(resolved ? resolved->source : static_cast<std::size_t>(first - flushers_.begin()), item);
    }
    for (const auto& flusher : flushers_) {
      flusher->known = flusher->found == 0;
    }
  }
  if (!its.records.empty()) {
    spdlog::info("journal: {} writes that an earlier run has left are applied where they are not",
                 its.records.size());
  }
  late_thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "tiercache-late");
    end_late();
  });
  for (const auto& flusher : flushers_) {
    if (flusher->source.writer) {
      flusher->thread = std::thread([this, its_own = flusher.get()] {
        ::pthread_setname_np(::pthread_self(), "tiercache-flush");
        work(*its_own);
      });
    }
  }
  return Unit{};
}

// Until the source has told how far it has come, which of what was found it has.
void WriteBack::look(Flusher& flusher) {
  Duration pause = config_.retry_min;
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (stopping_ || flusher.known) {
        return;
      }
    }
    const Written written = flusher.source.writer->apply(
        {}, {journal_->id(), {}}, Time(std::chrono::steady_clock::now()) + flusher.source.timeout);
    if (written.kind == Written::Kind::applied) {
      const Keys keys = leave_out(flusher, written.reached.value_or(0));
      if (on_found_) {
        on_found_(keys);
      }
      {
        MutexLock lock(mutex_);
        flusher.known = true;
      }
      release();
      return;
    }
    try_again(flusher, written.why, pause);
  }
}

// All keys that were found; those of them that the source has are not pending any more.
WriteBack::Keys WriteBack::leave_out(Flusher& flusher, std::uint64_t reached) {
  Keys keys;
  std::deque<ItemPtr> left;
  MutexLock lock(mutex_);
  for (const ItemPtr& item : flusher.queue) {
    if (item->found) {
      for (const journal::Change& change : item->record.changes) {
        keys[item->record.db].insert(change.key);
      }
    }
    if (item->found && !item->lost && item->record.sequence <= reached) {
      forget(flusher, *item);
    } else {
      left.push_back(item);
    }
  }
  flusher.queue.swap(left);
  for (const ItemPtr& item : flusher.queue) {
    for (const journal::Change& change : item->record.changes) {
      if (item->found) {
        pending_.at(change.key).last.known = true;
      }
    }
  }
  return keys;
}

}  // namespace tiercache::proxy
