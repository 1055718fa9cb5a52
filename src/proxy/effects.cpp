#include "effects.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/base/words.hpp"

namespace tiercache::proxy {

void Effects::add(const coherence::Cache& cache, command::Kind kind, command::Args args,
                  std::span<const command::KeyRef> keys, std::uint32_t db) {
  using command::Kind;
  flush_ = flush_ || kind == Kind::flush;
  if (kind == Kind::flush && is_word(args[0], "flushall")) {
    flushed_.all = true;
  } else if (kind == Kind::flush && is_word(args[0], "flushdb")) {
    flushed_.dbs.push_back(db);
  }
  script_ = script_ || kind == Kind::unknown_write;
  const bool may_write = kind == Kind::write || kind == Kind::unknown_write || kind == Kind::flush;
  if (kind == Kind::none) {
    return;  // its keys show no values (WATCH)
  }
  for (const command::KeyRef& key : keys) {
    const KeyHash hash =
        cache.hash(key.db >= 0 ? static_cast<std::uint32_t>(key.db) : db, args[key.index]);
    // A script may write what it says to read; nobody checks.
    const bool writes =
        may_write && (kind == Kind::unknown_write || key.access == command::Access::write);
    (writes ? writes_ : reads_).push_back(hash);
  }
}

void Effects::add(const Effects& other) {
  writes_.insert(writes_.end(), other.writes_.begin(), other.writes_.end());
  reads_.insert(reads_.end(), other.reads_.begin(), other.reads_.end());
  flush_ = flush_ || other.flush_;
  flushed_.all = flushed_.all || other.flushed_.all;
  flushed_.dbs.insert(flushed_.dbs.end(), other.flushed_.dbs.begin(), other.flushed_.dbs.end());
  script_ = script_ || other.script_;
}

void Effects::add_unanswered(const Effects& other) {
  constexpr std::size_t kMost = 1024;
  writes_.insert(writes_.end(), other.writes_.begin(), other.writes_.end());
  flush_ = flush_ || other.wide();
  if (writes_.size() > kMost) {
    writes_.clear();
    writes_.shrink_to_fit();
    flush_ = true;
  }
}

void Effects::add_reads(const Hashes& keys) {
  reads_.insert(reads_.end(), keys.begin(), keys.end());
}

void Effects::begin(const Lane& lane) {
  TC_CHECK(!begun_);
  begun_ = true;
  coherence::Cache& cache = lane.cache;
  if (flush_) {
    cache.flush_begin();
  }
  if (barrier_ == Barrier::around) {
    for (const KeyHash hash : writes_) {
      cache.write_begin(hash);
    }
  }
}

void Effects::end(const Lane& lane) {
  if (!begun_ || ended_) {
    return;
  }
  ended_ = true;
  coherence::Cache& cache = lane.cache;
  for (const KeyHash hash : writes_) {
    lane.shown(hash);
    if (barrier_ == Barrier::around) {
      cache.write_end(hash);
    } else {
      cache.blocking_write_reply(hash);
    }
  }
  if (!nothing_shown_) {
    for (const KeyHash hash : reads_) {
      lane.shown(hash);
      cache.pass_read(hash);
    }
  }
  if (wide()) {
    lane.shown_all();
  }
  if (flush_) {
    cache.flush_end();
  }
}

void Effects::move(const Lane& from, const Lane& to) {
  end(from);
  if (begun_) {
    begun_ = ended_ = false;
    begin(to);
  }
}

void Effects::apply_blind(const Lane& lane) const {
  for (const KeyHash hash : writes_) {
    lane.shown(hash);
    lane.cache.blocking_write_reply(hash);
  }
  if (wide()) {
    lane.shown_all();
  }
  if (flush_) {
    lane.cache.flush_begin();
  }
}

void Effects::clear() noexcept {
  writes_.clear();
  reads_.clear();
  flushed_.clear();
  barrier_ = Barrier::around;
  flush_ = script_ = begun_ = ended_ = nothing_shown_ = false;
}

}  // namespace tiercache::proxy
