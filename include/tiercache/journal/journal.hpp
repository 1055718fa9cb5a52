// What was promised and is not done yet, on disk: records in segment files of one directory, in the
// order of their sequences, from which they are read again at the next start.
//
// One thread writes: it takes all that was appended meanwhile, writes it at once, makes it durable
// at once (Sync::always) and then calls each back; with Sync::everysec it calls back when the
// kernel has it, and makes it durable once a second. A segment is removed when all its records
// were released.
//
// A write that fails is none of those that were acknowledged: what it may have left behind the last
// good byte is cut off, or a new segment says so, and until one can be begun appends fail. Where
// the disk fails to make durable what was acknowledged (Sync::everysec) it is written anew, into
// the next segment. At open a torn end, which is what a crash leaves, is cut and noted; a record
// behind bytes that are none means, where it says that they were durable, that acknowledged ones
// are lost, and that is an error. So is whatever is damaged behind a stop in order, or in another
// segment than the newest. Only what a crash left last cannot be told from a torn end.
//
// Sequences grow, by one within a run and by 2^32 more at each open: none is given out twice,
// though its record may be lost.
//
// Thread-safe, but for open(). `done` runs on the journal's thread, in the order of the sequences.
// The directory is locked against other processes. Limits: Config::max_bytes of segments and of
// what waits to be written, then append() says full; a record is kMaxPayload at most.
#pragma once

#include "tiercache/base/mutex.hpp"
#include "tiercache/base/result.hpp"
#include "tiercache/journal/descriptor.hpp"
#include "tiercache/journal/record.hpp"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace tiercache::journal {

enum class Sync : std::uint8_t { always, everysec };

struct Config {
  std::string directory;  // made if it is missing
  Sync sync = Sync::always;
  std::size_t max_bytes = std::size_t{1} << 30U;
};

struct Totals {
  std::uint64_t records = 0;        // written
  std::uint64_t writes = 0;         // by so many writes
  std::uint64_t failed = 0;         // records that could not be
  std::uint64_t sync_failures = 0;  // times that the disk did not make durable what it had taken
  std::size_t bytes = 0;            // of all segments, and of what waits
  std::size_t segments = 0;
};

class Journal {
 public:
  // What was found there.
  struct Found {
    std::vector<Record> records;     // of all segments that are still there
    std::vector<std::string> notes;  // for the log
  };
  static Result<std::unique_ptr<Journal>> open(Config config, Found& found);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  // What was appended is written.
  ~Journal();

  // A name that no other journal has; a new one whenever the sequences begin anew.
  const std::string& id() const noexcept {
    return id_;
  }
  struct Outcome {
    std::uint64_t sequence = 0;  // the record's, if it was written
    std::string error;           // empty: it was
    // With an error: it could neither be made durable nor cut off, so the next start may find it
    // if nothing can be written until then.
    bool unknown = false;
  };
  using Done = std::function<void(Outcome)>;
  enum class Taken : std::uint8_t { yes, full };
  Taken append(Record record, Done done);
  // All records up to this sequence are of no use any more.
  void release(std::uint64_t sequence);
  Totals totals() const;

 private:
  struct Waiting {
    Record record;
    std::size_t size = 0;
    Done done;
  };
  struct Segment {
    std::uint64_t number = 0;  // its name
    std::uint64_t last = 0;    // the sequence of its last record; of none: of the last before it
    std::size_t size = 0;      // that counts
  };

  explicit Journal(Config config);
  Status lock();
  Status read_id();
  Status make_id();
  Result<std::vector<std::uint64_t>> list_segments() const;
  Status read_segments(Found& found);
  Status read_segment(std::uint64_t number, const SegmentHeader& header,
                      const SegmentHeader* following, Found& found);
  Status make_found_durable();
  std::string path_of(std::uint64_t number) const;
  Status begin_segment();
  void work();
  Outcome write(const std::string& bytes);
  void write_batch(std::vector<Waiting> batch);
  bool has_records() const TC_REQUIRES(mutex_);
  bool all_released() const TC_REQUIRES(mutex_);
  bool sealable() const TC_REQUIRES(mutex_);
  bool tidy(bool stop);
  bool remove_released();
  void make_durable();
  void none_unsynced();

  const Config config_;
  std::size_t segment_bytes_;
  std::string id_;
  std::uint64_t seed_ = 0;
  Descriptor lock_;
  // Of the thread, once it runs.
  Descriptor file_;
  bool usable_ = false;  // the newest segment takes records
  std::uint64_t next_ = 1;
  std::uint64_t durable_ = 0;  // all up to this sequence are on disk
  std::string unsynced_;       // the records behind it, at the end of the newest segment
  std::uint64_t unsynced_records_ = 0;
  std::uint64_t next_number_ = 1;

  mutable Mutex mutex_;
  std::condition_variable_any ready_;
  std::deque<Waiting> waiting_ TC_GUARDED_BY(mutex_);
  std::deque<Segment> segments_ TC_GUARDED_BY(mutex_);  // the last one is written to
  std::uint64_t released_ TC_GUARDED_BY(mutex_) = 0;
  std::size_t bytes_ TC_GUARDED_BY(mutex_) = 0;
  Totals totals_ TC_GUARDED_BY(mutex_);
  bool stopping_ TC_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // the last: it uses the others
};

}  // namespace tiercache::journal
