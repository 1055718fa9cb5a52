#include "tiercache/observe/auditor.hpp"

#include "finding.hpp"
#include "judge.hpp"
#include "question.hpp"

#include "tiercache/command/table.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

namespace tiercache::observe {

using coherence::View;
using stats::Counter;

namespace {

Time now() {
  return std::chrono::steady_clock::now();
}

std::string joined(const std::vector<std::string>& words) {
  // Without the key, which is logged by itself.
  std::string text = words.front();
  for (std::size_t i = 2; i < words.size(); i++) {
    text.append(" ").append(words[i]);
  }
  return text;
}

}  // namespace

class Auditor::Impl final : public l2::Fences::Listener, public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(const AuditorParts& parts)
      : parts_(parts), random_(parts.seed), timer_(parts.control) {
  }

  void set_rate(std::uint32_t per_second);
  void on_fences() override;

 private:
  static constexpr Duration kShortestPause = std::chrono::milliseconds(10);
  static constexpr Duration kLookAgain = std::chrono::seconds(1);  // while fences are awaited
  static constexpr Duration kQuietAfterWarning = std::chrono::seconds(10);
  static constexpr unsigned kDraws = 4;  // until one is alive

  // One audit. The pin keeps the fill recognisable, and what the question expects.
  struct Audit {
    Judge judge;
    unsigned shard = 0;
    std::uint32_t db = 0;
    std::string key{};
    std::uint16_t command = 0;
    std::uint8_t resp = 0;
    std::string args{};
    l1::Pin pin{};
    Question question{};
    std::string redis{};  // its answer, described

    l1::Variant variant() const noexcept {
      return {command, resp, args};
    }
  };
  using AuditPtr = std::shared_ptr<Audit>;

  void arm();
  void tick();
  void start_one();
  AuditPtr draw(const View& view);
  bool known_to_redis(const Audit& audit) const;
  void on_answer(const AuditPtr& audit, const Result<l2::Reply>& reply);
  void look_at_due();
  // Whether it had come to an outcome.
  bool look(const Audit& audit);
  void end(Outcome outcome);
  void report(const Audit& audit, Finding finding, Time at);

  void count(Counter counter) noexcept {
    parts_.counters.add(counter);
  }

  const AuditorParts parts_;
  std::mt19937_64 random_;
  boost::asio::steady_timer timer_;
  std::uint32_t rate_ = 0;
  Duration pause_{};
  double credit_ = 0;  // audits to be started
  Time credited_at_{};
  std::size_t asked_ = 0;  // questions without an answer
  std::vector<AuditPtr> waiting_;
  bool looking_ = false;  // posted
  Time quiet_until_{};
  std::uint64_t unreported_ = 0;
};

void Auditor::Impl::set_rate(std::uint32_t per_second) {
  if (per_second == rate_) {
    return;
  }
  rate_ = per_second;
  timer_.cancel();
  if (rate_ == 0) {
    return;  // what is open comes to its end by itself
  }
  pause_ = std::max<Duration>(kShortestPause, Duration(std::chrono::seconds(1)) / rate_);
  credit_ = 0;
  credited_at_ = now();
  arm();
}

void Auditor::Impl::arm() {
  timer_.expires_after(waiting_.empty() ? pause_ : std::min(pause_, kLookAgain));
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self && self->rate_ != 0) {
      self->tick();
    }
  });
}

void Auditor::Impl::tick() {
  const Time at = now();
  credit_ += std::chrono::duration<double>(at - credited_at_).count() * rate_;
  credited_at_ = at;
  // What cannot be started now is not made up for.
  credit_ = std::min(credit_, static_cast<double>(kMostOpen));
  for (; credit_ >= 1; credit_ -= 1) {
    start_one();
  }
  look_at_due();
  arm();
}

void Auditor::Impl::start_one() {
  if (asked_ + waiting_.size() >= kMostOpen) {
    return;
  }
  const View view = parts_.cache.status().view();
  if (view.state != coherence::LinkState::live) {
    return;  // nothing is served
  }
  const AuditPtr audit = draw(view);
  if (!audit) {
    return;
  }
  auto question = question_about(audit->key, audit->variant(), audit->pin.reply());
  if (!question) {
    count(Counter::audit_unauditable);
    return;
  }
  audit->question = std::move(*question);
  asked_++;
  const std::vector<std::string_view> words(audit->question.words.begin(),
                                            audit->question.words.end());
  parts_.events.query(audit->db, words,
                      [weak = weak_from_this(), audit](const Result<l2::Reply>& reply) {
                        if (const auto self = weak.lock()) {
                          self->asked_--;
                          self->on_answer(audit, reply);
                        }
                      });
}

