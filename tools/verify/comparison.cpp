#include "comparison.hpp"

#include "control.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace tiercache::verify {
namespace {

constexpr KeyId kBatch = 200;
constexpr int kLeftoverTimeoutMs = 500;

OpKind kind_for(const KeyInfo& info) noexcept {
  switch (info.shape) {
    case Shape::hash:
      return OpKind::hgetall;
    case Shape::list:
      return OpKind::lrange;
    case Shape::set:
      return OpKind::smembers;
    case Shape::zset:
      return OpKind::zrange;
    default:
      return OpKind::get;
  }
}

std::vector<std::string> command_for(OpKind kind, std::string name) {
  std::vector<std::string> words{std::string(name_of(kind)), std::move(name)};
  if (kind == OpKind::lrange || kind == OpKind::zrange) {
    words.insert(words.end(), {"0", "-1"});
  }
  if (kind == OpKind::zrange) {
    words.emplace_back("WITHSCORES");
  }
  return words;
}

std::string shown(const std::string& bytes) {
  std::string text = std::to_string(bytes.size()) + " bytes (";
  for (const char c : bytes.substr(0, 24)) {
    text += c >= ' ' && c <= '~' ? c : '.';
  }
  return text + ")";
}

// A reply in a form in which equal contents are equal. The order of a set or a hash is Redis's own
// affair: it changes while a table grows, without any change of the key.
std::string canonical(OpKind kind, const Reply& reply, std::string_view raw) {
  const std::size_t step = kind == OpKind::hgetall ? 2 : 1;
  const bool unordered = kind == OpKind::hgetall || kind == OpKind::smembers;
  if (!unordered || reply.kind != Reply::Kind::list || reply.items.size() % step != 0) {
    return std::string(raw);
  }
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < reply.items.size(); i += step) {
    std::string& part = parts.emplace_back();
    for (std::size_t j = i; j < i + step; ++j) {
      const std::string_view text = reply.items[j].text;
      part += std::to_string(text.size()) + ':';
      part += text;
    }
  }
  std::ranges::sort(parts);
  std::string whole;
  for (const std::string& part : parts) {
    whole += part;
  }
  return whole;
}

class Comparison {
 public:
  Comparison(RunState& run, Tally& tally) : run_(run), tally_(tally) {
  }

  void compare(KeyId first, KeyId end) {
    Control redis(run_.settings.redis);
    if (silent(run_.plan.direct_lane()) || !read(redis, run_.plan.direct_lane(), first, end)) {
      return;
    }
    const std::vector<std::string> truth = replies_;
    for (Lane lane = 0; lane < run_.plan.proxies; ++lane) {
      if (silent(lane)) {
        continue;
      }
      Control proxy(run_.endpoint(lane));
      for (int round = 0; round < 2 && read(proxy, lane, first, end); ++round) {
        for (std::size_t i = 0; i < truth.size(); ++i) {
          tally_.check(Check::settled).add();
          tally_.reads.add();
          if (truth[i] != replies_[i]) {
            violated(first + static_cast<KeyId>(i), lane,
                     "answers otherwise than Redis in round " + std::to_string(round + 1) + ": " +
                         shown(replies_[i]) + " instead of " + shown(truth[i]));
          }
        }
      }
    }
  }

  bool silent(Lane lane) const {
    return std::find(silent_.begin(), silent_.end(), lane) != silent_.end();
  }
  const std::vector<Lane>& silent() const noexcept {
    return silent_;
  }

 private:
  // Fills replies_ with the bytes of every key's reply; false if the peer does not answer.
  bool read(Control& peer, Lane lane, KeyId first, KeyId end) {
    for (KeyId key = first; key < end; ++key) {
      peer.queue(command_for(kind_for(run_.book.info(key)),
                             run_.names.name(key, run_.book.incarnation(key))));
    }
    replies_.clear();
    if (!peer.flush()) {
      return give_up(lane);
    }
    for (KeyId key = first; key < end; ++key) {
      const auto reply = peer.next();
      if (!reply) {
        return give_up(lane);
      }
      if (lane == run_.plan.direct_lane()) {
        judge_truth(key, *reply);
      }
      replies_.push_back(canonical(kind_for(run_.book.info(key)), *reply, peer.raw()));
    }
    return true;
  }

  bool give_up(Lane lane) {
    tally_.lost.add();
    silent_.push_back(lane);
    return false;
  }

  // Redis itself must hold what anybody was told had been written.
  void judge_truth(KeyId key, const Reply& reply) {
    const KeyInfo& info = run_.book.info(key);
    const Version issued = run_.book.issued(key);
    const Version incarnation = incarnation_of(issued);
    Bounds bounds;
    bounds.issued = number_of(issued);
    for (Lane lane = 0; lane < run_.plan.lanes(); ++lane) {
      bounds.session =
          std::max(bounds.session, narrow(run_.book.floor(lane, key), incarnation).value_or(0));
    }
    const OpKind kind = kind_for(info);
    const Ruling ruling = judge(info, key, bounds, interpret(kind, info, key, incarnation, reply));
    if (ruling.broken) {
      violated(key, run_.plan.direct_lane(),
               "does not hold state " + std::to_string(bounds.session) +
                   ", which somebody has seen or was told to be written");
    }
  }

