// The self-audit: reads random entries of L1 from Redis again and counts those that are wrong. An
// entry that differs may only have its invalidation on the way; so a fence is awaited, and the very
// same fill must be gone then. One that is not is stale: counted, logged with the last transitions
// of its key, and dropped. src/observe/judge.hpp says why that is a proof.
//
// Counted: audit_checked (compared, with a result), of these audit_raced (differed, and went in
// time) and audit_stale; audit_skipped (no result: the link was lost, L1 emptied, Redis refused);
// audit_unauditable (drawn, but of a kind that cannot be compared, see src/observe/question.hpp).
//
// Cost: a shard's mutex twice for each audit, for a chunk of its index and for a look-up; one
// command of Redis, with an answer of the entry's size at most, on the control connection.
// Limits: kMostOpen audits at once; what the rate asks for beyond that is left out.
//
// Thread: the control thread. Destroyed there, or while nobody runs its loop. All that it is given
// outlives it.
#pragma once

#include "tiercache/coherence/cache.hpp"
#include "tiercache/coherence/catch_up.hpp"
#include "tiercache/l2/events.hpp"
#include "tiercache/l2/fences.hpp"
#include "tiercache/stats/counters.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

#include <boost/asio/io_context.hpp>

namespace tiercache::observe {

struct AuditorParts {
  boost::asio::io_context& control;
  coherence::Cache& cache;
  l2::Events& events;
  l2::Fences& fences;
  stats::Counters& counters;  // of the control thread
  std::uint64_t seed = 0;     // which entries are drawn
  // Where reads go to a replica: entries that it is behind of are not drawn. Null: they do not.
  const coherence::CatchUp* catch_up = nullptr;
};

class Auditor {
 public:
  static constexpr std::size_t kMostOpen = 64;

  explicit Auditor(const AuditorParts& parts);
  ~Auditor();
  Auditor(const Auditor&) = delete;
  Auditor& operator=(const Auditor&) = delete;

  // Entries a second; 0, as at first: none.
  void set_rate(std::uint32_t per_second);

 private:
  class Impl;
  l2::Fences& fences_;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace tiercache::observe
