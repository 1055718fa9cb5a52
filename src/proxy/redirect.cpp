// Session: CLIENT TRACKING ... REDIRECT. The client names another client of the proxy; Redis must
// hear the id of that one's own connection. So the other gets one, and keeps it for good; and what
// Redis says about redirection is told in the proxy's ids again.
#include "client_words.hpp"
#include "session.hpp"

#include "tiercache/base/words.hpp"
#include "tiercache/proxy/gather.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

namespace tiercache::proxy {

namespace {

// Replaces the integer that stands at `at` if it is `from`.
void replace_integer(std::string& text, std::size_t at, std::uint64_t from, std::uint64_t to) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
  if (error == std::errc() && value == from) {
    text.replace(at, static_cast<std::size_t>(end - text.data()) - at, std::to_string(to));
  }
}

}  // namespace

// False: the other client has been asked, and the session has to wait.
bool Session::resolve_redirect(Args args) {
  const auto ask = find_redirect(args);
  if (std::exchange(redirect_.asked, false)) {
    return true;
  }
  redirect_.send_to(0);
  if (!ask) {
    return true;
  }
  redirect_.send_to(ask->id);
  // Sessions are not shared between threads: the answer comes by number.
  const auto answer = [home = &worker_, me = id_](std::uint64_t upstream) {
    home->post([home, me, upstream] {
      if (Session* session = home->find(me)) {
        session->on_redirect(upstream);
      }
    });
  };
  const auto find = [client = ask->id, answer](Worker& worker) {
    std::uint8_t found = 0;
    worker.each_session([&](Session& session) {
      if (session.client_id() == client && session.has_client()) {
        found = 1;
        session.be_redirect_target(answer);
      }
    });
    return found;
  };
  gather<std::uint8_t>(worker_.hub(), find, [answer](const std::vector<std::uint8_t>& found) {
    if (std::ranges::count(found, 1) == 0) {
      answer(0);
    }
  });
  return false;
}

void Session::on_redirect(std::uint64_t upstream) {
  if (stall_ != Stall::asked) {
    return;
  }
  redirect_.upstream = upstream;
  redirect_.asked = true;
  stall_ = Stall::none;
  worker_.touch(*this);
}

// The request in Redis's words: an id that Redis does not have where the proxy has no such client.
std::string_view Session::with_redirect(const Request& request) {
  const auto ask = find_redirect(request.args);
  if (!ask) {
    return relay_bytes(request);
  }
  const std::string id = std::to_string(redirect_.upstream);
  std::vector<std::string_view> words(request.args.begin(), request.args.end());
  words[ask->index] = id;
  scratch_.clear();
  resp::append_request(scratch_, words);
  return scratch_;
}

void Session::be_redirect_target(OnUpstreamId answer) {
  redirect_.want_id.push_back(std::move(answer));
  redirect_.target = true;
  worker_.touch(*this);
}

// The connection that a redirect target needs, and its id when it stands.
void Session::serve_redirect() {
  if (gone_ || closing_) {
    tell_upstream_id(0);
    return;
  }
  if (!pinned_ && (stall_ != Stall::none || !queue_.empty())) {
    if (stall_ == Stall::none) {
      stall_ = Stall::drain;
    }
    return;  // when what it has sent before is answered
  }
  if (!pinned_ && !take_own_link()) {
    redirect_.target = false;
    tell_upstream_id(0);
    return;
  }
  if (redirect_.want_id.empty() || !own_) {
    return;
  }
  if (own_->state() == l2::Link::State::ready) {
    tell_upstream_id(own_->upstream_id());
  } else if (queue_.empty() && !flow_->in_multi() && !redirect_.id_asked) {
    // Answered when the connection stands. (Any answer will do; without one, the next tick.)
    redirect_.id_asked = true;
    pinned_internal("echo", {"ECHO", "tiercache"});
  }
}

void Session::tell_upstream_id(std::uint64_t upstream) {
  redirect_.id_asked = false;
  for (const OnUpstreamId& answer : std::exchange(redirect_.want_id, {})) {
    answer(upstream);
  }
}

bool Session::shows_ids(const Classified& what) const noexcept {
  if (!what.fits) {
    return false;
  }
  const std::string_view name = what.command->name;
  return name == "hello" ||
         (redirect_.upstream != 0 && (name == "client|getredir" || name == "client|trackinginfo"));
}

// A reply of HELLO, CLIENT GETREDIR or CLIENT TRACKINGINFO, with the proxy's ids.
std::string Session::in_our_ids(std::string reply) const {
  constexpr std::string_view kOwn = "$2\r\nid\r\n:";
  constexpr std::string_view kRedirect = "redirect\r\n:";
  const std::size_t own = reply.find(kOwn);
  const std::size_t redirect = reply.find(kRedirect);
  if (own != reply.npos) {
    const std::size_t at = own + kOwn.size();
    const std::size_t end = reply.find('\r', at);
    reply.replace(at, end == reply.npos ? end : end - at, std::to_string(client_id_));
  } else if (reply.starts_with(':')) {
    replace_integer(reply, 1, redirect_.upstream, redirect_.client);
  } else if (redirect != reply.npos) {
    replace_integer(reply, redirect + kRedirect.size(), redirect_.upstream, redirect_.client);
  }
  return reply;
}

// The push that tells of a lost target.
void Session::show_redirect_broken(std::string& frame) const {
  constexpr std::string_view kBroken = "tracking-redir-broken\r\n:";
  const std::size_t at = frame.find(kBroken);
  if (redirect_.upstream != 0 && at != frame.npos) {
    replace_integer(frame, at + kBroken.size(), redirect_.upstream, redirect_.client);
  }
}

}  // namespace tiercache::proxy
