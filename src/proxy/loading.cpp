// Session: keys that a source has if Redis has not (namespaces of tiers l1+l2+l3). A read that
// finds its key missing in Redis, or stale for too long, goes on to Loads with all who wait for it;
// their answers come from there. Of MGET's keys those go there, and the reply waits for all of
// them. So does a read of one key for which Redis is away.
//
// Of a read of a hash Loading::keys has the key and, behind it, the fields that it names.
#include "hash_read.hpp"
#include "posts.hpp"
#include "session.hpp"
#include "split_bulks.hpp"
#include "variants.hpp"

#include "tiercache/proxy/loads.hpp"
#include "tiercache/resp/reply_header.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/unordered/unordered_flat_map.hpp>

namespace tiercache::proxy {

using config::LoadResult;

namespace {

// Each on its session's thread. `bytes` null: nil.
void tell(Hub& hub, const coherence::Waiters& waiters,
          const std::shared_ptr<const std::string>& bytes,
          Session::News news = Session::News::bytes) {
  boost::unordered_flat_map<std::uint32_t, std::vector<Ticket>> by_worker;
  for (const coherence::Waiter waiter : waiters) {
    const Ticket ticket = Ticket::unpack(waiter);
    by_worker[ticket.worker].push_back(ticket);
  }
  for (auto& [index, tickets] : by_worker) {
    Worker& worker = *hub.workers.at(index);
    Posts::post(worker, [&worker, tickets = std::move(tickets), bytes, news] {
      for (const Ticket& ticket : tickets) {
        if (Session* session = worker.find(ticket.session)) {
          session->on_flight(session->op_of(ticket.op), bytes ? *bytes : std::string_view(),
                             bytes ? news : Session::News::nil, true);
        }
      }
    });
  }
}

// Of MGET's keys those that are no strings are nil, as Redis has it.
bool loads_string(Worker& worker, namespaces::Index space) {
  return worker.spaces().loads(space) && worker.hub().loads->result(space) == LoadResult::value;
}

}  // namespace

bool Session::loads(const Classified& what, namespaces::Index space) const {
  if (!worker_.spaces().loads(space)) {
    return false;
  }
  return worker_.hub().loads->result(space) == LoadResult::hash ? reads_hash(what.command->name)
                                                                : loads_value(what.command->name);
}

bool Session::loads_any(const Classified& what, Args args) const {
  return worker_.hub().loads && what.command->name == "mget" &&
         std::ranges::any_of(args.subspan(1), [&](std::string_view key) {
           return loads_string(worker_, worker_.spaces().find(key));
         });
}

// `stale`: what Redis has said of a key that it has; empty: it has it not.
void Session::load(std::uint64_t id, const coherence::Waiters& waiters, std::string_view stale) {
  const Op& op = queue_.at(id);
  Loading& loading = *op.extra->loading;
  std::optional<HashRead> hash;
  if (worker_.hub().loads->result(op.space) == LoadResult::hash) {
    hash = hash_read(worker_.table().commands()[op.command].name,
                     {loading.keys.begin() + 1, loading.keys.end()}, spec_.version);
    const bool misfit = hash->kind == HashRead::Kind::misfit;
    if (misfit && worker_.hub().loads->fits(op.space, loading.keys[0])) {
      tell(worker_.hub(), waiters,
           std::make_shared<const std::string>(worker_.hub().loads->misfit(op.space)));
      return;
    }
    if (misfit) {
      hash.reset();
    }
  }
  Loads::Wanted wanted{op.lane,        spec_.db,     std::move(loading.keys[0]),
                       op.hash,        op.space,     loading.asked,
                       !stale.empty(), !loading.away};
  const std::size_t reads = waiters.size();
  worker_.hub().loads->want(
      worker_, std::move(wanted), reads,
      // It is called while Loads is being destroyed too.
      [&hub = worker_.hub(), loads = worker_.hub().loads.get(), waiters, shape = loading.shape,
       hash = std::move(hash), space = op.space,
       stale = std::string(stale)](const LoadAnswer& answer) {
        std::shared_ptr<const std::string> bytes = answer.bytes;
        News news = News::bytes;
        if (answer.failed && !stale.empty()) {
          news = News::kept;
          bytes = std::make_shared<const std::string>(stale);
          loads->count(space, LoadCounter::stale_on_error, waiters.size());
        } else if (answer.kind == l3::Loaded::Kind::value &&
                   (hash || shape.kind != LoadShape::Kind::value)) {
          bytes = std::make_shared<const std::string>(hash ? proxy::answer(*answer.bytes, *hash)
                                                           : shaped(*answer.bytes, shape));
        } else if (const std::string nothing =
                       hash ? answer_absent(*hash) : std::string(shaped_absent(shape));
                   !bytes && !nothing.empty()) {
          bytes = std::make_shared<const std::string>(nothing);
        }
        tell(hub, waiters, bytes, news);
      });
}

// Redis is away: the source says what it has, and nothing is kept. REQUIRES: Redis has allowed it,
// and the key fits.
Session::Step Session::load_past(const Request& request, const Classified& what,
                                 namespaces::Index space) {
  const std::string_view key = request.args[1];
  const std::uint64_t id = push(OpKind::joined);
  Op& op = queue_.at(id);
  op.harmless = true;
  op.command = what.position;
  op.space = space;
  op.hash = lane_->cache.hash(spec_.db, key);
  op.more().loading = std::make_unique<Loading>(Loading{
      shape_of(request.args), {request.args.begin() + 1, request.args.end()}, now(), false, {}, 0});
  op.extra->loading->away = true;
  load(id, {ticket(id)}, {});
  return Step::next;
}

// False: nothing is to be loaded, the reply is as Redis gave it.
bool Session::load_elements(std::uint64_t id) {
  Op& op = queue_.at(id);
  Loading& loading = *op.extra->loading;
  const auto elements = split_bulks(op.gather, loading.keys.size());
  std::vector<std::pair<std::size_t, Loads::Wanted>> missing;
  for (std::size_t i = 0; i < elements.size(); i++) {
    const std::string& key = loading.keys[i];
    Loads::Wanted wanted{
        op.lane,      spec_.db, key, op.lane->cache.hash(spec_.db, key), worker_.spaces().find(key),
        loading.asked};
    if (resp::read_reply_header(elements[i]).number < 0 && loads_string(worker_, wanted.space) &&
        !worker_.hub().loads->is_absent(wanted, now())) {
      missing.emplace_back(i, std::move(wanted));
    }
  }
  for (const MultiFill::Part& part : op.extra->multi.parts) {
    const std::string& key = loading.keys[part.position];
    for (std::size_t i = part.position; part.age >= Age::stale && i < loading.keys.size(); i++) {
      if (loading.keys[i] != key) {
        continue;
      }
      if (part.age == Age::stale) {
        loading.stale.values++;
        worker_.hub().loads->count(part.space, LoadCounter::stale);
      } else {
        missing.emplace_back(
            i, Loads::Wanted{op.lane, spec_.db, key, part.hash, part.space, loading.asked, true});
      }
    }
  }
  loading.missing = missing.size();
  loading.elements.resize(elements.size());
  for (auto& [position, wanted] : missing) {
    const bool stale = wanted.stale;
    const namespaces::Index space = wanted.space;
    worker_.hub().loads->want(
        worker_, std::move(wanted), 1,
        [&worker = worker_, loads = worker_.hub().loads.get(), me = Ticket::unpack(ticket(id)),
         i = position, stale, space,
         nil = spec_.version == resp::Version::resp3 ? std::string_view("_\r\n")
                                                     : kNil](LoadAnswer answer) {
          const bool kept = stale && answer.failed;
          if (kept) {
            loads->count(space, LoadCounter::stale_on_error);
            answer.bytes = nullptr;  // it is as Redis has it
          } else if (stale && !answer.bytes) {
            answer.bytes = std::make_shared<const std::string>(nil);
          }
          Posts::post(worker, [&worker, me, i, kept, answer = std::move(answer)] {
            if (Session* session = worker.find(me.session)) {
              session->on_element(session->op_of(me.op), i, answer, kept);
            }
          });
        });
  }
  return !missing.empty();
}

// With the last of them the reply is whole. One that fails is the reply.
void Session::on_element(std::uint64_t id, std::size_t position, const LoadAnswer& answer,
                         bool kept) {
  if (!queue_.contains(id)) {
    return;
  }
  Op& op = queue_.at(id);
  Loading& loading = *op.extra->loading;
  if (answer.bytes) {
    loading.elements[position] = *answer.bytes;
  }
  if (kept) {
    loading.stale.values++;
    loading.stale.failed = true;
  }
  if (--loading.missing > 0) {
    return;
  }
  const auto error = std::ranges::find_if(
      loading.elements, [](const std::string& element) { return element.starts_with('-'); });
  std::string reply;
  if (error != loading.elements.end()) {
    reply = std::move(*error);
  } else {
    const auto elements = split_bulks(op.gather, loading.keys.size());
    resp::append_array_header(reply, elements.size());
    for (std::size_t i = 0; i < elements.size(); i++) {
      reply += loading.elements[i].empty() ? elements[i] : std::string_view(loading.elements[i]);
    }
  }
  if (op.kind == OpKind::part) {
    end_part(id, std::move(reply));
    return;
  }
  if (error == loading.elements.end()) {
    deliver(op, mark_of(op));
  }
  deliver(op, reply);
  op.started = true;
  op.gather.clear();
  finish(op);
}

// A client's write is told before it is sent, so that no older value is stored behind it; where one
// is being stored, it waits until Redis has it. REQUIRES: keys_ are those of the request.
bool Session::waits_for_store(const Classified& what, Args args) {
  Loads& loads = *worker_.hub().loads;
  Effects effects;
  if (!pinned_ || !flow_->in_multi()) {
    effects.add(lane_->cache, what.kind, args, keys_, pinned_ ? flow_->db() : spec_.db);
  } else if (what.fits && what.command->name == "exec") {
    effects.add(transaction_);
  }
  if (effects.wide()) {
    loads.on_wide_write();
  }
  if (!loads.active() || (effects.writes().empty() && !effects.wide())) {
    return false;
  }
  effects.apply_blind(*lane_);
  return loads.must_wait(effects.writes(), effects.wide(), [home = &worker_, me = id_] {
    home->post([home, me] {
      if (Session* session = home->find(me)) {
        session->on_stored();
      }
    });
  });
}

void Session::on_stored() {
  if (stall_ == Stall::asked) {
    stall_ = Stall::none;
    worker_.touch(*this);
  }
}

}  // namespace tiercache::proxy
