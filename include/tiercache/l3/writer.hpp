// Puts changes into a database: a batch of them in one transaction, all or none. The statements
// are the namespaces' own, with a key's parts and its value as bound parameters.
//
// A batch may say where its changes stand in a journal. Then the same transaction writes down how
// far that journal has come (in a table kJournalTable, made if it is missing), and a change that
// was applied before is left out: whatever was lost on the way and is sent again, each is applied
// once, even where the statement only adds rows.
//
// A Writer blocks and is used by one thread. A Sink is the thread of one, shared by those who wait
// for their changes: it takes all that wait, kBatch puts at most, into one transaction, and applies
// them one by one where one of them is refused. So a slow commit is paid once for many.
//
// Sink: submit() and totals() on any thread; `done` is called once, on the sink's thread or, by the
// destructor, on the one that destroys it. Limits: `queue` puts that wait (submit() then refuses),
// `timeout` for each from its submission, after which none is begun and one under way is ended.
#pragma once

#include "tiercache/base/mutex.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/config/key_pattern.hpp"
#include "tiercache/l3/source.hpp"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace tiercache::l3 {

inline constexpr std::string_view kJournalTable = "tiercache_journal";
// Of a statement's parameters the one that is the value: any bytes. SQLite gets them as text where
// they are UTF-8, else as a blob; PostgreSQL as what the statement wants there.
inline constexpr std::string_view kValueParameter = "value";

struct Change {
  std::size_t statement = 0;  // its index
  std::vector<config::KeyPattern::Value> values;
};

// Where changes stand in a journal: numbers that do not fall, one for each. Those without changes
// are done with in some other way.
struct Position {
  std::string_view journal;  // empty: in none
  std::span<const std::uint64_t> sequences;
};

struct Written {
  enum class Kind : std::uint8_t {
    applied,
    refused,  // nothing was changed, and never will be: the fault of a change
    failed,   // nothing was changed; the same may work later
    unknown,  // the connection was lost while it was being committed
  };
  Kind kind = Kind::failed;
  std::string why;                  // one line, if not applied
  std::vector<std::uint64_t> rows;  // applied: how many each change has changed
  // How far the journal had come before, where there is one and it was looked at; 0: nowhere yet.
  std::optional<std::uint64_t> reached = {};
};

class Writer {
 public:
  Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  virtual ~Writer() = default;

  // Ends soon after the deadline.
  virtual Written apply(std::span<const Change* const> changes, const Position& position,
                        Time deadline) = 0;
};

// They open nothing yet. A Query's batch means nothing here.
std::unique_ptr<Writer> make_sqlite_writer(const SourceConfig& config,
                                           std::vector<Query> statements);
std::unique_ptr<Writer> make_postgres_writer(const SourceConfig& config,
                                             std::vector<Query> statements);
// By what the configuration has: a path or a dsn.
std::unique_ptr<Writer> make_writer(const SourceConfig& config, std::vector<Query> statements);

// Changes that are applied together or not at all.
struct Put {
  std::vector<Change> changes;
  std::function<void(Written)> done;
};

struct SinkTotals {
  std::uint64_t puts = 0;  // applied
  std::uint64_t transactions = 0;
  std::uint64_t failed = 0;   // not applied, for whatever reason
  std::uint64_t refused = 0;  // the queue was full
  std::size_t waiting = 0;
};

class Sink {
 public:
  static constexpr std::size_t kBatch = 256;

  Sink(SourceConfig config, std::unique_ptr<Writer> writer);
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  // What runs is waited for, and what waits is told.
  ~Sink();

  // False: too many wait already, and `done` will not be called.
  bool submit(Put put);
  SinkTotals totals() const;

 private:
  struct Waiting {
    Put put;
    Time deadline;
  };

  void work();
  void run(std::vector<Waiting> batch);
  Written apply(std::span<const Waiting> puts, Time deadline);

  const SourceConfig config_;
  const std::unique_ptr<Writer> writer_;
  mutable Mutex mutex_;
  std::condition_variable_any ready_;
  std::deque<Waiting> waiting_ TC_GUARDED_BY(mutex_);
  SinkTotals totals_ TC_GUARDED_BY(mutex_);
  bool stopping_ TC_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // the last: it uses the others
};

}  // namespace tiercache::l3
