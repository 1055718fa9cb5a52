#include "event_stream.hpp"

#include "server_info.hpp"

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
                         std::string_view user_name, std::string_view password,
                         std::string unused_prefix, User& user)
    : user_name_(user_name),
      password_(password),
      unused_prefix_(std::move(unused_prefix)),
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
  if (password_.empty()) {
    step_ = Step::info;
  } else if (user_name_.empty()) {
    resp::append_request(out, {"AUTH", password_});
  } else {
    resp::append_request(out, {"AUTH", user_name_, password_});
  }
  resp::append_request(out, {"INFO", "server"});
  resp::append_request(out, {"CLIENT", "ID"});
  wire_->flush();
}

// Invalidations are redirected to this very connection: RESP2 has no other way to get them here.
void EventStream::subscribe(std::string_view client_id) {
  std::string& out = wire_->out();
  resp::append_request(
      out, {"CLIENT", "TRACKING", "ON", "REDIRECT", client_id, "BCAST", "PREFIX", unused_prefix_});
  resp::append_request(out, {"SUBSCRIBE", kInvalidations});
  resp::append_request(out, {"PSUBSCRIBE", "__keyspace@*__:*"});
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
  while (user_ != nullptr && used < bytes.size()) {
    const EventScan scan = scan_event(bytes.substr(used), frame);
    if (scan.status == resp::ParseStatus::incomplete) {
      break;
    }
    if (scan.status == resp::ParseStatus::error) {
      fail("Redis broke the protocol on the event connection");
      break;
    }
    used += scan.consumed;
    on_frame(frame);
  }
  return used;
}

void EventStream::on_frame(const EventFrame& frame) {
  if (frame.kind == Kind::error) {
    std::string line("-");
    fail(line.append(frame.text));
  } else if (step_ == Step::subscribed || is_message(frame)) {
    on_message(frame);
  } else {
    greet(frame);
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
      return;
    case Step::events:
      if (!is_confirmation(frame, "psubscribe")) {
        break;
      }
      step_ = Step::subscribed;
      wire_->ready();
      user_->on_subscribed(run_id_);
      return;
    case Step::subscribed:
      return;
  }
  fail("Redis answers the subscription in a way that was not expected");
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
    // No key has the prefix, so even one that is named tells us only that something is odd.
    user_->on_flushed();
  } else {
    fail("the event connection was unsubscribed, or Redis sent something else unexpected");
  }
}

void EventStream::fail(const std::string& why) {
  wire_->close();
  if (User* user = std::exchange(user_, nullptr)) {
    user->on_stream_down(why);
  }
}

void EventStream::on_down(const std::string& why) {
  fail(why);
}

}  // namespace tiercache::l2
