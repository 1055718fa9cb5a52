#include "handshake.hpp"

#include "server_info.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/resp/encoder.hpp"

namespace tiercache::l2 {

namespace {

// The user may not run INFO, or it has been renamed: the link works all the same.
bool info_is_forbidden(std::string_view line) {
  return line.starts_with("-NOPERM") || line.starts_with("-ERR unknown command");
}

}  // namespace

Handshake::Handshake(std::string_view user, std::string_view password, const LinkSpec& spec,
                     std::string& out) {
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
  steps_.push_back(Step::info);
  resp::append_request(out, {"INFO", "server"});
}

Handshake::Outcome Handshake::on_reply(std::string_view frame) {
  TC_CHECK(next_ < steps_.size());
  const Step step = steps_[next_++];
  if (frame.starts_with('-')) {
    const std::string_view line = frame.substr(0, frame.find("\r\n"));
    if (step != Step::info || !info_is_forbidden(line)) {
      why_ = line;
      return Outcome::refused;
    }
  } else if (step == Step::info) {
    source_ = source_of(info_field(frame, "run_id"));
  }
  return next_ == steps_.size() ? Outcome::ready : Outcome::more;
}

}  // namespace tiercache::l2
