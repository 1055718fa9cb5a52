// Session: over a Cluster, a command of several slots, or that concerns all nodes. Each part is a
// request of its own to the node of its slot, with its own effects on that node's L1, and may be
// redirected by itself. They stand in the queue before the one that answers, so that is answered
// when all of them have been.
//
// Not atomic: others may see some of the parts done and others not, and one may fail alone.
// Limits: one command has a part for each slot at most; the replies together are as long as the
// client's output may be.
#include "session.hpp"

#include "tiercache/resp/encoder.hpp"

#include <algorithm>
#include <utility>

namespace tiercache::proxy {

using command::Kind;
using topology::NodeIndex;

// Nothing: it cannot be cut.
std::optional<Session::Step> Session::split_request(const Classified& what, Args args) {
  auto cut = split(what.command->name, args);
  if (!cut) {
    return std::nullopt;
  }
  std::vector<Lane*> lanes;
  for (const SplitPart& part : cut->parts) {
    const topology::NodeIndex node = map_->node_of[topology::slot_of(part.args[1])];
    if (node == topology::SlotMap::kNobody) {
      worker_.count(stats::Counter::commands);
      return answer_error("CLUSTERDOWN Hash slot not served");
    }
    lanes.push_back(&worker_.lane(node));
  }
  // With readers its parts would be of different moments of two servers each.
  const bool kept = what.kind == Kind::multi_read && !worker_.reads_replicas() &&
                    keeps_all(what, args.subspan(1));
  if (kept && hit_parts(what, args, *cut, lanes)) {
    worker_.count(stats::Counter::commands);
    return Step::next;
  }
  if (worker_.hub().loads && waits_for_store(what, args)) {
    return stall(Stall::asked);
  }
  const bool past = kept && !loads_any(what, args) && worker_.past_l1(time_);
  const bool fills = kept && !past && may_fill(what, args.subspan(1));
  const Step step = send_parts(what, std::move(*cut), lanes, fills);
  if (kept && step == Step::next) {
    worker_.count(stats::Counter::l1_misses);
    worker_.count(stats::Counter::l1_bypassed, past ? 1 : 0);
  }
  return step;
}

Session::Step Session::ask_all(const Classified& what, Args args, Merge merge) {
  std::vector<Lane*> lanes;
  for (std::size_t i = 0; i < map_->nodes.size(); i++) {
    if (map_->nodes[i]) {
      lanes.push_back(&worker_.lane(static_cast<topology::NodeIndex>(i)));
    }
  }
  Split cut;
  cut.merge = merge;
  std::vector<std::string_view> words(args.begin(), args.end());
  std::string cursor;
  if (merge == Merge::scan) {
    const auto asked = read_cursor(args[1]);
    if (!asked) {
      worker_.count(stats::Counter::commands);
      return answer_error("ERR invalid cursor");
    }
    // The node of a cursor may have gone meanwhile: what it had is on others.
    const auto its =
        std::ranges::find_if(lanes, [&](const Lane* lane) { return lane->index >= asked->node; });
    if (its == lanes.end() && !lanes.empty()) {
      worker_.count(stats::Counter::commands);
      answer("*2\r\n$1\r\n0\r\n*0\r\n");
      return Step::next;
    }
    if (its != lanes.end()) {
      cut.node = (*its)->index;
      cut.next_node = std::next(its) == lanes.end() ? NodeIndex{0} : (*std::next(its))->index;
      cursor = std::to_string(cut.node == asked->node ? asked->cursor : 0);
      words[1] = cursor;
      lanes = {*its};
    }
  }
  if (lanes.empty()) {
    worker_.count(stats::Counter::commands);
    return answer_error("CLUSTERDOWN The cluster is not known yet");
  }
  cut.random = static_cast<std::uint64_t>(time_.time_since_epoch().count());
  cut.parts.assign(lanes.size(), SplitPart{words});
  if (worker_.hub().loads && waits_for_store(what, args)) {
    return stall(Stall::asked);
  }
  return send_parts(what, std::move(cut), lanes, false);
}

Session::Step Session::send_parts(const Classified& what, Split cut,
                                  const std::vector<Lane*>& lanes, bool fills) {
  if (const Step step = go_to_master(*lanes.front()); step == Step::again) {
    return step;
  }
  // All or nothing is sent: a session that stalls asks again.
  for (Lane* lane : lanes) {
    use(*lane);
    if (const Step step = link_step(); step == Step::again) {
      return step;
    }
  }
  off_node_.clear();
  worker_.count(stats::Counter::commands);
  const auto gathered = std::make_shared<Gathered>();
  gathered->split = std::move(cut);
  gathered->missing = gathered->split.parts.size();
  gathered->replies.resize(gathered->missing);
  gathered->op = queue_.next_id() + gathered->missing;
  std::vector<std::uint64_t> away;
  for (std::size_t i = 0; i < gathered->split.parts.size(); i++) {
    use(*lanes[i]);
    send_part(what, gathered, i, fills);
    if (!link_) {
      away.push_back(queue_.next_id() - 1);
    }
  }
  push(OpKind::gathered);
  for (SplitPart& part : gathered->split.parts) {
    part.args.clear();  // they end with the request
  }
  for (const std::uint64_t id : away) {
    worker_.count(stats::Counter::l2_errors);
    std::string bytes;
    resp::append_error(bytes, away_text(queue_.at(id).lane->links.why_not(), *queue_.at(id).lane));
    end_part(id, std::move(bytes));
  }
  return Step::next;
}

void Session::send_part(const Classified& what, const std::shared_ptr<Gathered>& gathered,
                        std::size_t index, bool fills) {
  const std::vector<std::string_view>& args = gathered->split.parts[index].args;
  const std::uint64_t id = push(OpKind::part);
  Op& op = queue_.at(id);
  op.timed = false;  // the whole is
  op.more().gathered = gathered;
  op.more().part = index;
  if (!link_) {
    return;
  }
  const Args part_keys = Args(args).subspan(1);
  const bool fill = fills && lane_->cache.status().view().state == coherence::LinkState::live;
  const bool loading = loads_any(what, args) && may_fill(what, part_keys);
  if ((fill || loading) && begin_multi(id, part_keys)) {
    if (loading) {
      op.repeatable = false;  // what is loaded would not be
      op.more().loading = std::make_unique<Loading>(
          Loading{{}, {part_keys.begin(), part_keys.end()}, now(), fill, {}, 0});
    }
    send_words(args, id);
    return;
  }
  read_keys(what, args);
  count_keys(args);
  op.harmless = what.kind == Kind::read || what.kind == Kind::multi_read;
  op.effects.add(lane_->cache, what.kind, args, keys_, spec_.db);
  op.effects.begin(*lane_);
  if (op.effects.wide()) {
    op.wide = true;
    coherence_.on_wide_write_sent();
  }
  if (op.harmless) {
    op.repeatable = worker_.retries();
    op.reading = true;
    for (const KeyHash hash : op.effects.reads()) {
      coherence_.on_read_sent(hash, link_->next_place().seq);
    }
  }
  send_words(args, id);
}

void Session::send_words(Args args, std::uint64_t id) {
  scratch_.clear();
  resp::append_array_header(scratch_, args.size());
  for (const std::string_view arg : args) {
    resp::append_bulk(scratch_, arg);
  }
  send(scratch_, id);
}

void Session::on_part_piece(std::uint64_t id, std::string_view piece, bool last) {
  Op& op = queue_.at(id);
  if (!op.started && op.effects.wide() && !piece.starts_with('-')) {
    flush_local(op.effects);
  }
  start_reply(op);
  Gathered& gathered = *op.more().gathered;
  gathered.bytes += piece.size();
  if (gathered.bytes > worker_.config().limits.client_output) {
    if (!doomed_) {
      worker_.count(stats::Counter::clients_closed_output_limit);
      doom();
    }
  } else {
    op.gather.append(piece);
  }
  if (last) {
    const bool whole = op.fills_keys() && end_multi(op);
    if (!whole || !op.more().loading || !load_elements(id)) {
      end_part(id, std::move(op.gather));
    }
  }
}

void Session::end_part(std::uint64_t id, std::string reply) {
  Op& op = queue_.at(id);
  op.gather.clear();
  const std::shared_ptr<Gathered> gathered = op.more().gathered;
  gathered->replies[op.more().part] = std::move(reply);
  gathered->missing--;
  if (const Loading* loading = op.extra->loading.get()) {
    gathered->stale.values += loading->stale.values;
    gathered->stale.failed = gathered->stale.failed || loading->stale.failed;
  }
  finish(op);
  if (gathered->missing == 0) {
    Op& whole = queue_.at(gathered->op);
    const std::string all = merge(gathered->split, gathered->replies);
    if (whole.marks && !all.starts_with('-')) {
      deliver(whole, stale_mark(gathered->stale));
    }
    deliver(whole, all);
    finish(whole);
    check_output();
  }
}

}  // namespace tiercache::proxy