Auditor::Impl::AuditPtr Auditor::Impl::draw(const View& view) {
  for (unsigned i = 0; i < kDraws; i++) {
    const auto shard = static_cast<unsigned>(random_() % parts_.cache.shards());
    const auto at = static_cast<std::uint32_t>(random_());
    AuditPtr audit;
    parts_.cache.with_shard(shard, [&](coherence::Shard& in) {
      l1::Store& store = in.store();
      l1::Entry* chosen = nullptr;
      std::uint64_t seen = 0;
      store.glance(at, [&](l1::Entry& entry) {
        if (random_() % ++seen == 0) {
          chosen = &entry;
        }
      });
      if (chosen == nullptr || !store.alive(*chosen, now(), view.generation)) {
        return;
      }
      audit = std::make_shared<Audit>(Audit{.judge = Judge(view),
                                            .shard = shard,
                                            .db = chosen->db(),
                                            .key = std::string(chosen->key()),
                                            .command = chosen->command(),
                                            .resp = chosen->resp(),
                                            .args = std::string(chosen->args()),
                                            .pin = store.pin(chosen)});
    });
    if (audit && known_to_redis(*audit)) {
      return audit;
    }
  }
  return nullptr;
}

// The server that is asked has all that the entry can show.
bool Auditor::Impl::known_to_redis(const Audit& audit) const {
  return parts_.catch_up == nullptr ||
         (parts_.catch_up->fresh(now(), Duration::max()) &&
          !parts_.catch_up->behind(parts_.cache.hash(audit.db, audit.key)));
}

void Auditor::Impl::on_answer(const AuditPtr& audit, const Result<l2::Reply>& reply) {
  const Answer answer = reply ? compare(audit->question, reply.value()) : Answer::none;
  const View view = parts_.cache.status().view();
  const Time at = now();
  const Outcome outcome = audit->judge.on_answer(answer, view, at);
  if (outcome != Outcome::open) {
    end(outcome);
    return;
  }
  audit->redis = describe(reply.value());
  if (audit->judge.ping() != 0) {
    parts_.fences.request(audit->judge.ping());
    waiting_.push_back(audit);
  } else {
    look(*audit);
  }
}

// Called under a mutex of the fences, in the midst of the event link's work.
void Auditor::Impl::on_fences() {
  if (waiting_.empty() || looking_) {
    return;
  }
  looking_ = true;
  boost::asio::post(parts_.control, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->looking_ = false;
      self->look_at_due();
    }
  });
}

void Auditor::Impl::look_at_due() {
  std::erase_if(waiting_, [this](const AuditPtr& audit) { return look(*audit); });
}

bool Auditor::Impl::look(const Audit& audit) {
  // Before the look into the shard, as for any reader.
  const View view = parts_.cache.status().view();
  const Time at = now();
  if (!audit.judge.due(view, at)) {
    return false;
  }
  const KeyHash hash = parts_.cache.hash(audit.db, audit.key);
  Outcome outcome = Outcome::skipped;
  Finding finding;
  parts_.cache.with_shard(audit.shard, [&](coherence::Shard& in) {
    const l1::Entry* entry =
        in.store().peek({hash, audit.db, audit.key}, audit.variant(), at, view.generation);
    Sight sight;
    sight.same_fill = entry != nullptr && audit.pin.holds(entry);
    sight.expire_at = entry != nullptr ? entry->expire_at() : Time{};
    sight.max_staleness = in.config().max_staleness;
    outcome = audit.judge.on_look(sight, view, at);
    if (outcome == Outcome::stale) {
      finding.seq = entry->seq();
      finding.fenced = entry->fenced();
      finding.left = entry->expire_at() - at;
      in.trace().for_each(hash, [&](const coherence::TraceRecord& record) {
        finding.transitions.push_back(record);
      });
    }
  });
  end(outcome);
  if (outcome == Outcome::stale) {
    finding.generation = view.generation;
    parts_.cache.event(hash);  // whatever went wrong, it is not served any more
    report(audit, std::move(finding), at);
  }
  return true;
}

void Auditor::Impl::end(Outcome outcome) {
  if (outcome == Outcome::skipped) {
    count(Counter::audit_skipped);
    return;
  }
  count(Counter::audit_checked);
  if (outcome == Outcome::raced) {
    count(Counter::audit_raced);
  } else if (outcome == Outcome::stale) {
    count(Counter::audit_stale);
  }
}

void Auditor::Impl::report(const Audit& audit, Finding finding, Time at) {
  if (at < quiet_until_) {
    unreported_++;
    return;
  }
  quiet_until_ = at + kQuietAfterWarning;
  if (unreported_ != 0) {
    spdlog::warn("audit: {} more stale entries since the last one reported",
                 std::exchange(unreported_, 0));
  }
  const std::string question = joined(audit.question.words);
  finding.db = audit.db;
  finding.key = audit.key;
  finding.command = command::Table::builtin()->commands()[audit.command].name;
  finding.question = question;
  finding.memory = audit.question.kind == l2::Reply::Kind::integer
                       ? describe(audit.question.integer)
                       : describe(audit.question.text);
  finding.redis = audit.redis;
  spdlog::warn("{}", text_of(finding, at));
}

Auditor::Auditor(const AuditorParts& parts)
    : fences_(parts.fences), impl_(std::make_shared<Impl>(parts)) {
  fences_.add(*impl_);
}

Auditor::~Auditor() {
  fences_.remove(*impl_);
}

void Auditor::set_rate(std::uint32_t per_second) {
  impl_->set_rate(per_second);
}

}  // namespace tiercache::observe
