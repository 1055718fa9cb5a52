#include "event_stream.hpp"

#include "server_info.hpp"
#include "transport.hpp"

#include "tiercache/resp/encoder.hpp"

#include <charconv>
#include <utility>

namespace tiercache::l2 {

using Kind = EventFrame::Kind;

namespace {

constexpr std::string_view kInvalidations = "__redis__:invalidate";

bool is_message(const EventFrame& frame) {
  return frame.kind == Kind::array && frame.count > 2 &&
         (frame.parts[0].text == "pmessage" || frame.parts[0].text == "message");
}

bool is_confirmation(const EventFrame& frame, std::string_view kind) {
  return frame.kind == Kind::array && frame.count == 3 && frame.parts[0].text == kind;
}

}  // namespace

EventStream::EventStream(boost::asio::io_context& io, const config::Endpoint& endpoint,
                         StreamSpec spec, User& user)
    : spec_(std::move(spec)),
      user_(&user),
      wire_(std::make_shared<Wire>(io, endpoint, static_cast<Wire::User&>(*this))) {
}

EventStream::~EventStream() {
  wire_->close();
}

void EventStream::close() {
  wire_->close();
  user_ = nullptr;
}

void EventStream::on_up() {
  std::string& out = wire_->out();
  if (spec_.password.empty()) {
    step_ = Step::info;
  } else if (spec_.user.empty()) {
    resp::append_request(out, {"AUTH", spec_.password});
  } else {
    resp::append_request(out, {"AUTH", spec_.user, spec_.password});
  }
  resp::append_request(out, {"INFO", "server"});
  resp::append_request(out, {"CLIENT", "ID"});
  wire_->flush();
}

// Invalidations are redirected to this very connection: RESP2 has no other way to get them here.
void EventStream::subscribe(std::string_view client_id) {
  std::string& out = wire_->out();
  std::vector<std::string_view> tracking = {"CLIENT",   "TRACKING", "ON",
                                            "REDIRECT", client_id,  "BCAST"};
  for (const std::string& prefix : spec_.prefixes) {
    tracking.insert(tracking.end(), {"PREFIX", prefix});
  }
  resp::append_array_header(out, tracking.size());
  for (const std::string_view word : tracking) {
    resp::append_bulk(out, word);
  }
  resp::append_request(out, {"SUBSCRIBE", kInvalidations});
  if (spec_.transport == Transport::keyspace) {
    resp::append_request(out, {"PSUBSCRIBE", "__keyspace@*__:*"});
  }
  wire_->flush();
}

void EventStream::ping(std::uint64_t payload) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, payload);
  static_cast<void>(error);
  resp::append_request(wire_->out(),
                       {"PING", std::string_view(digits, static_cast<std::size_t>(end - digits))});
}

std::size_t EventStream::on_bytes(std::string_view bytes) {
  std::size_t used = 0;
  EventFrame frame;
  std::string_view key;
  while (user_ != nullptr && used < bytes.size()) {
    const std::string_view rest = bytes.substr(used);
    const EventScan scan = keys_left_ > 0 ? scan_key(rest, key) : scan_event(rest, frame);
    if (scan.status == resp::ParseStatus::incomplete) {
      break;
    }
    if (scan.status == resp::ParseStatus::error) {
      fail("Redis broke the protocol on the event connection");
      break;
    }
    used += scan.consumed;
    if (keys_left_ == 0) {
      on_frame(frame);
      continue;
    }
    keys_left_--;
    if (spec_.transport == Transport::tracking) {
      user_->on_invalidated(key);
    }
  }
  return used;
}

void EventStream::on_frame(const EventFrame& frame) {
  if (frame.kind == Kind::error) {
    on_error(frame.text);
  } else if (step_ == Step::subscribed || is_message(frame)) {
    on_message(frame);
  } else {
    greet(frame);
  }
}

void EventStream::on_error(std::string_view text) {
  const std::string line = std::string("-").append(text);
  if (!refused_for_good(text)) {
    fail(line);
    return;
  }
  switch (step_) {
    case Step::auth:
    case Step::info:
      fail(line);
      return;
    case Step::id:
      fail("CLIENT ID: " + line, Fault::refused);
      return;
    case Step::tracking:
      fail("CLIENT TRACKING: " + line, Fault::refused);
      return;
    case Step::invalidations:
    case Step::events:
      fail("subscribing: " + line, Fault::refused);
      return;
    case Step::subscribed:
      fail("PING: " + line, Fault::refused);
      return;
  }
}

void EventStream::greet(const EventFrame& frame) {
  switch (step_) {
    case Step::auth:
      step_ = Step::info;
      return;
    case Step::info:
      run_id_ = info_field(frame.text, "run_id");
      step_ = Step::id;
      return;
    case Step::id:
      if (frame.kind != Kind::integer) {
        break;
      }
      step_ = Step::tracking;
      subscribe(frame.text);
      return;
    case Step::tracking:
      if (frame.kind != Kind::status) {
        break;
      }
      step_ = Step::invalidations;
      return;
    case Step::invalidations:
      if (!is_confirmation(frame, "subscribe")) {
        break;
      }
      step_ = Step::events;
      if (spec_.transport == Transport::tracking) {
        subscribed();
      }
      return;
    case Step::events:
      if (!is_confirmation(frame, "psubscribe")) {
        break;
      }
      subscribed();
      return;
    case Step::subscribed:
      return;
  }
  fail("Redis answers the subscription in a way that was not expected");
}

void EventStream::subscribed() {
  step_ = Step::subscribed;
  wire_->ready();
  user_->on_subscribed(run_id_);
}

void EventStream::on_message(const EventFrame& frame) {
  const auto& parts = frame.parts;
  const std::string_view kind = frame.count > 0 ? parts[0].text : std::string_view{};
  if (frame.count == 4 && kind == "pmessage") {
    std::uint32_t db = 0;
    std::string_view key;
    // Anyone may PUBLISH to a channel that looks like ours and is not.
    if (parse_keyspace_channel(parts[2].text, db, key)) {
      user_->on_key_event(db, key, parts[3].text);
    }
  } else if (frame.count == 2 && kind == "pong") {
    std::uint64_t payload = 0;
    const std::string_view text = parts[1].text;
    std::from_chars(text.data(), text.data() + text.size(), payload);
    user_->on_pong(payload);
  } else if (frame.count == 3 && kind == "message" && parts[1].text == kInvalidations) {
    on_invalidation(frame);
  } else {
    fail("the event connection was unsubscribed, or Redis sent something else unexpected");
  }
}

void EventStream::on_invalidation(const EventFrame& frame) {
  keys_left_ = frame.keys;
  // Keys are named without tracking any: no key has the prefix, so something is odd. Neither is
  // text what Redis sends; anyone may PUBLISH it.
  if (frame.parts[2].kind != Kind::array || spec_.transport != Transport::tracking) {
    user_->on_flushed();
  }
}

void EventStream::fail(const std::string& why, Fault fault) {
  wire_->close();
  if (User* user = std::exchange(user_, nullptr)) {
    user->on_stream_down(why, fault);
  }
}

void EventStream::on_down(const std::string& why) {
  fail(why);
}

}  // namespace tiercache::l2
