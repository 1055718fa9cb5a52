#include "prober.hpp"

#include <chrono>
#include <string>
#include <thread>

#include <sys/prctl.h>

namespace tiercache::verify {
namespace {

constexpr int kWarmReads = 3;
// Between two looks on an idle machine. A prober that asks without a pause, and the proxy that
// answers it, keep both cores of a small machine from Redis while it has yet to send the event: the
// prober would measure itself.
constexpr std::chrono::microseconds kLookPause{20};
constexpr unsigned long kTimerSlackNs = 1000;

}  // namespace

Prober::Prober(RunState& run)
    : run_(run),
      random_(run.settings.seed + 77),
      redis_(run.settings.redis, static_cast<int>(run.settings.reply_timeout_ms)),
      due_(run.max_staleness()) {
  for (const Endpoint& endpoint : run.settings.proxies) {
    proxies_.push_back(
        std::make_unique<Control>(endpoint, static_cast<int>(run.settings.reply_timeout_ms)));
  }
}

void Prober::run() {
  // Else a sleep takes 50 us longer than it was told to.
  ::prctl(PR_SET_TIMERSLACK, kTimerSlackNs);
  while (run_.phase.load(std::memory_order_relaxed) == Phase::writing) {
    for (Lane lane = 0; lane < run_.plan.proxies; ++lane) {
      probe(lane);
      due_.drain(now_nanos(), run_.book);
      std::this_thread::sleep_for(std::chrono::microseconds(500 + random_.below(3000)));
    }
  }
}

void Prober::probe(Lane lane) {
  const KeyId key = run_.plan.probes.first + lane;
  const Version before = run_.book.issued(key);
  for (int i = 0; i < kWarmReads; ++i) {
    if (!look(lane, key, incarnation_of(before))) {
      return;
    }
  }
  const Version version = run_.book.issue(key);
  std::string value;
  append_record(key, version, value);
  const auto reply = redis_.call({"SET", run_.names.name(key, incarnation_of(version)), value});
  const Nanos acknowledged = now_nanos();
  if (!reply || !reply->is("OK")) {
    // It may still arrive, under the old name.
    (reply ? tally_.errors : tally_.lost).add();
    tally_.unknown.add();
    if (incarnation_of(version) < kMaxIncarnation) {
      run_.book.renew(key);
    }
    return;
  }
  tally_.writes.add();
  run_.book.raise_floor(run_.plan.direct_lane(), key, version);
  due_.add(key, version, acknowledged);
  if (wait_until_seen(lane, key, version, acknowledged)) {
    const Nanos delay = now_nanos() - acknowledged;
    delays_.record(std::chrono::nanoseconds(delay));
    if (delay > slowest_.delay) {
      slowest_ = {delay, acknowledged, old_reads_};
    }
  }
}

bool Prober::wait_until_seen(Lane lane, KeyId key, Version version, Nanos acknowledged) {
  bool reported = false;
  for (old_reads_ = 0;; ++old_reads_) {
    const Nanos sent = now_nanos();
    const auto number = look(lane, key, incarnation_of(version));
    if (!number || incarnation_of(run_.book.issued(key)) != incarnation_of(version)) {
      return false;
    }
    tally_.check(Check::staleness).add();
    if (*number >= number_of(version)) {
      run_.book.raise_floor(lane, key, version);
      return true;
    }
    if (!reported && sent - acknowledged > run_.max_staleness()) {
      reported = true;
      violated(Check::staleness, lane, key, version,
               "a direct write of state " + std::to_string(number_of(version)) + " was not seen " +
                   std::to_string((sent - acknowledged) / 1000) +
                   " us after its acknowledgement, but state " + std::to_string(*number));
    }
    if (run_.phase.load(std::memory_order_relaxed) == Phase::ending) {
      return false;
    }
    if (run_.settings.load == Load::idle) {
      std::this_thread::sleep_for(kLookPause);
    }
  }
}

std::optional<Version> Prober::look(Lane lane, KeyId key, Version incarnation) {
  const auto reply = proxies_[lane]->call({"GET", run_.names.name(key, incarnation)});
  if (!reply || reply->kind == Reply::Kind::error) {
    (reply ? tally_.errors : tally_.lost).add();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return std::nullopt;
  }
  tally_.reads.add();
  if (reply->kind == Reply::Kind::nil) {
    return 0;
  }
  const auto number = read_record(key, incarnation, reply->text);
  if (!number) {
    violated(Check::whole, lane, key, make_version(incarnation, 0), "not a value that was written");
  }
  return number;
}

void Prober::violated(Check check, Lane lane, KeyId key, Version version, std::string text) {
  Violation violation;
  violation.check = check;
  violation.key = key;
  violation.incarnation = incarnation_of(version);
  violation.at = now_nanos();
  violation.who = run_.lane_name(lane) + ".prober";
  violation.text = std::move(text);
  run_.violations.report(std::move(violation));
}

}  // namespace tiercache::verify
