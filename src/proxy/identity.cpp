// Session: who acts, and what they may do. A login is verified by Redis on a link of that user;
// from then on the session uses that user's links. What Redis allows, L1 may answer: at once to
// those who may do everything, else by stamps.
#include "inquiry.hpp"
#include "refusal.hpp"
#include "session.hpp"
#include "stamps.hpp"

#include "tiercache/proxy/writes.hpp"

#include <utility>
#include <vector>

namespace tiercache::proxy {

namespace {

constexpr std::string_view kDefaultUser = "default";

// A request that Redis allows to whom it allows `name`, and that does nothing: it is wrong in what
// stands behind the name.
std::vector<std::string_view> harmless_form(std::string_view name) {
  if (name.starts_with("cache")) {
    // Who may look at Redis's configuration may look at the proxy's, and change it.
    return {"CONFIG", "GET", "-"};
  }
  const std::string_view sub = name.substr(name.find('|') + 1);
  if (sub == "id" || sub == "getname" || sub == "info") {
    return {"CLIENT", sub};
  }
  if (sub == "setname") {
    return {"CLIENT", sub, ""};
  }
  if (sub == "setinfo") {
    return {"CLIENT", sub, "-", "-"};
  }
  if (sub == "unpause") {
    // It takes no argument that could be wrong. Who may pause may end it.
    return {"CLIENT", "PAUSE", "-"};
  }
  return {"CLIENT", sub, "-"};
}

// The words of a request with nothing in the place of what is long and no key, as values are:
// rights do not depend on it.
std::vector<std::string_view> without_values(command::Args args,
                                             const std::vector<command::KeyRef>& keys) {
  constexpr std::size_t kLong = 64;
  std::vector<std::string_view> words(args.begin(), args.end());
  for (std::string_view& word : words) {
    word = word.size() > kLong ? std::string_view() : word;
  }
  for (const command::KeyRef& key : keys) {
    words[key.index] = args[key.index];
  }
  return words;
}

}  // namespace

Session::Step Session::auth(const Request& request) {
  const Args args = request.args;
  if (args.size() > 3) {
    return answer_error("ERR syntax error");
  }
  l2::Login login;
  login.named = args.size() == 3;
  login.user = login.named ? args[1] : kDefaultUser;
  login.password = args.back();
  Move where;
  where.spec = spec_;
  where.answer = "+OK\r\n";
  return log_in(request, std::make_shared<const l2::Login>(std::move(login)), std::move(where));
}

// Where too many users share the pools already, the login lives on a connection of the session's
// own, past L1.
Session::Step Session::log_in(const Request& request, l2::LoginPtr login, Move where) {
  if (!queue_.empty()) {
    return stall(Stall::drain);
  }
  where.identity = worker_.hub().identities.claim(login->user, worker_.config().limits.users);
  if (!where.identity) {
    const Step step = pin();
    if (step == Step::next && pinned_) {
      pinned_send(request, classify(request.args));
    }
    return step;
  }
  where.spec.user = where.identity->id();
  l2::LinkSpec spec = where.spec;
  spec.login = login;
  l2::LinkPtr link = worker_.links().candidate(spec);
  if (!link) {
    return answer_away();
  }
  return trial(std::move(link), std::move(where), std::move(login));
}

// For a link that may have to be opened.
l2::LinkSpec Session::with_login(l2::LinkSpec spec) const {
  spec.login = user_->login();
  return spec;
}

bool Session::stamped(const Classified& what, std::string_view key) {
  Stamps& stamps = worker_.stamps();
  return stamps.live(stamps.subject(user_->id(), what.position, spec_.db, key), time_);
}

void Session::want_stamp(Op& op, std::uint16_t command, std::string_view key) {
  OpExtra& extra = op.more();
  extra.asked = time_;
  extra.stamps.push_back(worker_.stamps().subject(user_->id(), command, spec_.db, key));
}

// REQUIRES: keys_ are those of the request.
void Session::want_stamps(Op& op, const Classified& what, Args args) {
  constexpr std::size_t kMost = 1024;  // L1 answers no read of more keys
  if (keys_.size() > kMost) {
    return;
  }
  for (const command::KeyRef& key : keys_) {
    want_stamp(op, what.position, args[key.index]);
  }
}

// Redis has answered: so it allows it, unless it says that it does not. An error of another kind is
// no permission either.
void Session::stamp(Op& op, std::string_view head) {
  const std::vector<Stamps::Subject> stamps = std::exchange(op.extra->stamps, {});
  if (head.starts_with('-')) {
    return;
  }
  const Time until = op.extra->asked + worker_.config().coherence.acl_ttl;
  for (const Stamps::Subject& subject : stamps) {
    worker_.stamps().add(subject, until);
  }
}

// Whether Redis allows the user a command that the proxy answers, or a write that a source is to
// have before Redis. `asked`: the session has to wait until Redis has said so. REQUIRES: of a
// write, keys_ are those of the request in hand.
Session::Permission Session::permission(const Classified& what) {
  if (std::exchange(permission_asked_, false)) {
    return refusal_.empty() ? Permission::yes : Permission::no;
  }
  if (!asks_permission()) {
    return Permission::yes;
  }
  const bool own_login = pinned_ && !flow_->logged_in_as().empty();
  const bool write = what.kind == command::Kind::write;
  std::string unsaid;
  if (write) {
    const std::string_view key = request_->args[keys_[0].index];
    unsaid =
        "NOPERM tiercache: " + source_writes(worker_.hub())->keys_of(worker_.spaces().find(key)) +
        ", are for users who may do everything, or of whom Redis says that they may write "
        "(ACL DRYRUN)";
    // Who has not logged in is no user to ask about: Redis may want a password first.
    if (user_->anonymous() && !own_login) {
      refusal_ = unsaid;
      return Permission::no;
    }
  }
  // Who has logged in on the session's own connection has no other to ask on, and a write has no
  // harmless form; Redis may be asked about them.
  const bool about = own_login || write;
  l2::Links& links = write ? lane_->links : worker_.links();
  const l2::LinkPtr link = links.shared(about ? l2::LinkSpec{} : with_login(spec_));
  if (!link) {
    refusal_ = away_text(links.why_not());
    return Permission::no;
  }
  const std::string_view name = what.command->name;
  std::vector<std::string_view> words =
      write ? without_values(request_->args, keys_) : harmless_form(name);
  if (about) {
    words.insert(words.begin(), {"ACL", "DRYRUN", user_name()});
  }
  std::string request;
  resp::append_request(request, words);
  // The session may be gone when the answer comes, or have come further.
  Inquiry::send(*link, request,
                [home = &worker_, me = id_, place = queue_.next_id(), about,
                 name = std::string(name), unsaid = std::move(unsaid)](std::string_view reply) {
                  Session* session = home->find(me);
                  if (session != nullptr && session->queue_.next_id() == place) {
                    session->on_permission(about ? dry_run_refusal(reply, name, unsaid)
                                                 : trial_refusal(reply, name));
                  }
                });
  return Permission::asked;
}

void Session::on_permission(std::string_view refusal) {
  if (stall_ != Stall::asked) {
    return;
  }
  refusal_ = refusal;
  permission_asked_ = true;
  stall_ = Stall::none;
  worker_.touch(*this);
}

// Why a link was lost or cannot be had: Redis does not accept the login any more. The user has been
// deleted, or the password changed and the connection that had it is gone; a client of Redis would
// have lost its connection too.
bool Session::login_lost(std::string_view why) const noexcept {
  return !user_->anonymous() && why.starts_with("-WRONGPASS");
}

std::string_view Session::user_name() const {
  if (pinned_ && !flow_->logged_in_as().empty()) {
    return flow_->logged_in_as();
  }
  const std::string& proxy = worker_.config().upstream.user;
  return user_->trusted() && !proxy.empty() ? std::string_view(proxy) : user_->name();
}

// Once a second: a client that says nothing loses its connection too when its user is deleted. Its
// link is gone then, and no other is to be had.
void Session::check_login() {
  if (gone_ || pinned_ || user_->anonymous() || !link_ || !coherence_.may_move() ||
      link_->state() != l2::Link::State::dead) {
    return;
  }
  if (login_lost(link_->why())) {
    close();
    return;
  }
  if (l2::LinkPtr link = shared_link()) {
    link_ = std::move(link);
    coherence_.on_moved();
  }
}

}  // namespace tiercache::proxy
