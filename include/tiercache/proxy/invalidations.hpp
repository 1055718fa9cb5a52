// Invalidations of many keys (a prefix, a namespace, a tag) that have been answered and are not
// carried out everywhere yet. Each has a number and stays here until no copy that it is about is
// left; who carries them out is tiercache/invalidation/invalidator.hpp.
//
// Why nothing older is served meanwhile: an invalidation is published before it is answered, and
// every request looks here before anything is done with it. One that names a key of a pending
// invalidation goes on only when the copies of that key are gone, as CACHE INVALIDATE KEY does
// away with them: L1's at once, with what is on its way there, and Redis's, where a source is
// behind, on the control thread, for which the request waits. So it is as if each such key had been
// invalidated by itself before its first use, and the walk over all of them has time.
// A key that is clean is remembered, so that it is not done again, and the walk leaves it alone: a
// client may have written it since.
//
// What is said here is of keys that a request names. What a script reads without declaring it
// (SORT ... BY and GET too) is as Redis has it until the walk has been there.
//
// Thread-safe; one for the process. Cost: while nothing is pending, one load of an atomic for a
// request; else a match of each key with each pending one, and a mutex for those that match.
// Limits: kMost are pending at a time, further ones are refused; kClean bytes of clean keys are
// remembered, others are done again each time they are named; of waiting requests a client has one.
#pragma once

#include "tiercache/base/mutex.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tiercache::proxy {

struct Hub;

class Invalidations {
 public:
  static constexpr std::size_t kMost = 8;
  static constexpr std::size_t kClean = std::size_t{8} << 20U;

  // They grow; 0: none.
  using Number = std::uint64_t;
  // What is answered to a request whose keys could not be made clean.
  static constexpr Number kFailed = ~Number{0};

  struct Pending {
    std::string what;  // says all of it: the same again renews the one that is pending
    std::uint32_t db = 0;
    bool softens = false;  // Redis's copies become stale instead of being removed
    // Any thread.
    std::function<bool(std::string_view key)> selects;
  };
  // `id` stays the same when it is renewed. 0: too many are pending.
  struct Published {
    Number id = 0;
    Number number = 0;
  };

  // Tells the hub, which outlives it, what is the newest that is pending.
  explicit Invalidations(Hub& hub) : hub_(hub) {
  }
  Invalidations(const Invalidations&) = delete;
  Invalidations& operator=(const Invalidations&) = delete;

  // From its return on nothing older is served.
  Published publish(Pending what);
  // It is carried out. 0: it is not pending any more; else it has been renewed meanwhile, under
  // that number, and is to be carried out again.
  Number retire(Number id, Number number);
  // How far it has come, for lines().
  void note(Number id, std::string progress);

  // Lets go of one key's copies in Redis, later, and then calls end(), once. Called on any thread.
  // Set before the first client; nothing: from here on none can (whoever did is gone).
  using LetGo = std::function<void(std::uint32_t db, std::string key, bool softens)>;
  void set_let_go(LetGo let_go);

  // For requests.
  struct Key {
    std::uint32_t db = 0;
    std::string_view name;
    bool sourced = false;  // its namespace loads from a source
  };
  // The request is clean of all up to `upto` already. `wake` is called once, on any thread, if it
  // has to wait, with up to which it is clean then, or kFailed.
  struct Met {
    bool waits = false;
    Number upto = 0;
  };
  using Wake = std::function<void(Number upto)>;
  Met meet(std::span<const Key> keys, Number upto, const Wake& wake);

  // For the walk: it is about to let go of a key by itself, which ends with end() too.
  enum class Claim : std::uint8_t {
    mine,
    clean,  // there is nothing to do
    busy,   // somebody else does; `again` is called when that has ended
  };
  Claim claim(Number number, std::uint32_t db, const std::string& key,
              const std::function<void()>& again);
  enum class Memory : std::uint8_t { keep, forget };
  void end(std::uint32_t db, const std::string& key, bool done, Memory memory);

  // Of each pending one by its number: "db=0,prefix=doc:,...".
  std::vector<std::pair<Number, std::string>> lines() const;

 private:
  struct Listed {
    Number id = 0;
    Number number = 0;
    std::shared_ptr<const Pending> what;
    std::string progress;
  };
  using List = std::vector<Listed>;
  struct Busy {
    Number number = 0;
    std::vector<std::function<void(bool done)>> waiters;
  };
  struct Wait;
  struct Matched {
    const Key* key = nullptr;
    Number number = 0;  // the newest that selects it
    bool softens = true;
  };

  static std::string name_of(std::uint32_t db, std::string_view key);
  static std::vector<Matched> match(const List& list, std::span<const Key> keys, Number upto);
  void remember(const std::string& name, Number number) TC_REQUIRES(mutex_);
  void forget_overtaken() TC_REQUIRES(mutex_);
  void set_newest() TC_REQUIRES(mutex_);

  Hub& hub_;
  mutable Mutex mutex_;
  Number last_ TC_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<const List> list_ TC_GUARDED_BY(mutex_) = std::make_shared<List>();
  std::unordered_map<std::string, Number> clean_ TC_GUARDED_BY(mutex_);
  std::size_t clean_bytes_ TC_GUARDED_BY(mutex_) = 0;
  Number forgotten_ TC_GUARDED_BY(mutex_) = 0;  // what was older is not in clean_
  std::unordered_map<std::string, Busy> busy_ TC_GUARDED_BY(mutex_);
  std::shared_ptr<const LetGo> let_go_ TC_GUARDED_BY(mutex_);
};

}  // namespace tiercache::proxy
