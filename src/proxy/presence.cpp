#include "presence.hpp"

#include "flight_state.hpp"
#include "hash_read.hpp"
#include "session.hpp"

#include "tiercache/proxy/loads.hpp"
#include "tiercache/resp/reply_header.hpp"

#include <utility>

namespace tiercache::proxy {

namespace {

constexpr std::int64_t kNoTtl = -1;

// Whether the key, of the first PTTL, may have gone by the second.
bool another_key(std::int64_t first, std::int64_t second) {
  return first == kNoTtl || second < 0 ? second != first : second > first;
}

bool is_hash(Worker& worker, namespaces::Index space) {
  return worker.hub().loads->result(space) == config::LoadResult::hash;
}

}  // namespace

bool asks_behind(Worker& worker, namespaces::Index space, std::string_view command) {
  return is_hash(worker, space) ? same_if_no_field(command) : same_if_empty(command);
}

bool redis_has(Worker& worker, const Op& op, std::string_view reply) {
  const std::string_view command = worker.table().commands()[op.command].name;
  const bool hash = is_hash(worker, op.space);
  const auto lacks = [&](bool gone) {
    return hash ? lacks_hash(command, reply, gone) : lacks_value(command, reply, gone);
  };
  if (!lacks(true)) {
    return true;
  }
  const Loading& loading = *op.extra->loading;
  return !lacks(op.pttl == kNoKey || loading.gone_behind ||
                worker.hub().loads->stored_since(op.hash, loading.asked));
}

// The read ends with it, unless that was passed on already, or goes elsewhere: then nobody waits.
void Session::on_behind_piece(std::uint64_t id, std::string_view piece, bool last) {
  if (!queue_.contains(id) || !is_loading(queue_.at(id)) ||
      !queue_.at(id).extra->loading->read_reply) {
    return;
  }
  Op& op = queue_.at(id);
  const auto pttl = whole_pttl(op, piece, last);
  if (!pttl) {
    return;
  }
  const resp::ReplyHeader header = resp::read_reply_header(*pttl);
  Loading& loading = *op.extra->loading;
  // What it does not tell the source may.
  loading.gone_behind =
      !pttl->starts_with(':') || !header.ok || another_key(op.pttl, header.number);
  const std::string reply = *std::exchange(loading.read_reply, std::nullopt);
  op.gather.clear();
  end_flight(id, reply);
}

// How long L1 may keep it.
std::int64_t Session::note_age(std::uint64_t id, bool may_wait) {
  const Op& op = queue_.at(id);
  Loading& loading = *op.extra->loading;
  const Aged aged = worker_.hub().loads->heard(
      worker_, {op.lane, spec_.db, loading.keys[0], op.hash, op.space, loading.asked}, op.pttl,
      may_wait);
  loading.age = aged.age;
  return aged.pttl_ms;
}

}  // namespace tiercache::proxy
