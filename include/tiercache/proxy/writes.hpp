// Clients' writes of keys that a source is to have too: the source first, then Redis; the client's
// answer means both (namespaces of strategy write-through). With write-back it is the journal
// first, from which the source gets them (src/proxy/write_back.hpp). L1 hears of it as of any
// write.
//
// A key is held from its write's being handed to the source until Redis has answered: writes of one
// key reach both in the order in which they came, and one of several keys waits until it is the
// first for each of them. Loads are told before the source is asked and again before Redis is, so
// that none puts an older value behind the write; see loads.hpp, whose second pair of steps this
// takes part in as a client's write.
//
// Over a Cluster Redis's part goes where each key is at that moment (src/proxy/errands.hpp), and
// all nodes' L1 are told, since while a slot moves more than one may have the key. The hash of a
// key is the same on all.
//
// If the source does not take a write, nothing was changed. If Redis does not take what the source
// has taken, the client is told so, and Redis's copy is removed as soon as Redis allows; until then
// it may show the older value. Where nobody knows whether the source has a write the copy is
// removed at once, and once more after kSettles: a commit may come after a load that has found the
// old row.
//
// Thread-safe; one for the process, owned by Loads. Limits: SourceConfig::queue writes for each
// source that are not answered yet, then an error; kDoomed keys whose copies are to be removed,
// then no write is begun until some are.
#pragma once

#include "tiercache/base/hash.hpp"
#include "tiercache/base/mutex.hpp"
#include "tiercache/base/result.hpp"
#include "tiercache/config/config.hpp"
#include "tiercache/config/key_pattern.hpp"
#include "tiercache/journal/record.hpp"
#include "tiercache/l3/writer.hpp"
#include "tiercache/namespaces/set.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tiercache::proxy {

struct Errand;
struct Hub;
class Loads;
class Worker;
class WriteBack;
struct WritePlan;

enum class WriteCounter : std::uint8_t {
  written,  // commands that the source and Redis have taken
  refused,  // the source has said no
  failed,   // the source could not, or nobody knows whether it has
  halved,   // the source has it, or will, Redis has not taken it
};
inline constexpr std::size_t kWriteCounters = static_cast<std::size_t>(WriteCounter::halved) + 1;

// What will be in the source of a key.
struct PendingWrite {
  bool known = true;  // false: the source may have this, or what has been written there since
  std::optional<std::string> value;  // nothing: it is removed
};

class Writes : public std::enable_shared_from_this<Writes> {
 public:
  static constexpr std::size_t kDoomed = 1024;
  // In timeouts of the source.
  static constexpr int kSettles = 2;

  // How a source is written to; tests have their own.
  using MakeWriter =
      std::function<std::unique_ptr<l3::Writer>(const l3::SourceConfig&, std::vector<l3::Query>)>;

  Writes(const config::Config& config, Loads& loads, const MakeWriter& make = &l3::make_writer);
  ~Writes();

  // Opens the journal, if a namespace writes back. Before the threads run; once.
  Status open(Hub& hub);
  // Whether what an earlier run has journalled is in its source, or that source fails, and Redis
  // has no older copy of it.
  bool ready() const;
  // Writes that are answered and not in their source.
  std::size_t unapplied() const;
  // What a stop would leave undone, for people; empty: nothing. Whoever may write is to have gone.
  std::string left() const;
  // What will be in the source of a key that has been written back.
  std::optional<PendingWrite> pending(std::string_view key) const;

  // Whether the keys of that namespace are written to a source.
  bool has(namespaces::Index space) const noexcept {
    return spaces_[space]->pattern.has_value();
  }
  // What a refusal calls its keys: "keys of namespace 'x', which ...".
  std::string keys_of(namespaces::Index space) const;
  // Half of the source's queue is taken: a client that has writes there already can wait.
  bool crowded(namespaces::Index space) const;
  std::chrono::milliseconds l2_ttl(namespaces::Index space) const noexcept {
    return spaces_[space]->l2_ttl;
  }

  struct Wanted {
    std::uint32_t db = 0;
    namespaces::Index space = 0;
  };
  using Take = std::function<void(std::string reply)>;
  // L1 knows of it until right before `take` is called, once, from within or later, on any thread.
  // REQUIRES: has(space), the plan has no error, and is by slots if there is a Cluster. On that
  // worker's thread.
  void want(Worker& worker, const Wanted& wanted, WritePlan plan, Take take);

