// Session: reads of several keys. L1 answers only if all of them hit as of one PING (over a
// Cluster: of one PING a slot); else the whole command goes upstream on one link, and an MGET's
// reply fills L1 key by key.
#include "flight_state.hpp"
#include "refusal.hpp"
#include "session.hpp"
#include "split_bulks.hpp"
#include "tags.hpp"
#include "variants.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/proxy/loads.hpp"
#include "tiercache/resp/reply_header.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::proxy {

namespace {

constexpr std::size_t kMaxFilledKeys = 128;
// Looking up thousands of keys costs more than a whole hit can save.
constexpr std::size_t kMaxLookedUp = 1024;

// A reply's parts as L1 gives them: MGET's elements, what EXISTS counts.
class Found {
 public:
  Found(bool mget, std::uint16_t command, resp::Version version, std::string& elements)
      : mget_(mget), command_(command), version_(version), elements_(elements) {
  }
  void add(const l1::Entry& entry) {
    if (mget_) {
      append_hit(elements_, command_, entry, version_);
      return;
    }
    part_.clear();
    append_hit(part_, command_, entry, version_);
    existing_ += resp::read_reply_header(part_).number;
  }
  std::int64_t existing() const {
    return existing_;
  }

 private:
  bool mget_;
  std::uint16_t command_;
  resp::Version version_;
  std::string& elements_;
  std::string part_;
  std::int64_t existing_ = 0;
};

bool is_mget(const command::Command& command) {
  return command.name == "mget";
}

// The keys, each once, with the place where it comes first.
std::vector<std::pair<std::string_view, std::uint32_t>> distinct_of(command::Args keys) {
  std::vector<std::pair<std::string_view, std::uint32_t>> distinct;
  distinct.reserve(keys.size());
  for (std::uint32_t i = 0; i < keys.size(); i++) {
    distinct.emplace_back(keys[i], i);
  }
  std::ranges::sort(distinct);
  distinct.erase(std::unique(distinct.begin(), distinct.end(),
                             [](const auto& a, const auto& b) { return a.first == b.first; }),
                 distinct.end());
  return distinct;
}

}  // namespace

// Whether L1 may hold what a read of several keys shows: all of them, since an MGET fills key by
// key. One of a stricter bound than the others goes upstream with them.
bool Session::keeps_all(const Classified& what, Args keys) const {
  const Spaces& spaces = worker_.spaces();
  if (!worker_.config().l1.enabled ||
      (!spaces.any() && !spaces.keeps(namespaces::kDefault, what.position))) {
    return false;
  }
  return std::ranges::all_of(keys, [&](std::string_view key) {
    const namespaces::Index space = spaces.find(key);
    return spaces.keeps(space, what.position) && spaces.max_staleness(space) == Duration::max() &&
           worker_.hub().keeps(key);
  });
}

// All keys of one node, or nothing; `each` gets what L1 has of them, in their order.
template <class Each>
coherence::MultiOutcome Session::look_up(Lane& lane, const Classified& what, Args keys,
                                         std::uint64_t fenced_by, Each&& each) {
  const coherence::View view = lane.cache.status().view();
  const std::span<const l1::Variant> answers =
      is_mget(*what.command) ? answers_to_mget() : answers_to_exists();
  const bool everything = may_all();
  boost::container::small_vector<coherence::Part, 16> parts;
  for (const std::string_view key : keys) {
    const KeyHash hash = lane.cache.hash(spec_.db, key);
    if ((!everything && !stamped(what, key)) ||
        coherence_.reach(hash, view).look != coherence::Look::all) {
      return {};
    }
    parts.push_back({{hash, spec_.db, key}, answers});
  }
  return lane.cache.multi(parts, fenced_by, time_, each);
}

void Session::count_hits(Args keys) {
  count_hit(namespaces::kDefault);
  if (worker_.spaces().any()) {
    for (const std::string_view key : keys) {
      worker_.spaces().count(worker_.spaces().find(key), SpaceCounter::hits);
    }
  }
}

bool Session::may_fill(const Classified& what, Args keys) {
  return is_mget(*what.command) &&
         (may_all() || std::ranges::all_of(keys, [&](auto key) { return user_->may_pttl(key); }));
}

