// Writes that are answered when they are journalled, and applied to their sources later: a thread
// for each source takes them in the journal's order, Config::Journal::batch at most in one
// transaction, together with the journal's position, so each is applied once whatever is lost on
// the way. What a source does not take now is tried again, for ever, with growing pauses; what it
// will never take goes to a file of dead letters, and those behind it go on.
//
// Writes of one key that stand in one transaction are joined where their namespace says so
// (write_coalesce.hpp): the last one is sent. One that is refused is found by applying the writes
// one by one, so a dead letter is a single write, and those that it would have been joined with are
// applied.
//
// A write for which the journal has no room goes through: behind those of its source that are
// journalled, and is answered when the source has it. One that has waited for the source's timeout
// is given up, however busy the source is with others, by a thread that does nothing else; one that
// is begun by then has the timeout once more.
//
// A write stays in the journal until Redis has it too: if the process dies before, the next one
// removes Redis's copy.
//
// Until a write is applied, pending() tells what the source will have. What an earlier run has left
// may be applied already, and written over since: as long as the source has not told how far it has
// come, that is not known. All of them are kept in
// memory, about twice their bytes; journal.max_bytes bounds that.
//
// Thread-safe. Owned by Writes.
#pragma once

#include "tiercache/base/mutex.hpp"
#include "tiercache/base/result.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/config/config.hpp"
#include "tiercache/journal/journal.hpp"
#include "tiercache/l3/writer.hpp"
#include "tiercache/proxy/writes.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

namespace tiercache::proxy {

class Pace;

struct WriteBackTotals {
  std::uint64_t flushed = 0;       // applied to the source
  std::uint64_t transactions = 0;  // by so many
  std::uint64_t through = 0;       // of these, that the journal had no room for
  std::uint64_t retries = 0;       // transactions that have to be tried again
  std::uint64_t coalesced = 0;     // changes of these that were not sent, for a later one was
  std::uint64_t dead = 0;          // that the source will never take
  std::size_t pending = 0;
};

class WriteBack {
 public:
  struct Source {
    std::string name;
    std::unique_ptr<l3::Writer> writer;  // null: nothing is written back to it
    std::chrono::milliseconds timeout{1000};
  };
  // Which source a record is for, and what it is to be told; nothing: none any more.
  struct Resolved {
    std::size_t source = 0;
    std::vector<l3::Change> changes;
    std::vector<bool> coalesces;  // of each, whether a later one of its key may stand for it
  };
  using Resolve = std::function<std::optional<Resolved>(const journal::Record&)>;

  WriteBack(config::Journal config, std::vector<Source> sources, Resolve resolve);
  ~WriteBack();
  WriteBack(const WriteBack&) = delete;
  WriteBack& operator=(const WriteBack&) = delete;

  // By db.
  using Keys = std::map<std::uint32_t, std::set<std::string>>;
  using OnFound = std::function<void(const Keys&)>;
  // What an earlier run has left is pending afterwards, but for what its source turns out to have
  // when it is first asked. Then `on_found` gets the keys of both, on that source's thread, before
  // replayed(). Once, before all else.
  Status open(OnFound on_found);
  // `sequence` is 0, or the journal's: then settle() is to be called with it.
  using Done = std::function<void(l3::Written, std::uint64_t sequence)>;
  // `done` is called once, later: the write is journalled, or has gone through, or neither. False:
  // all is being stopped, and it will not be called.
  bool put(std::size_t source, journal::Record record, Done done);
  // The journal need not keep that write any longer, once the source has it.
  void settle(std::uint64_t sequence);
  // What was written last and is not applied.
  std::optional<PendingWrite> pending(std::string_view key) const;
  // Whether what open() has found is applied, or the source has failed to take it.
  bool replayed() const noexcept;
  std::size_t unapplied() const;
  WriteBackTotals totals(std::size_t source) const;
  journal::Totals journal_totals() const;

 private:
  struct Item {
    journal::Record record;  // sequence 0: it goes through
    Done done;               // then
    bool found = false;      // an earlier run has left it
    bool lost = false;       // and it belongs to no source any more
  };
  using ItemPtr = std::shared_ptr<Item>;
  struct Through {
    ItemPtr item;
    std::uint64_t behind = 0;  // the sequence of the last one in the queue
    Time deadline = kNever;    // it is given up if it is not begun
  };
  struct Flusher {
    Source source;
    std::deque<ItemPtr> queue;
    std::size_t found = 0;        // of these
    std::deque<Through> through;  // by their deadlines too
    std::size_t busy = 0;         // of these the first, which the source is being told
    bool known = true;            // which of these the source has: none
    bool failed = false;          // it is being tried again
    WriteBackTotals totals;
    std::thread thread;
  };
  struct Pending {
    std::size_t count = 0;
    PendingWrite last;
  };

  void add(std::size_t source, const ItemPtr& item) TC_REQUIRES(mutex_);
  void forget(Flusher& flusher, const Item& item) TC_REQUIRES(mutex_);
  void take_away(Flusher& flusher, const std::vector<ItemPtr>& batch) TC_REQUIRES(mutex_);
  static std::vector<ItemPtr> choose(Flusher& flusher, std::size_t most);
  void look(Flusher& flusher);
  Keys leave_out(Flusher& flusher, std::uint64_t reached);
  void work(Flusher& flusher);
  l3::Written apply(Flusher& flusher, const std::vector<ItemPtr>& batch, const Pace& pace,
                    std::size_t& coalesced);
  static std::string key_of(const Item& item);
  bool bury(Flusher& flusher, const Item& item, const std::string& why);
  void try_again(Flusher& flusher, const std::string& why, Duration& pause);
  void wait(Duration pause);
  void end_late();
  Time take_late(std::vector<ItemPtr>& late) TC_REQUIRES(mutex_);
  void release();

  const config::Journal config_;
  const Resolve resolve_;
  OnFound on_found_;
  mutable Mutex mutex_;
  std::condition_variable_any ready_;
  std::condition_variable_any timed_;               // there is something else that may be late
  std::vector<std::unique_ptr<Flusher>> flushers_;  // their queues and counts under the mutex
  std::unordered_map<std::string, Pending> pending_ TC_GUARDED_BY(mutex_);
  std::uint64_t last_ TC_GUARDED_BY(mutex_) = 0;  // the sequence that was added last
  std::set<std::uint64_t> unsettled_ TC_GUARDED_BY(mutex_);
  bool stopping_ TC_GUARDED_BY(mutex_) = false;
  std::unique_ptr<journal::Journal> journal_;
  std::thread late_thread_;
};

}  // namespace tiercache::proxy
