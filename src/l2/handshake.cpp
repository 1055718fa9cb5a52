#include "handshake.hpp"

#include "server_info.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/resp/encoder.hpp"

#include <charconv>

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
                     std::string& out, Use use, Upstream::Expect expect) {
  if (!password.empty()) {
    steps_.push_back(Step::auth);
    if (user.empty()) {
      resp::append_request(out, {"AUTH", password});
    } else {
      resp::append_request(out, {"AUTH", user, password});
    }
  }
  if (spec.version == resp::Version::resp3) {
    steps_.push_back(Step::hello);
    resp::append_request(out, {"HELLO", "3"});
  }
  if (spec.db != 0) {
    steps_.push_back(Step::select);
    resp::append_request(out, {"SELECT", std::to_string(spec.db)});
  }
  if (expect == Upstream::Expect::master) {
    steps_.push_back(Step::role);
    resp::append_request(out, {"ROLE"});
  }
  if (use == Use::own) {
    steps_.push_back(Step::id);
    resp::append_request(out, {"CLIENT", "ID"});
  }
  steps_.push_back(Step::info);
  resp::append_request(out, {"INFO", "server"});
}

Handshake::Outcome Handshake::on_reply(std::string_view frame) {
  TC_CHECK(next_ < steps_.size());
  const Step step = steps_[next_++];
  if (frame.starts_with('-')) {
    const std::string_view line = frame.substr(0, frame.find("\r\n"));
    const bool needed = step != Step::info && step != Step::id && step != Step::role;
    if (needed || !is_forbidden(line)) {
      why_ = line;
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
  }
  return next_ == steps_.size() ? Outcome::ready : Outcome::more;
}

}  // namespace tiercache::l2