  void violated(KeyId key, Lane lane, std::string text) {
    Violation violation;
    violation.check = Check::settled;
    violation.key = key;
    violation.incarnation = run_.book.incarnation(key);
    violation.at = now_nanos();
    violation.who = run_.lane_name(lane);
    violation.text = std::move(text);
    run_.violations.report(std::move(violation));
  }

  RunState& run_;
  Tally& tally_;
  std::vector<std::string> replies_{};
  std::vector<Lane> silent_{};  // did not answer: is not asked again
};

}  // namespace

std::vector<Lane> compare_all(RunState& run, Tally& tally) {
  const auto size = static_cast<KeyId>(run.book.size());
  Comparison comparison(run, tally);
  for (KeyId first = 0; first < size; first += kBatch) {
    comparison.compare(first, std::min(size, first + kBatch));
  }
  return comparison.silent();
}

std::vector<OldName> find_leftovers(RunState& run, Tally& tally, const std::vector<OldName>& names,
                                    Blame blame) {
  std::vector<std::string> truth;
  const auto read = [&](Control& peer, auto&& take) {
    for (const OldName& name : names) {
      peer.queue(command_for(kind_for(run.book.info(name.key)),
                             run.names.name(name.key, name.incarnation)));
    }
    bool whole = peer.flush();
    for (std::size_t i = 0; whole && i < names.size(); ++i) {
      const auto reply = peer.next();
      whole = reply && reply->kind != Reply::Kind::error;
      if (whole) {
        take(i, std::string(peer.raw()));
      }
    }
    return whole;
  };
  Control redis(run.settings.redis, kLeftoverTimeoutMs);
  if (!read(redis, [&](std::size_t, std::string bytes) { truth.push_back(std::move(bytes)); })) {
    return names;
  }
  std::vector<OldName> left;
  for (Lane lane = 0; lane < run.plan.proxies; ++lane) {
    Control proxy(run.endpoint(lane), kLeftoverTimeoutMs);
    const bool whole = read(proxy, [&](std::size_t i, std::string bytes) {
      tally.check(Check::leftover).add();
      if (bytes == truth[i]) {
        return;
      }
      left.push_back(names[i]);
      if (blame == Blame::yes) {
        Violation violation;
        violation.check = Check::leftover;
        violation.key = names[i].key;
        // Not the one that was read: that is over, and the violation is not.
        violation.incarnation = run.book.incarnation(names[i].key);
        violation.at = now_nanos();
        violation.who = run.lane_name(lane);
        violation.text =
            "still answers what Redis has lost: " + shown(bytes) + " instead of " + shown(truth[i]);
        run.violations.report(std::move(violation));
      }
    });
    if (!whole) {
      return names;
    }
  }
  return left;
}

void check_watch_counters(RunState& run, Tally& tally) {
  Control redis(run.settings.redis);
  for (KeyId key = run.plan.watched.first; key < run.plan.watched.end(); ++key) {
    const Version incarnation = run.book.incarnation(key);
    const auto reply = redis.call({"GET", run.names.name(key, incarnation)});
    if (!reply || reply->kind == Reply::Kind::error) {
      continue;
    }
    const Version value =
        reply->kind == Reply::Kind::nil ? 0 : read_number(reply->text).value_or(kMaxNumber);
    tally.check(Check::watch).add(run.watch.successes(key, incarnation));
    if (!run.watch.adds_up(key, incarnation, value)) {
      Violation violation;
      violation.check = Check::watch;
      violation.key = key;
      violation.incarnation = incarnation;
      violation.at = now_nanos();
      violation.who = "all";
      violation.text = "the counter is at " + std::to_string(value) + " after " +
                       std::to_string(run.watch.successes(key, incarnation)) +
                       " successful increments under WATCH";
      run.violations.report(std::move(violation));
    }
  }
}

void remove_keys(RunState& run) {
  Control redis(run.settings.redis);
  const auto size = static_cast<KeyId>(run.book.size());
  for (KeyId first = 0; first < size; first += kBatch) {
    std::vector<std::string> words{"UNLINK"};
    for (KeyId key = first; key < std::min(size, first + kBatch); ++key) {
      for (Version i = 0; i <= run.book.incarnation(key); ++i) {
        words.push_back(run.names.name(key, i));
      }
    }
    redis.queue(words);
    if (!redis.flush() || !redis.next()) {
      return;
    }
  }
  redis.call({"DEL", run.names.name(0xffffff, 0)});
}

}  // namespace tiercache::verify
