#include "switch_watch.hpp"

#include <array>
#include <utility>
#include <vector>

namespace tiercache::l2 {

namespace {

// Sentinels are few, and a poll a second asks them anyway.
constexpr Duration kRetry = std::chrono::seconds(2);
constexpr std::size_t kMaxFrame = std::size_t{64} << 10;

}  // namespace

SwitchWatch::SwitchWatch(boost::asio::io_context& io, const config::Endpoint& endpoint,
                         const Credentials& credentials, Duration limit, OnSwitch on_switch)
    : io_(io),
      endpoint_(endpoint),
      credentials_(credentials),
      limit_(limit),
      on_switch_(std::move(on_switch)),
      retry_(io) {
}

void SwitchWatch::start() {
  scanner_ = resp::ReplyScanner();
  frame_.clear();
  wire_ = std::make_shared<Wire>(io_, endpoint_, static_cast<Wire::User&>(*this));
  wire_->start(limit_);
}

void SwitchWatch::stop() {
  on_switch_ = nullptr;
  retry_.cancel();
  if (wire_) {
    wire_->close();
  }
}

void SwitchWatch::on_up() {
  std::vector<std::string_view> auth{"AUTH"};
  if (!credentials_.user.empty()) {
    auth.emplace_back(credentials_.user);
  }
  auth.emplace_back(credentials_.password);
  if (!credentials_.password.empty()) {
    append_command(wire_->out(), auth);
  }
  const std::array<std::string_view, 2> subscribe = {"SUBSCRIBE", "+switch-master"};
  append_command(wire_->out(), subscribe);
  wire_->flush();
}

std::size_t SwitchWatch::on_bytes(std::string_view bytes) {
  const std::size_t all = bytes.size();
  const auto keep = shared_from_this();
  while (!bytes.empty() && on_switch_) {
    const auto [status, consumed] = scanner_.scan(bytes);
    frame_.append(bytes.substr(0, consumed));
    bytes.remove_prefix(consumed);
    const bool whole = status == resp::ParseStatus::complete;
    if (status == resp::ParseStatus::error || frame_.size() > kMaxFrame || (whole && !on_frame())) {
      wire_->close();
      on_down("");
      break;
    }
    if (whole) {
      frame_.clear();
    }
  }
  return all;
}

// False: this sentinel does not let us listen.
bool SwitchWatch::on_frame() {
  ReplyReader reader;
  const Result<Reply> reply = reader.read(frame_);
  if (!reply || reply.value().is_error()) {
    return false;
  }
  const std::vector<Reply>& items = reply.value().items;
  if (items.size() == 3 && items[0].text == "subscribe") {
    wire_->ready();
  } else if (items.size() == 3 && items[0].text == "message") {
    const OnSwitch call = on_switch_;  // it may be told to stop within
    call(items[2].text);
  }
  return true;
}

void SwitchWatch::on_down(const std::string& /*why: its answers to questions tell*/) {
  if (!on_switch_) {
    return;
  }
  retry_.expires_after(kRetry);
  retry_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self && self->on_switch_) {
      self->start();
    }
  });
}

}  // namespace tiercache::l2
