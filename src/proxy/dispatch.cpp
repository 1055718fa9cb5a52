// Session: what becomes of a request.
#include "session.hpp"
#include "source_write.hpp"
#include "tags.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/base/words.hpp"
#include "tiercache/proxy/writes.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace tiercache::proxy {

using command::Args;
using command::Kind;
using command::Route;

namespace {

// Clients repeat themselves: the command before is looked at before the table. Whatever became of
// the table meanwhile, a name is in it once.
const command::Command* find(const command::Table& table, Args args, std::uint16_t before) {
  if (before < table.commands().size()) [[likely]] {
    const command::Command& command = table.commands()[before];
    if (!command.container && !command.subcommand && is_word(args[0], command.name)) [[likely]] {
      return &command;
    }
  }
  return table.find(args);
}

}  // namespace

Session::Classified Session::classify(Args args) const {
  Classified what;
  what.command = find(worker_.table(), args, last_command_);
  if (what.command == nullptr) {
    what.kind = Kind::unknown_write;
    return what;
  }
  what.position = static_cast<std::uint16_t>(what.command - worker_.table().commands().data());
  what.fits = command::arity_fits(*what.command, args);
  if (!what.fits) {
    if (what.command->name.starts_with("cache")) {
      what.route = Route::local;
    }
    return what;  // who answers says what is wrong
  }
  const command::Classified found = command::classify(*what.command, args);
  what.kind = found.kind;
  what.route = found.route;
  return what;
}

Session::Step Session::dispatch(const Request& request) {
  const Classified what = classify(request.args);
  last_command_ = what.position;
  if (worker_.pause_mode() != PauseMode::none && paused(what, request.args)) {
    worker_.hub().paused.fetch_add(1, std::memory_order_relaxed);
    return stall(Stall::paused);
  }
  if (worker_.hub().newest_invalidation.load(std::memory_order_acquire) != 0) [[unlikely]] {
    if (const auto step = meet_invalidations(request, what)) {
      return *step;
    }
  }
  // Behind a write to a source that is not answered another one may go, and nothing else.
  if (!pinned_ && !queue_.empty() && is_source_write(queue_.front())) [[unlikely]] {
    const bool another = what.kind == Kind::write && !worker_.reads_replicas() &&
                         !worker_.denied(what.position, request.args) &&
                         local_keys(what, request.args) == LocalKeys::run && local_spaces_.empty();
    if (!another) {
      return stall(Stall::drain);
    }
    const Step step = run_local(what, request.args);
    worker_.count(stats::Counter::commands, step == Step::next ? 1 : 0);
    return step;
  }
  if (worker_.clustered()) [[unlikely]] {
    if (const auto step = route(request, what)) {
      return *step;
    }
  }
  if (pinned_) {
    return pinned_request(request, what);
  }
  if (worker_.reads_replicas()) [[unlikely]] {
    if (const Step step = pick_server(request, what); step == Step::again) {
      return step;
    }
  }
  if (worker_.denied(what.position, request.args)) {
    worker_.count(stats::Counter::commands);
    return answer_error(worker_.denial(what.command, request.args));
  }
  // Those of a cacheable read are found on its way.
  if (what.kind != Kind::cacheable_read && what.kind != Kind::ttl_read &&
      (worker_.spaces().any_local() || source_writes(worker_.hub()) != nullptr)) {
    const LocalKeys found = local_keys(what, request.args);
    if (found != LocalKeys::none) {
      const Step step = answer_local(found, what, request.args);
      worker_.count(stats::Counter::commands, step == Step::next ? 1 : 0);
      return step;
    }
  }
  Step step = Step::next;
  switch (what.route) {
    case Route::local:
      step = local(request, what);
      break;
    case Route::stateful:
    case Route::blocking:
      step = pin();
      if (step == Step::next && pinned_) {
        return pinned_request(request, what);
      }
      // What it sends next counts on a state that it has not got.
      closing_ = closing_ || (step == Step::next && what.route == Route::stateful);
      break;
    case Route::augmented:
      step = augmented(request);
      break;
    case Route::shared:
      step = shared(request, what);
      break;
    case Route::scripts:
      step = relay(request, what);
      break;
  }
  if (step == Step::next) {
    worker_.count(stats::Counter::commands);
  }
  return step;
}

Session::Step Session::shared(const Request& request, const Classified& what) {
  if (what.kind == Kind::cacheable_read || what.kind == Kind::ttl_read) {
    const std::string_view key = request.args[1];
    const namespaces::Index space = worker_.spaces().find(key);
    if (worker_.spaces().keeps(space, what.position)) {
      if (what.kind == Kind::ttl_read) {
        return ttl_read(request, what, space);
      }
      if (worker_.hub().keeps(key)) {
        return cacheable_read(request, what, space, Keep::yes);
      }
    }
    if (loads(what, space)) {
      return cacheable_read(request, what, space, Keep::no);
    }
    if (worker_.spaces().local(space) != Spaces::kNotLocal) {
      return answer_local(local_keys(what, request.args), what, request.args);
    }
  } else if (what.kind == Kind::read && worker_.hub().loads && what.fits &&
             request.args.size() > 1) {
    // A read of a hash that L1 does not keep, since fields may end by themselves.
    const namespaces::Index space = worker_.spaces().find(request.args[1]);
    if (loads(what, space)) {
      return cacheable_read(request, what, space, Keep::no);
    }
  } else if (what.kind == Kind::multi_read) {
    if (keeps_all(what, request.args.subspan(1))) {
      return multi_read(request, what, Keep::yes);
    }
    if (loads_any(what, request.args)) {
      return multi_read(request, what, Keep::no);
    }
  }
  return relay(request, what);
}

