// Session: commands that speak of the client's own connection, which ends here.
#include "hello.hpp"
#include "session.hpp"
#include "tags.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/base/words.hpp"

#include <climits>
#include <utility>

namespace tiercache::proxy {

Session::Step Session::local(const Request& request, const Classified& what) {
  const std::string_view name = what.command->name;
  const Args args = request.args;
  if (name == "ping") {
    return ping(request, what);
  }
  if (name == "auth") {
    return auth(request);
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
  const bool cache = name == "cache" || name.starts_with("cache|");
  if (cache || name.starts_with("client|")) {
    switch (permission(what)) {
      case Permission::yes:
        return cache ? cache_command(args) : client_command(what, args);
      case Permission::no:
        return answer_error(refusal_);
      case Permission::asked:
        return stall(Stall::asked);
    }
  }
  return relay(request, what);
}

// Where the event link has found Redis not to answer as it should, busy with a script or loading,
// the client hears of that too, as long as there is a connection to hear it on.
Session::Step Session::ping(const Request& request, const Classified& what) {
  const bool live = lane_->cache.status().view().state == coherence::LinkState::live;
  const bool answers = link_ && link_->state() == l2::Link::State::ready;
  if (!user_->said_all() || (!live && answers)) {
    return relay(request, what);
  }
  answer("+PONG\r\n");
  return Step::next;
}

Session::Step Session::cache_command(Args args) {
  if (is_mark(args)) {
    const MarkWish wish = read_mark(args, pinned_ ? flow_->version() : spec_.version);
    if (!wish.error.empty()) {
      return answer_error(wish.error);
    }
    marks_ = wish.on;
    answer("+OK\r\n");
    return Step::next;
  }
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
  Move where;
  where.spec = spec_;
  where.spec.version = hello.version.value_or(spec_.version);
  where.answer = hello_reply(where.spec.version);
  where.identity = user_;
  where.name = hello.name;
  if (hello.auth) {
    const l2::Login login{std::string(hello.user), std::string(hello.password), true};
    return log_in(request, std::make_shared<const l2::Login>(login), std::move(where));
  }
  if (user_->anonymous() && !user_->said_all()) {
    // Redis may want a password first, and says so in its own words.
    where.question = where.spec.version == resp::Version::resp3
                         ? "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"
                         : "*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n";
  }
  return move(std::move(where));
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
  Move where;
  where.spec = spec_;
  where.spec.db = static_cast<std::uint32_t>(*db);
  where.answer = "+OK\r\n";
  where.identity = user_;
  std::string question;
  if (!user_->said_all()) {
    resp::append_request(question, {"SELECT", args[1]});
    where.question = question;
  }
  return move(std::move(where));
}

Session::Step Session::reset() {
  marks_ = false;
  Move where;
  where.identity = worker_.hub().identities.anonymous();
  where.spec.user = where.identity->id();
  where.answer = "+RESET\r\n";
  where.name = "";
  return move(std::move(where));
}

// From here on the session speaks to the link of another spec, perhaps as somebody else, and is
// told `answer`. Where nobody knows yet whether Redis has such a link, or Redis is to be asked, a
// question goes first and the session waits for it.
Session::Step Session::move(Move where) {
  const bool ask = !where.question.empty();
  if (where.spec == spec_ && !ask) {
    if (where.name) {
      name_ = *where.name;
    }
    answer(where.answer);
    return Step::next;
  }
  if (!queue_.empty()) {
    return stall(Stall::drain);
  }
  if (worker_.known_spec(where.spec) && !ask) {
    user_ = where.identity;
    set_spec(where.spec);
    if (where.name) {
      name_ = *where.name;
    }
    answer(where.answer);
    return Step::next;
  }
  l2::LinkSpec spec = where.spec;
  spec.login = where.identity->login();
  l2::LinkPtr link = worker_.links().shared(spec);
  if (!link) {
    return answer_away();
  }
  return trial(std::move(link), std::move(where), nullptr);
}

// REQUIRES: the queue is empty.
Session::Step Session::trial(l2::LinkPtr link, Move where, l2::LoginPtr login) {
  const std::uint64_t id = push(OpKind::trial);
  OpExtra& extra = queue_.at(id).more();
  extra.spec = where.spec;
  extra.answer = std::move(where.answer);
  extra.identity = std::move(where.identity);
  extra.login = std::move(login);
  extra.name = std::move(where.name);
  extra.asks = !where.question.empty();
  extra.link = link;
  link->send(extra.asks ? where.question : "*1\r\n$4\r\nPING\r\n", *this, tag_of(id));
  stall_ = Stall::drain;
  return Step::next;
}

void Session::on_trial_reply(std::uint64_t id, std::string_view piece) {
  Op& op = queue_.at(id);
  OpExtra& extra = op.more();
  const bool first = !op.started;
  op.started = true;
  if (first && extra.asks && piece.starts_with('-')) {
    extra.identity = nullptr;  // the session stays where it is
  }
  if (extra.identity == nullptr) {
    deliver(op, piece);
  }
}

void Session::end_trial(std::uint64_t id) {
  Op& op = queue_.at(id);
  OpExtra& extra = op.more();
  if (extra.identity != nullptr) {
    l2::LinkPtr link = extra.link;
    if (extra.login) {
      extra.identity->on_login(extra.login, now());
      link = worker_.links().adopt(extra.spec, link);
      if (worker_.hub().on_login) {
        worker_.hub().on_login();
      }
    }
    user_ = extra.identity;
    set_spec(extra.spec);
    link_ = std::move(link);
    if (extra.name) {
      name_ = *extra.name;
    }
    const std::string bytes = std::move(extra.answer);
    deliver(op, bytes);
  }
  finish(op);
}

// There is no such link: Redis's own words for "DB index is out of range", a wrong password and the
// like, or that Redis is away.
void Session::on_trial_lost(std::uint64_t id, std::string_view why) {
  Op& op = queue_.at(id);
  if (op.started && op.more().identity == nullptr) {
    doom();  // half an error is out
  } else {
    std::string bytes;
    resp::append_error(bytes, away_text(why));
    deliver(op, bytes);
  }
  finish(op);
}

// REQUIRES: nothing is owed.
void Session::set_spec(const l2::LinkSpec& spec) {
  worker_.learn_spec(spec);
  spec_ = spec;
  traffic_ = Traffic::commands;
  link_.reset();
  links_.clear();
  coherence_.on_moved();
}

}  // namespace tiercache::proxy
