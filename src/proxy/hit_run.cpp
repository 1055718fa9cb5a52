// Session: GETs that L1 answers, several at a time.
//
// A client that pipelines mostly asks the same kind of thing. What the requests of a run have in
// common (who asks, over which link, what the event link knows; over a Cluster that of each node
// that has some of the keys) is looked at once; each key is then judged by the rules by which
// cacheable_read() judges it, and the run ends before the first that is no hit. That one, and
// whatever is unusual in any way, goes one by one through dispatch(), so this is only ever a
// shorter way to the same answer.
#include "session.hpp"
#include "variants.hpp"

#include "tiercache/coherence/run.hpp"
#include "tiercache/l1/frame.hpp"
#include "tiercache/resp/plain_get.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include <boost/container/static_vector.hpp>

namespace tiercache::proxy {

namespace {

constexpr std::size_t kRun = coherence::kMostInRun;
// A run's replies, put together under the shards' locks.
constexpr std::size_t kFrames = std::size_t{8} << 10;
// What is larger is not copied under a lock.
constexpr std::size_t kLargest = 4096;

class Frames {
 public:
  // Several at least fit an empty one.
  bool fits(std::size_t body) const noexcept {
    return body <= kLargest && body + l1::kMostFraming <= kFrames - size_;
  }
  // REQUIRES: it fits.
  void add(const l1::Reply& reply) noexcept {
    size_ = static_cast<std::size_t>(l1::write_frame(bytes_.data() + size_, reply) - bytes_.data());
  }
  std::size_t size() const noexcept {
    return size_;
  }
  std::string_view view() const noexcept {
    return {bytes_.data(), size_};
  }

 private:
  std::array<char, kFrames> bytes_;  // as it is: most runs are short
  std::size_t size_ = 0;
};

// The nodes of a run's keys, in the order in which they turn up.
class Sides {
 public:
  static constexpr std::uint32_t kNone = kRun;
  std::uint32_t find(const Lane& lane) const noexcept {
    const auto found = std::find(lanes_.begin(), lanes_.end(), &lane);
    return found == lanes_.end() ? kNone : static_cast<std::uint32_t>(found - lanes_.begin());
  }
  // REQUIRES: fewer than kRun are known.
  std::uint32_t add(Lane& lane, const coherence::View& view) noexcept {
    sides_.push_back({&lane.cache, view});
    lanes_.push_back(&lane);
    return static_cast<std::uint32_t>(lanes_.size() - 1);
  }
  const coherence::RunSide& operator[](std::uint32_t side) const noexcept {
    return sides_[side];
  }
  std::span<const coherence::RunSide> all() const noexcept {
    return {sides_.data(), sides_.size()};
  }

 private:
  boost::container::static_vector<coherence::RunSide, kRun> sides_;
  boost::container::static_vector<Lane*, kRun> lanes_;
};

}  // namespace

bool Session::hit_run() {
  const std::string_view input = in_.view();
  resp::PlainGet get = resp::plain_get(input);
  if (get.size == 0 || !parser_.may_glance() || !queue_.empty() || pinned_ || muted_ || unproven_ ||
      fenced_by_ != 0 || clean_.upto != 0 || worker_.hub().newest_invalidation != 0 ||
      worker_.reads_replicas() || worker_.pause_mode() != PauseMode::none ||
      traffic_ != Traffic::commands) {
    return false;
  }
  const bool clustered = worker_.clustered();
  if (clustered && (sent_elsewhere_ || multi_promised_ || map_ != worker_.slot_map())) {
    return false;
  }
  // Where there is no link to ask, that has to be found out, whatever L1 has.
  Sides sides;
  std::uint32_t side = Sides::kNone;
  const auto use_side = [&](Lane& lane) {
    side = sides.find(lane);
    if (side == Sides::kNone) {
      const l2::LinkPtr& link = link_of(lane);
      const coherence::View view = lane.cache.status().view();
      if (link && link->state() != l2::Link::State::dead && !link->saturated() &&
          view.state == coherence::LinkState::live) {
        side = sides.add(lane, view);
      }
    }
    return side != Sides::kNone;
  };
  if (!clustered && !use_side(*lane_)) {
    return false;
  }
  const std::uint16_t position = command_ids().get;
  const std::array<std::string_view, 2> args{"GET", get.key};
  const command::Command& command = worker_.table().commands()[position];
  const command::Classified what = command::classify(command, args);
  if (what.kind != command::Kind::cacheable_read || what.route != command::Route::shared ||
      worker_.denied(position, args) || !worker_.config().l1.enabled || !may_all()) {
    return false;
  }

  Spaces& spaces = worker_.spaces();
  // Of all keys, where none is in a namespace.
  const bool many_spaces = spaces.any();
  const bool some_kept = !worker_.hub().kept_prefixes.empty();
  namespaces::Index space = namespaces::kDefault;
  bool keeps = spaces.keeps(space, position);
  Duration max_staleness = spaces.max_staleness(space);
  boost::container::static_vector<coherence::RunKey, kRun> keys;
  boost::container::static_vector<namespaces::Index, kRun> of_keys;
  std::size_t at = 0;
  do {
    if (many_spaces) {
      space = spaces.find(get.key);
      keeps = spaces.keeps(space, position);
      max_staleness = spaces.max_staleness(space);
      of_keys.push_back(space);
    }
    if (!keeps || (some_kept && !worker_.hub().keeps(get.key))) {
      break;
    }
    if (clustered) {
      const topology::NodeIndex node = map_->node_of[topology::slot_of(get.key)];
      if (node == topology::SlotMap::kNobody || !use_side(worker_.lane(node))) {
        break;
      }
    }
    const KeyHash hash = sides[side].cache->hash(spec_.db, get.key);
    keys.push_back({hash, get.key, coherence_.reach(hash, sides[side].view), max_staleness, side});
    at += get.size;
    get = resp::plain_get(input.substr(at));
  } while (get.size != 0 && keys.size() < kRun);
  coherence::prefetch(sides.all(), std::span<const coherence::RunKey>(keys));

  coherence::ReadAsk same;
  same.key.db = spec_.db;
  same.answers = answers_to_get();
  // As for requests that come one by one: a reply is begun while the client is not too far behind.
  const std::size_t most = worker_.config().limits.client_output_pause;
  const std::size_t waiting = out_.size() + queued_output_;
  Frames frames;
  std::uint64_t negative = 0;
  const std::size_t hits =
      coherence::read_run(sides.all(), same, keys, time_, [&](const l1::Entry& entry) {
        l1::Reply reply = entry.reply();
        if (!frames.fits(reply.body().size()) || waiting + frames.size() > most) {
          return false;
        }
        if (reply == kNil && spec_.version == resp::Version::resp3) {
          reply = {"_\r\n", l1::Reply::Framing::as_is};
        }
        negative += entry.negative() ? 1U : 0U;
        frames.add(reply);
        return true;
      });
  if (hits == 0) {
    return false;
  }
  last_command_ = position;
  out_.append(frames.view());
  worker_.count(stats::Counter::commands, hits);
  worker_.count(stats::Counter::l1_hits, hits);
  worker_.count(stats::Counter::l1_negative_hits, negative);
  hits_ += static_cast<std::uint32_t>(hits);
  for (std::size_t i = 0; i < hits && many_spaces; ++i) {
    spaces.count(of_keys[i], SpaceCounter::hits);
  }
  const std::string_view last = keys[hits - 1].bytes;
  in_.consume(static_cast<std::size_t>(last.data() + last.size() - input.data()) + 2);
  check_output();
  return true;
}

}  // namespace tiercache::proxy