Session::Step Session::multi_read(const Request& request, const Classified& what, Keep keep) {
  const Args keys = request.args.subspan(1);
  if (unproven_ || behind_ || lane_->cache.status().view().state != coherence::LinkState::live) {
    keep = Keep::no;
  }
  if (keys.size() > kMaxLookedUp || (keep == Keep::no && !loads_any(what, request.args))) {
    return relay(request, what);
  }
  const bool mget = is_mget(*what.command);
  scratch_.clear();
  if (mget) {
    resp::append_array_header(scratch_, keys.size());
  }
  Found found(mget, mget ? command_ids().mget : command_ids().exists, spec_.version, scratch_);
  coherence::MultiOutcome outcome;
  if (keep == Keep::yes) {
    outcome =
        look_up(*lane_, what, keys, fenced_by_, [&](const l1::Entry& entry) { found.add(entry); });
  }
  using Outcome = coherence::MultiOutcome::Kind;
  if (outcome.kind == Outcome::wait) {
    return wait_fence(outcome.ping);
  }
  if (outcome.kind == Outcome::hit) {
    count_hits(keys);
    if (!mget) {
      resp::append_integer(scratch_, found.existing());
    }
    answer(scratch_);
    return Step::next;
  }
  const bool past = keep == Keep::yes && !loads_any(what, request.args) && worker_.past_l1(time_);
  // Counted once it is really sent.
  const Step step =
      !past && may_fill(what, keys) ? send_multi(request, what, keep) : relay(request, what);
  if (step == Step::next) {
    worker_.count(stats::Counter::l1_misses);
    worker_.count(stats::Counter::l1_bypassed, past ? 1 : 0);
  }
  return step;
}

// Over a Cluster, of several nodes: each part is true by itself, as if the nodes had been asked. A
// part that would have to wait for its node's fence goes upstream with the others.
bool Session::hit_parts(const Classified& what, Args args, const Split& cut,
                        const std::vector<Lane*>& lanes) {
  if (cut.keys > kMaxLookedUp) {
    return false;
  }
  const bool mget = is_mget(*what.command);
  scratch_.clear();
  Found found(mget, mget ? command_ids().mget : command_ids().exists, spec_.version, scratch_);
  std::vector<std::pair<std::size_t, std::size_t>> places(cut.keys);  // of the elements: begin, end
  for (std::size_t i = 0; i < cut.parts.size(); i++) {
    const SplitPart& part = cut.parts[i];
    if (lanes[i]->cache.status().view().state != coherence::LinkState::live) {
      return false;
    }
    std::size_t next = 0;
    const coherence::MultiOutcome outcome =
        look_up(*lanes[i], what, Args(part.args).subspan(1), 0, [&](const l1::Entry& entry) {
          auto& [begin, end] = places[part.positions[next++]];
          begin = scratch_.size();
          found.add(entry);
          end = scratch_.size();
        });
    if (outcome.kind != coherence::MultiOutcome::Kind::hit) {
      return false;
    }
  }
  std::string reply;
  if (mget) {
    resp::append_array_header(reply, cut.keys);
    for (const auto& [begin, end] : places) {
      reply.append(scratch_, begin, end - begin);
    }
  } else {
    resp::append_integer(reply, found.existing());
  }
  count_hits(args.subspan(1));
  answer(reply);
  return true;
}

Session::Step Session::send_multi(const Request& request, const Classified& what, Keep keep) {
  if (const Step step = link_step(); step == Step::again) {
    return step;
  }
  if (!link_) {
    return answer_away();
  }
  const Args keys = request.args.subspan(1);
  if (keys.size() > kMaxFilledKeys && distinct_of(keys).size() > kMaxFilledKeys) {
    return relay(request, what);
  }
  const std::uint64_t id = push(OpKind::multi);
  begin_multi(id, keys);
  if (loads_any(what, request.args)) [[unlikely]] {
    queue_.at(id).repeatable = false;  // what is loaded would not be
    queue_.at(id).more().loading = std::make_unique<Loading>(
        Loading{{}, {keys.begin(), keys.end()}, now(), keep == Keep::yes, {}, 0});
  }
  send(relay_bytes(request), id);
  return Step::next;
}

// The PTTL of each key goes before the MGET, which is sent next. False: they are too many to fill.
bool Session::begin_multi(std::uint64_t id, Args keys) {
  const auto distinct = distinct_of(keys);
  if (distinct.size() > kMaxFilledKeys) {
    return false;
  }
  Op& op = queue_.at(id);
  op.harmless = op.reading = true;
  op.repeatable = worker_.retries();
  MultiFill& multi = op.more().multi;
  coherence::Cache& cache = lane_->cache;
  coherence::Place place = link_->next_place();
  for (const auto& [key, position] : distinct) {
    MultiFill::Part part;
    part.hash = cache.hash(spec_.db, key);
    part.position = position;
    part.space = worker_.spaces().find(key);
    if (!worker_.spaces().asks_ttl(part.space) && lane_->master == nullptr) {
      part.pttl = kTtlNotAsked;
      part.pttl_known = true;
    }
    place.seq += part.pttl_known ? 0 : 1;
    multi.parts.push_back(part);
  }
  for (MultiFill::Part& part : multi.parts) {
    const std::string_view key = keys[part.position];
    worker_.spaces().count(part.space, SpaceCounter::misses);
    part.flight =
        cache.begin_fill({part.hash, spec_.db, key}, variant_of(command_ids().get), place, time_);
    coherence_.on_read_sent(part.hash, place.seq);
    if (!part.pttl_known) {
      scratch_.clear();
      resp::append_request(scratch_, {"PTTL", key});
      link_->send(scratch_, *this, tag_of(id, Asked::before));
    }
  }
  op.pttl = static_cast<std::int64_t>(keys.size());  // elements to come
  if (!may_all()) {
    for (const std::string_view key : keys) {
      want_stamp(op, command_ids().mget, key);
    }
  }
  return true;
}

