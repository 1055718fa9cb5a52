// Session: reads of several keys. L1 answers only if all of them hit as of one PING; else the whole
// command goes upstream on one link, and an MGET's reply fills L1 key by key.
#include "refusal.hpp"
#include "session.hpp"
#include "split_bulks.hpp"
#include "variants.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/resp/reply_header.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::proxy {

namespace {

constexpr std::size_t kMaxFilledKeys = 128;
// Looking up thousands of keys costs more than a whole hit can save.
constexpr std::size_t kMaxLookedUp = 1024;

}  // namespace

Session::Step Session::multi_read(const Request& request, const Classified& what, Keep keep) {
  coherence::Cache& cache = lane_->cache;
  const coherence::View view = cache.status().view();
  if (!worker_.config().l1.enabled || view.state != coherence::LinkState::live) {
    keep = Keep::no;
  }
  if (keep == Keep::no && !loads_any(what, request.args)) {
    return relay(request, what);
  }
  const bool mget = what.command->name == "mget";
  const std::uint16_t command = mget ? command_ids().mget : command_ids().exists;
  const Args keys = request.args.subspan(1);
  if (keys.size() > kMaxLookedUp) {
    return relay(request, what);
  }
  boost::container::small_vector<coherence::Part, 16> parts;
  const bool everything = may_all();
  bool all = keep == Keep::yes &&
             (everything ||
              std::ranges::all_of(keys, [&](std::string_view key) { return stamped(what, key); }));
  for (const std::string_view key : keys) {
    const KeyHash hash = cache.hash(spec_.db, key);
    all = all && coherence_.reach(hash, view).look == coherence::Look::all;
    parts.push_back({{hash, spec_.db, key}, mget ? answers_to_mget() : answers_to_exists()});
  }
  coherence::MultiOutcome outcome;
  std::int64_t existing = 0;
  if (all) {
    scratch_.clear();
    std::string part;
    if (mget) {
      resp::append_array_header(scratch_, keys.size());
    }
    outcome = cache.multi(parts, fenced_by_, time_, [&](const l1::Entry& entry) {
      if (mget) {
        append_hit(scratch_, command, entry, spec_.version);
      } else {
        part.clear();
        append_hit(part, command, entry, spec_.version);
        existing += resp::read_reply_header(part).number;
      }
    });
  }
  using Outcome = coherence::MultiOutcome::Kind;
  if (outcome.kind == Outcome::wait) {
    return wait_fence(outcome.ping);
  }
  if (outcome.kind == Outcome::hit) {
    count_hit(namespaces::kDefault);
    if (worker_.spaces().any()) {
      for (const std::string_view key : keys) {
        worker_.spaces().count(worker_.spaces().find(key), SpaceCounter::hits);
      }
    }
    if (!mget) {
      resp::append_integer(scratch_, existing);
    }
    answer(scratch_);
    return Step::next;
  }
  const bool fills = mget && (everything || std::ranges::all_of(keys, [&](std::string_view key) {
                                return user_->may_pttl(key);
                              }));
  // Counted once it is really sent.
  const Step step = fills ? send_multi(request, what, keep) : relay(request, what);
  if (step == Step::next) {
    worker_.count(stats::Counter::l1_misses);
  }
  return step;
}

