// Session: CLIENT within MULTI. Redis queues a command that holds its place; when EXEC has run, the
// proxy does what was meant and exchanges the answers.
#include "client_words.hpp"
#include "exec_patch.hpp"
#include "session.hpp"

#include <utility>

namespace tiercache::proxy {

// The bytes to queue instead, if it is such a command.
std::optional<std::string_view> Session::place_holder(const Classified& what, Args args) {
  // A subscriber in RESP2 has no transaction, whatever it has sent: Redis refuses MULTI and this.
  if (!queues_client(what) || flow_->subscriber()) {
    return std::nullopt;
  }
  // The flow has counted it.
  transaction_locals_.push_back({flow_->queued() - 1, {args.begin(), args.end()}, {}});
  return "*2\r\n$4\r\nECHO\r\n$9\r\ntiercache\r\n";
}

// The reply to EXEC, kept back whole until the answers of the proxy's own are there. False: it has
// none of them.
bool Session::on_exec_piece(std::uint64_t id, std::string_view piece, bool last) {
  Op& op = queue_.at(id);
  if (!op.exec || !op.extra || op.extra->locals.empty()) {
    return false;
  }
  op.held = true;
  if (!gone_) {
    op.out.append(piece);
    queued_output_ += piece.size();
  }
  check_output();
  if (last) {
    paid(op);
    if (!op.ran) {
      op.extra->locals.clear();
    }
    run_exec_locals(id);
  }
  return true;
}

void Session::run_exec_locals(std::uint64_t id) {
  std::vector<LocalInExec>& locals = queue_.at(id).more().locals;
  for (std::size_t& next = queue_.at(id).more().next_local; next < locals.size(); next++) {
    const std::vector<std::string_view> args(locals[next].words.begin(), locals[next].words.end());
    const command::Command* command = worker_.table().find(args);
    const std::string_view sub = command->name.substr(std::string_view("client|").size());
    if (auto bytes = client_reply(sub, args)) {
      locals[next].reply = *std::move(bytes);
    } else {
      // Comes back through on_extension.
      client_ask_all(sub, args, answer_later(id));
      return;
    }
  }
  Op& op = queue_.at(id);
  if (!gone_) {
    queued_output_ -= op.out.size();
    op.out = patch_exec(op.out, locals);
    queued_output_ += op.out.size();
  }
  locals.clear();
  const OpKind kind = op.kind;
  after_exec(id, op.ran);  // may move the queue's operations
  if (kind == OpKind::script) {
    end_script(id);
  } else {
    finish(queue_.at(id));
    check_output();
  }
}

// Of an EXEC that nobody answers (CLIENT REPLY): whether it ran is not known, and is assumed.
void Session::run_blind_locals(const std::vector<LocalInExec>& locals) {
  for (const LocalInExec& local : locals) {
    const std::vector<std::string_view> args(local.words.begin(), local.words.end());
    const std::string_view sub =
        worker_.table().find(args)->name.substr(std::string_view("client|").size());
    if (!client_reply(sub, args)) {
      client_ask_all(sub, args, [](const std::string&) {});
    }
  }
}

}  // namespace tiercache::proxy