// Of a reply that is kept back whole, to fill L1 or to be completed from a source.
std::size_t Session::most_kept(const Op& op) const {
  return op.extra->loading ? worker_.config().limits.client_output / 2
                           : worker_.config().l1.max_value;
}

// The reply is in op.gather. Whether it is whole: L1 keeps what it may.
bool Session::end_multi(Op& op) {
  const bool whole = op.gather.starts_with('*') && op.gather.size() <= most_kept(op);
  if (whole && !op.more().multi.given_up) {
    fill_multi(op);
  } else {
    give_up_multi(op);
  }
  return whole;
}

void Session::on_multi_piece(std::uint64_t id, std::string_view piece, bool last) {
  Op& op = queue_.at(id);
  MultiFill& multi = op.more().multi;
  if (!multi.given_up || op.more().loading) {
    op.gather.append(piece);
    if (!last && op.gather.starts_with('*') && op.gather.size() <= most_kept(op)) {
      return;
    }
    if (end_multi(op) && op.more().loading && load_elements(id)) {
      return;
    }
    op.started = true;
    const std::string bytes = std::exchange(op.gather, {});
    deliver(op, mark_of(op));
    op.more().loading.reset();  // what follows is passed on
    deliver(op, bytes);
  } else {
    deliver(op, piece);
  }
  if (last) {
    finish(op);
  }
  worker_.touch(*this);
}

void Session::fill_multi(Op& op) {
  MultiFill& multi = op.more().multi;
  multi.given_up = true;
  const auto elements = split_bulks(op.gather, static_cast<std::size_t>(op.pttl));
  coherence::Waiters nobody;
  for (MultiFill::Part& part : multi.parts) {
    coherence::Fill fill;
    fill.cacheable = !elements.empty() && part.pttl_known;
    if (fill.cacheable) {
      const std::string_view element = elements[part.position];
      const bool nil = resp::read_reply_header(element).number < 0;
      fill.reply = nil ? kNil : element;
      fill.pttl_ms = part.pttl;
      op.lane->set_source(fill, link_of(*op.lane)->next_place().source);
      fill.missing = nil && part.pttl == kNoKey;
      // A key of another type is nil for MGET, and an error for GET.
      fill.stored_as = nil && !fill.missing ? command_ids().mget : command_ids().get;
    }
    fill.cacheable = fill.cacheable && fill.reply.size() <= worker_.spaces().max_value(part.space);
    const Time at = now();
    worker_.spaces().limit(fill, part.space, part.hash, at, op.lane->cache.status().view().proof);
    if (const Loading* loading = op.more().loading.get()) {
      fill.cacheable = fill.cacheable && loading->kept;
      if (!elements.empty() && part.pttl_known &&
          resp::read_reply_header(elements[part.position]).number >= 0 &&
          worker_.spaces().ages(part.space)) {
        const Aged aged =
            worker_.hub().loads->heard(worker_,
                                       {op.lane, spec_.db, loading->keys[part.position], part.hash,
                                        part.space, loading->asked},
                                       part.pttl, true);
        part.age = aged.age;
        fill.pttl_ms = aged.pttl_ms;
      }
    }
    op.lane->shown(part.hash);
    count_fill(part.space, op.lane->cache.reply(part.hash, part.flight, fill, at, nobody));
  }
}

// The reply is passed on, or lost, without filling L1.
void Session::give_up_multi(Op& op) {
  MultiFill& multi = op.more().multi;
  if (multi.given_up) {
    return;
  }
  multi.given_up = true;
  coherence::Waiters nobody;
  coherence::Fill fill;
  fill.cacheable = false;
  for (const MultiFill::Part& part : multi.parts) {
    if (refuses_user(op.gather)) {
      op.lane->cache.flight_lost(part.hash, part.flight, nobody);
      continue;
    }
    op.lane->shown(part.hash);
    op.lane->cache.reply(part.hash, part.flight, fill, now(), nobody);
  }
}

}  // namespace tiercache::proxy