Session::Step Session::send_multi(const Request& request, const Classified& what, Keep keep) {
  if (const Step step = link_step(); step == Step::again) {
    return step;
  }
  if (!link_) {
    return answer_away();
  }
  coherence::Cache& cache = lane_->cache;
  const Args keys = request.args.subspan(1);
  std::vector<std::pair<std::string_view, std::uint32_t>> distinct;
  distinct.reserve(keys.size());
  for (std::uint32_t i = 0; i < keys.size(); i++) {
    distinct.emplace_back(keys[i], i);
  }
  std::ranges::sort(distinct);
  distinct.erase(std::unique(distinct.begin(), distinct.end(),
                             [](const auto& a, const auto& b) { return a.first == b.first; }),
                 distinct.end());
  if (distinct.size() > kMaxFilledKeys) {
    return relay(request, what);
  }
  const std::uint64_t id = push(OpKind::multi);
  Op& op = queue_.at(id);
  op.harmless = op.reading = true;
  MultiFill& multi = op.more().multi;
  coherence::Place place = link_->next_place();
  place.seq += distinct.size();
  for (const auto& [key, position] : distinct) {
    const l1::Key where{cache.hash(spec_.db, key), spec_.db, key};
    MultiFill::Part part;
    part.hash = where.hash;
    part.position = position;
    part.space = worker_.spaces().find(key);
    worker_.spaces().count(part.space, SpaceCounter::misses);
    part.flight = cache.begin_fill(where, variant_of(command_ids().get), place, time_);
    multi.parts.push_back(part);
    coherence_.on_read_sent(part.hash, place.seq);
    scratch_.clear();
    resp::append_request(scratch_, {"PTTL", key});
    link_->send(scratch_, *this, id << 1 | kPttl);
  }
  op.pttl = static_cast<std::int64_t>(keys.size());  // elements to come
  if (loads_any(what, request.args)) [[unlikely]] {
    op.more().loading = std::make_unique<Loading>(
        Loading{{}, {keys.begin(), keys.end()}, now(), keep == Keep::yes, {}, 0});
  }
  if (!may_all()) {
    for (const std::string_view key : keys) {
      want_stamp(op, command_ids().mget, key);
    }
  }
  send(relay_bytes(request), id);
  return Step::next;
}

void Session::on_multi_piece(std::uint64_t id, std::string_view piece, bool last) {
  Op& op = queue_.at(id);
  MultiFill& multi = op.more().multi;
  if (!multi.given_up) {
    op.gather.append(piece);
    const bool array = op.gather.starts_with('*');
    const std::size_t most = op.more().loading ? worker_.config().limits.client_output / 2
                                               : worker_.config().l1.max_value;
    if (array && op.gather.size() <= most) {
      if (!last) {
        return;
      }
      fill_multi(op);
      if (op.more().loading && load_elements(id)) {
        return;
      }
    } else {
      give_up_multi(op);
    }
    op.started = true;
    const std::string bytes = std::exchange(op.gather, {});
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
  std::vector<coherence::Waiter> nobody;
  for (const MultiFill::Part& part : multi.parts) {
    coherence::Fill fill;
    fill.cacheable = !elements.empty() && part.pttl_known;
    if (fill.cacheable) {
      const std::string_view element = elements[part.position];
      const bool nil = resp::read_reply_header(element).number < 0;
      fill.reply = nil ? kNil : element;
      fill.pttl_ms = part.pttl;
      fill.source = link_of(*op.lane)->next_place().source;
      fill.missing = nil && part.pttl == -2;
      // A key of another type is nil for MGET, and an error for GET.
      fill.stored_as = nil && !fill.missing ? command_ids().mget : command_ids().get;
    }
    fill.cacheable = fill.cacheable && fill.reply.size() <= worker_.spaces().max_value(part.space);
    const Time at = now();
    worker_.spaces().limit(fill, part.space, part.hash, at, op.lane->cache.status().view().proof);
    if (const Loading* loading = op.more().loading.get()) {
      fill.cacheable = fill.cacheable && loading->kept;
    }
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
  std::vector<coherence::Waiter> nobody;
  coherence::Fill fill;
  fill.cacheable = false;
  for (const MultiFill::Part& part : multi.parts) {
    if (refuses_user(op.gather)) {
      op.lane->cache.flight_lost(part.hash, part.flight, nobody);
      continue;
    }
    op.lane->cache.reply(part.hash, part.flight, fill, now(), nobody);
  }
}

}  // namespace tiercache::proxy