Session::Step Session::stall(Stall why) {
  stall_ = why;
  return Step::again;
}

Session::Step Session::wait_fence(std::uint64_t ping) {
  worker_.count(stats::Counter::fence_waits);
  lane_->fences.wait(ping, [self = ref(), ping] {
    self->fenced_by_ = ping;
    self->stall_ = Stall::none;
    self->worker_.touch(*self);
  });
  return stall(Stall::fence);
}

// Makes link_ one that takes a request; null while Redis is away. Requests behind a script that is
// not answered yet follow it: to them it makes no difference, and they need not wait for its reply.
// Of a Cluster each node has one link for all.
Session::Step Session::link_step(Traffic traffic) {
  if (traffic != traffic_ && !worker_.clustered() &&
      (traffic == Traffic::scripts || coherence_.may_move())) {
    if (!coherence_.may_move()) {
      return stall(Stall::unowed);
    }
    traffic_ = traffic;
    link_.reset();
    coherence_.on_moved();
  }
  if (link_ && link_->state() != l2::Link::State::dead) {
    if (link_->saturated()) {
      link_->wait_room(*this);
      return stall(Stall::room);
    }
    return Step::next;
  }
  // Of a node that it has not spoken to, it has nothing to lose.
  const bool first = link_ == nullptr && worker_.clustered();
  if (!first && !coherence_.may_move()) {
    return stall(Stall::unowed);
  }
  if (link_ && login_lost(link_->why())) {
    doom();
  }
  link_ = shared_link();
  coherence_.on_moved();
  return Step::next;
}

l2::LinkPtr Session::shared_link() const {
  l2::LinkSpec spec = with_login(spec_);
  spec.traffic = traffic_;
  return lane_->links.shared(spec);
}

std::string_view Session::relay_bytes(const Request& request) {
  if (request.form == resp::RequestForm::canonical) {
    return request.raw;
  }
  scratch_.clear();
  resp::append_relay(scratch_, request);
  return scratch_;
}

void Session::read_keys(const Classified& what, Args args) {
  keys_.clear();
  if (what.command != nullptr && what.fits) {
    command::keys(*what.command, args, keys_);
  }
}

// Of keys_, what a command that goes to Redis does with them.
void Session::count_keys(Args args) {
  if (!worker_.spaces().any()) {
    return;
  }
  for (const command::KeyRef& key : keys_) {
    worker_.spaces().count(
        worker_.spaces().find(args[key.index]),
        key.access == command::Access::write ? SpaceCounter::writes : SpaceCounter::passed);
  }
}

void Session::send(std::string_view bytes, std::uint64_t id) {
  Op& op = queue_.at(id);
  op.owed = true;
  coherence_.on_owed();
  worker_.count(stats::Counter::l2_requests);
  if (lane_->master != nullptr) [[unlikely]] {
    worker_.count(stats::Counter::l2_replica_reads);
  }
  if (op.repeatable || worker_.clustered()) {
    op.request.assign(bytes);
  }
  if (!op.harmless) {
    last_write_ = id;
  }
  link_->send(bytes, *this, tag_of(id));
}

// To the shared link and back, with what it does to L1.
Session::Step Session::relay(const Request& request, const Classified& what) {
  if (lane_->master != nullptr && worker_.clustered()) [[unlikely]] {
    if (const Step step = leave_replica(); step == Step::again) {
      return step;
    }
  }
  const Traffic traffic = what.route == Route::scripts ? Traffic::scripts : Traffic::commands;
  if (const Step step = link_step(traffic); step == Step::again) {
    return step;
  }
  if (!link_) {
    return answer_away();
  }
  if (!worker_.clustered()) {  // else it was routed by them
    read_keys(what, request.args);
  }
  if (worker_.hub().loads && waits_for_store(what, request.args)) {
    return stall(Stall::asked);
  }
  count_keys(request.args);
  const bool read = what.kind == Kind::read || what.kind == Kind::cacheable_read ||
                    what.kind == Kind::multi_read || what.kind == Kind::ttl_read;
  const std::uint64_t id = push(what.kind == Kind::unknown_write ? OpKind::script : OpKind::relay);
  Op& op = queue_.at(id);
  op.harmless = read;
  op.unknown = what.command == nullptr;
  op.effects.add(lane_->cache, what.kind, request.args, keys_, spec_.db);
  // Where nothing is kept, nobody asks what has changed.
  if (worker_.keeps(*lane_)) {
    op.effects.begin(*lane_);
  }
  if (read && what.kind != Kind::read && !may_all()) {
    want_stamps(op, what, request.args);
  }
  if (read) {
    op.repeatable = what.route != Route::scripts && worker_.retries();
    op.reading = true;
    for (const KeyHash hash : op.effects.reads()) {
      coherence_.on_read_sent(hash, link_->next_place().seq);
    }
  }
  if (op.effects.wide()) {
    op.wide = true;
    coherence_.on_wide_write_sent();
  }
  send(relay_bytes(request), id);
  return Step::next;
}

Session::Step Session::augmented(const Request& request) {
  if (const Step step = link_step(); step == Step::again) {
    return step;
  }
  if (!link_) {
    if (auto bytes = worker_.extensions().offline(request.args, spec_.version)) {
      answer(*bytes);
      return Step::next;
    }
    return answer_away();
  }
  const std::uint64_t id = push(OpKind::augmented);
  Op& op = queue_.at(id);
  op.harmless = true;
  op.more().args.assign(request.args.begin(), request.args.end());
  send(relay_bytes(request), id);
  return Step::next;
}

}  // namespace tiercache::proxy