  // ",written=1,...", behind what Loads says of the namespace.
  std::string line(namespaces::Index space) const;
  std::uint64_t sum(WriteCounter counter) const;
  // ",writes=1,...", of a source, by its place in the configuration.
  std::string source_line(std::size_t source) const;
  // "records=1,...", of the journal; empty: there is none.
  std::string journal_line() const;

 private:
  struct Space {
    std::optional<config::KeyPattern> pattern;  // none: not written to a source
    bool back = false;                          // the journal first
    bool coalesce = false;                      // then only the last of a key's writes is applied
    std::size_t put = 0;                        // statements
    std::optional<std::size_t> remove;
    std::string name;
    std::string source_name;
    std::size_t source = 0;
    std::size_t limit = 0;                 // the source's
    std::chrono::milliseconds timeout{0};  // likewise
    std::chrono::milliseconds l2_ttl{0};
    std::array<std::atomic<std::uint64_t>, kWriteCounters> counts{};
  };
  struct Write {
    Worker* worker = nullptr;
    Wanted wanted;
    std::vector<std::string> keys;   // each once
    std::vector<KeyHash> hashes;     // of these
    std::vector<std::size_t> named;  // which of these were named, in that order
    std::vector<l3::Change> changes;
    journal::Record record;  // of write-back, instead
    std::vector<Errand> errands;
    std::size_t held = 0;  // the L1 of so many nodes knows that the keys are being written
    bool counts = false;   // the reply is how many were there
    Take take;
    std::uint64_t sequence = 0;        // in the journal, which keeps it as long as this is not 0
    std::size_t behind = 0;            // for so many keys it is not the first
    std::vector<std::uint64_t> rows;   // that the source has changed
    std::vector<std::string> replies;  // Redis's, to the errands
  };
  using WritePtr = std::shared_ptr<Write>;
  struct Doomed {
    Worker* worker = nullptr;
    std::uint32_t db = 0;
    std::vector<std::string> keys;
    std::vector<KeyHash> hashes;
    std::uint64_t sequence = 0;              // as a Write's
    std::shared_ptr<Doomed> next = nullptr;  // of which it is the turn then
  };
  using DoomedPtr = std::shared_ptr<Doomed>;

  std::string make_changes(const Space& space, const WritePlan& plan, Write& write) const;
  std::string source_change(const Space& space, std::string_view key,
                            std::optional<std::string_view> value, l3::Change& change) const;
  bool resolve(const journal::Record& record, std::size_t& source, std::vector<l3::Change>& changes,
               std::vector<bool>& coalesces) const;
  bool submit(const WritePtr& write);
  void to_source(const WritePtr& write);
  void on_written(const WritePtr& write, l3::Written written);
  void to_redis(const WritePtr& write);
  void end_in_redis(const WritePtr& write);
  void end(const WritePtr& write, std::string reply);
  void doom(Write& write);
  void doom_later(const Write& write);
  void doom_found(Worker& worker, std::uint32_t db, const std::set<std::string>& keys);
  void doom(const DoomedPtr& first);
  void remove(const DoomedPtr& doomed);
  void on_removed(const DoomedPtr& doomed, const std::vector<std::string>& replies);
  void remove_later(const DoomedPtr& doomed, Duration pause);
  static void hold(Write& write);
  static void let_go(Write& write);
  static void announce(Worker& worker, const std::vector<KeyHash>& hashes);
  std::string error_of(const Space& space, std::string_view text) const;
  void count(namespaces::Index space, WriteCounter what) noexcept;
  std::string back_line(std::size_t source) const;

  Loads& loads_;
  const namespaces::Set set_;
  const bool clustered_;
  std::vector<std::unique_ptr<Space>> spaces_;  // by index
  std::atomic<std::size_t> doomed_{0};          // keys
  mutable Mutex mutex_;
  // By db and key: the writes of a key in their order, the first of which may be under way.
  std::unordered_map<std::string, std::deque<WritePtr>> keys_ TC_GUARDED_BY(mutex_);
  std::vector<std::size_t> unanswered_ TC_GUARDED_BY(mutex_);  // by source
  // The last, so that they go first: their threads call back.
  std::vector<std::unique_ptr<l3::Sink>> sinks_;
  std::unique_ptr<WriteBack> write_back_;
};

// Null: no namespace writes to a source.
Writes* source_writes(const Hub& hub) noexcept;

// Likewise.
std::shared_ptr<Writes> make_writes(const config::Config& config, Loads& loads);

}  // namespace tiercache::proxy
