// Session: commands that speak of the client's own connection, which ends here.
#include "hello.hpp"
#include "session.hpp"
#include "words.hpp"

#include "tiercache/base/check.hpp"

#include <climits>
#include <utility>

namespace tiercache::proxy {

Session::Step Session::local(const Request& request, const Classified& what) {
  const std::string_view name = what.command->name;
  const Args args = request.args;
  if (name == "ping") {
    answer("+PONG\r\n");
    return Step::next;
  }
  if (name == "select") {
    return select(args);
  }
  if (name == "hello") {
    return hello(request);
  }
  if (name == "quit") {
    answer("+OK\r\n");
    closing_ = true;
    return Step::next;
  }
  if (name == "reset") {
    return reset();
  }
  if (name.starts_with("client|")) {
    return client_command(what, args);
  }
  if (name == "cache" || name.starts_with("cache|")) {
    return cache_command(args);
  }
  return relay(request, what);
}

Session::Step Session::cache_command(Args args) {
  const std::uint64_t id = push(OpKind::extension);
  Asker asker;
  asker.client = client_id_;
  asker.worker = worker_.index();
  asker.db = pinned_ ? flow_->db() : spec_.db;
  asker.version = pinned_ ? flow_->version() : spec_.version;
  worker_.extensions().cache_command(asker, args, Responder(worker_.hub(), ticket(id)));
  return Step::next;
}

std::string Session::hello_reply(resp::Version version) const {
  std::string out;
  resp::append_map_header(out, 7, version);
  resp::append_bulk(out, "server");
  resp::append_bulk(out, "redis");
  resp::append_bulk(out, "version");
  resp::append_bulk(out, worker_.hub().redis_version());
  resp::append_bulk(out, "proto");
  resp::append_integer(out, static_cast<int>(version));
  resp::append_bulk(out, "id");
  resp::append_integer(out, static_cast<std::int64_t>(client_id_));
  resp::append_bulk(out, "mode");
  resp::append_bulk(out, "standalone");
  resp::append_bulk(out, "role");
  resp::append_bulk(out, "master");
  resp::append_bulk(out, "modules");
  resp::append_array_header(out, 0);
  return out;
}

Session::Step Session::hello(const Request& request) {
  const Hello hello = parse_hello(request.args);
  if (!hello.error.empty()) {
    return answer_error(hello.error);
  }
  if (hello.auth) {
    const Step step = pin();
    return step == Step::next && pinned_ ? pinned_request(request, classify(request.args)) : step;
  }
  const resp::Version version = hello.version.value_or(spec_.version);
  const Step step = move({spec_.db, version}, hello_reply(version));
  if (step == Step::next && hello.name) {
    name_ = *hello.name;
  }
  return step;
}

Session::Step Session::select(Args args) {
  const auto db = parse_integer(args[1]);
  if (!db) {
    return answer_error("ERR value is not an integer or out of range");
  }
  if (*db < INT_MIN || *db > INT_MAX) {
    return answer_error("ERR value is out of range, value must between -2147483648 and 2147483647");
  }
  if (*db < 0) {
    return answer_error("ERR DB index is out of range");
  }
  return move({static_cast<std::uint32_t>(*db), spec_.version}, "+OK\r\n");
}

Session::Step Session::reset() {
  const Step step = move({}, "+RESET\r\n");
  if (step == Step::next) {
    name_.clear();
  }
  return step;
}

// From here on the session speaks to the link of another spec, and is told `answer`. Where nobody
// knows yet whether Redis has such a link, a PING goes first and the session waits for it.
Session::Step Session::move(const l2::LinkSpec& spec, std::string answer) {
  if (spec == spec_) {
    this->answer(answer);
    return Step::next;
  }
  if (!queue_.empty()) {
    return stall(Stall::drain);
  }
  if (worker_.known_spec(spec)) {
    set_spec(spec);
    this->answer(answer);
    return Step::next;
  }
  l2::LinkPtr link = worker_.links().shared(spec);
  if (!link) {
    return answer_away();
  }
  const std::uint64_t id = push(OpKind::trial);
  Op& op = queue_.at(id);
  op.more().spec = spec;
  op.more().answer = std::move(answer);
  op.more().link = link;
  link->send("*1\r\n$4\r\nPING\r\n", *this, id << 1);
  stall_ = Stall::drain;
  return Step::next;
}

void Session::on_trial(std::uint64_t id, std::string_view lost_why) {
  Op& op = queue_.at(id);
  OpExtra& extra = op.more();
  if (lost_why.empty()) {
    set_spec(extra.spec);
    link_ = extra.link;
    const std::string bytes = std::move(extra.answer);
    deliver(op, bytes);
  } else {
    // Redis's own words for "DB index is out of range" and the like.
    constexpr std::string_view kRefused = "ERR ";
    const std::size_t at = lost_why.find(kRefused);
    std::string bytes;
    if (at != std::string_view::npos || lost_why.starts_with("NO")) {
      resp::append_error(bytes, lost_why.substr(at == std::string_view::npos ? 0 : at));
    } else {
      resp::append_error(bytes, away_text(lost_why));
    }
    deliver(op, bytes);
  }
  finish(op);
}

// REQUIRES: nothing is owed.
void Session::set_spec(const l2::LinkSpec& spec) {
  worker_.learn_spec(spec);
  spec_ = spec;
  link_.reset();
  coherence_.on_moved();
}

}  // namespace tiercache::proxy
