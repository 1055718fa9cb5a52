#include "handshake.hpp"

#include "server_info.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/resp/encoder.hpp"

#include <charconv>
#include <utility>

namespace tiercache::l2 {

namespace {

// The user may not run it, or it has been renamed: the link works all the same.
bool is_forbidden(std::string_view line) {
  return line.starts_with("-NOPERM") || line.starts_with("-ERR unknown command");
}

// ROLE's reply is an array; its first element names it.
bool is_master(std::string_view frame) {
  const std::size_t end = frame.find("\r\n");
  return end != std::string_view::npos && frame.substr(end + 2).starts_with("$6\r\nmaster\r\n");
}

}  // namespace

Handshake::Handshake(std::string_view user, std::string_view password, const LinkSpec& spec,
                     std::string& out, Use use, Upstream::Expect expect)
    : spec_(spec), anonymous_(!spec.login && (spec.user != LinkSpec::kProxy || password.empty())) {
  if (!password.empty() && !anonymous_) {
    steps_.push_back(Step::auth);
    if (user.empty()) {
      resp::append_request(out, {"AUTH", password});
    } else {
      resp::append_request(out, {"AUTH", user, password});
    }
  }
  if (spec.version == resp::Version::resp3) {
    add(Step::hello, out);
  }
  if (spec.db != 0) {
    add(Step::select, out);
  }
  if (expect == Upstream::Expect::master) {
    add(Step::role, out);
  }
  if (expect == Upstream::Expect::reader) {
    add(Step::readonly, out);
  }
  if (use == Use::own) {
    add(Step::id, out);
  }
  add(Step::info, out);
  if (spec.login) {
    add(Step::login, out);
  }
}

void Handshake::add(Step step, std::string& out) {
  steps_.push_back(step);
  switch (step) {
    case Step::auth:
      TC_CHECK(false);
    case Step::hello:
      resp::append_request(out, {"HELLO", "3"});
      break;
    case Step::select:
      resp::append_request(out, {"SELECT", std::to_string(spec_.db)});
      break;
    case Step::role:
      resp::append_request(out, {"ROLE"});
      break;
    case Step::readonly:
      resp::append_request(out, {"READONLY"});
      break;
    case Step::id:
      resp::append_request(out, {"CLIENT", "ID"});
      break;
    case Step::info:
      resp::append_request(out, {"INFO", "server"});
      break;
    case Step::login:
      if (spec_.login->named) {
        resp::append_request(out, {"AUTH", spec_.login->user, spec_.login->password});
      } else {
        resp::append_request(out, {"AUTH", spec_.login->password});
      }
      break;
  }
}

bool Handshake::may_fail(Step step, std::string_view line) const noexcept {
  if (step != Step::info && step != Step::id && step != Step::role) {
    return false;
  }
  return is_forbidden(line) || (anonymous_ && line.starts_with("-NOAUTH"));
}

Handshake::Outcome Handshake::on_reply(std::string_view frame) {
  TC_CHECK(next_ < steps_.size());
  const Step step = steps_[next_++];
  if (frame.starts_with('-')) {
    const std::string_view line = frame.substr(0, frame.find("\r\n"));
    const bool later = spec_.login && !logged_in_ && step != Step::auth && step != Step::login &&
                       line.starts_with("-NO");
    if (later) {
      again_.push_back(step);
    } else if (!may_fail(step, line)) {
      why_ = spec_.login && step == Step::auth ? "the proxy's user: " : "";
      why_.append(line);
      return Outcome::refused;
    }
  } else if (step == Step::role && !is_master(frame)) {
    not_master_ = true;
    why_ = "the server is not a master any more";
    return Outcome::refused;
  } else if (step == Step::info) {
    source_ = source_of(info_field(frame, "run_id"));
  } else if (step == Step::id && frame.starts_with(':')) {
    std::from_chars(frame.data() + 1, frame.data() + frame.size(), client_id_);
  } else if (step == Step::login) {
    logged_in_ = true;
  }
  if (next_ < steps_.size()) {
    return Outcome::more;
  }
  if (again_.empty()) {
    return Outcome::ready;
  }
  steps_.clear();
  next_ = 0;
  for (const Step missed : std::exchange(again_, {})) {
    add(missed, requests_);
  }
  return Outcome::again;
}

}  // namespace tiercache::l2
