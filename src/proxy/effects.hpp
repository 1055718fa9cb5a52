// What one request, or one transaction, does to L1 and when that must be told: the barriers of the
// keys it writes around its execution, and the keys whose values its reply shows.
//
// Owned by an operation of a session, used on its thread. Every begin() is followed by exactly one
// end(), whatever becomes of the request, the link or the client.
#pragma once

#include "tiercache/coherence/cache.hpp"
#include "tiercache/command/command.hpp"
#include "tiercache/proxy/worker.hpp"

#include <cstdint>
#include <span>
#include <vector>

#include <boost/container/small_vector.hpp>

namespace tiercache::proxy {

class Effects {
 public:
  using Hashes = boost::container::small_vector<KeyHash, 2>;

  enum class Barrier : std::uint8_t {
    around,    // from the send to the reply
    at_reply,  // blocking commands: nobody can know before when they write
  };

  // Adds what the request does; its keys lie in `db` unless they say otherwise.
  void add(const coherence::Cache& cache, command::Kind kind, command::Args args,
           std::span<const command::KeyRef> keys, std::uint32_t db);
  // Adds those of another request that runs within this one.
  void add(const Effects& other);
  // Adds what an earlier request that nobody answers has changed by the time this one is answered:
  // keys, or, if they are very many or not known, all.
  void add_unanswered(const Effects& other);
  // Adds keys whose values the reply shows.
  void add_reads(const Hashes& keys);
  void set_barrier(Barrier barrier) noexcept {
    barrier_ = barrier;
  }
  void set_flush() noexcept {
    flush_ = true;
  }
  void set_script() noexcept {
    script_ = true;
  }
  // The reply is an error that says nothing of the keys that it would have shown.
  void set_nothing_shown() noexcept {
    nothing_shown_ = true;
  }
  // What a FLUSHALL or FLUSHDB empties, beside what SWAPDB and the like do to L1.
  struct Flushed {
    bool all = false;
    std::vector<std::uint32_t> dbs;

    void clear() noexcept {
      all = false;
      dbs.clear();
    }
  };
  const Flushed& flushed() const noexcept {
    return flushed_;
  }
  bool script() const noexcept {
    return script_;
  }
  // May change keys that it does not name.
  bool wide() const noexcept {
    return script_ || flush_;
  }
  const Hashes& writes() const noexcept {
    return writes_;
  }
  const Hashes& reads() const noexcept {
    return reads_;
  }

  // Right before the request is sent.
  void begin(const Lane& lane);
  // Before the first byte of the reply is passed on, or when it is known that none will come. The
  // second call and later ones do nothing.
  void end(const Lane& lane);
  // The request was refused by one server and goes to another, where `to` has the keys.
  void move(const Lane& from, const Lane& to);
  // For a request that nobody answers: what it changes is told now, and again with the next answer
  // (add_unanswered) and by Redis's events.
  void apply_blind(const Lane& lane) const;

  void clear() noexcept;

 private:
  Hashes writes_;
  Hashes reads_;
  Flushed flushed_;
  Barrier barrier_ = Barrier::around;
  bool flush_ = false;
  bool script_ = false;
  bool begun_ = false;
  bool ended_ = false;
  bool nothing_shown_ = false;
};

}  // namespace tiercache::proxy
