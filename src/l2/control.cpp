#include "control.hpp"

#include <chrono>
#include <utility>

#include <boost/asio/post.hpp>

namespace tiercache::l2 {

namespace {

constexpr std::size_t kMaxReply = std::size_t{256} << 20;

std::string formatted(std::span<const std::string_view> args) {
  std::string request;
  append_command(request, args);
  return request;
}

}  // namespace

Control::Control(boost::asio::io_context& io, const config::Endpoint& endpoint, User& user)
    : io_(io),
      user_(&user),
      wire_(std::make_shared<Wire>(io, endpoint, static_cast<Wire::User&>(*this))) {
}

Control::~Control() {
  wire_->close();
}

void Control::close() {
  wire_->close();
  user_ = nullptr;
  // Later: whoever closes is in the middle of something.
  boost::asio::post(io_, [pending = std::move(pending_), held = std::move(held_)] {
    const Error lost{ErrorCode::unavailable, "the control connection to Redis was lost"};
    for (const Pending& one : pending) {
      if (one.answer) {
        one.answer(lost);
      }
    }
    for (const Held& one : held) {
      one.answer(lost);
    }
  });
  pending_.clear();
  held_.clear();
}

void Control::query(std::uint32_t db, std::span<const std::string_view> args, Answer answer) {
  if (selecting_) {
    held_.push_back({db, formatted(args), std::move(answer)});
    return;
  }
  send_in(db, formatted(args), std::move(answer));
}

void Control::log_in(const std::string& user, const std::string& password, Answer answer) {
  if (password.empty()) {
    return;
  }
  if (user.empty()) {
    query({"AUTH", password}, std::move(answer));
  } else {
    query({"AUTH", user, password}, std::move(answer));
  }
}

void Control::query_raw(std::initializer_list<std::string_view> args, RawAnswer answer) {
  send(formatted({args.begin(), args.size()}), {nullptr, std::move(answer), {}});
}

void Control::send_in(std::uint32_t db, std::string_view request, Answer answer) {
  if (db == db_) {
    send(request, {std::move(answer), nullptr, {}});
    return;
  }
  const std::string number = std::to_string(db);
  const std::string_view select[] = {"SELECT", number};
  if (accepted_.contains(db)) {
    db_ = db;
    send(formatted(select), {[](const Result<Reply>&) {}, nullptr, {}});
    send(request, {std::move(answer), nullptr, {}});
    return;
  }
  selecting_ = true;
  held_.push_front({db, std::string(request), std::move(answer)});
  send(formatted(select), {[this, db](Result<Reply> reply) {
                             if (!reply) {
                               return;  // lost, and the held ones are told by themselves
                             }
                             selecting_ = false;
                             if (reply->is_error()) {
                               const Held refused = std::move(held_.front());
                               held_.pop_front();
                               refused.answer(std::move(reply));
                             } else {
                               accepted_.insert(db);
                               db_ = db;
                             }
                             release_held();
                           },
                           nullptr,
                           {}});
}

void Control::release_held() {
  while (!selecting_ && !held_.empty()) {
    Held next = std::move(held_.front());
    held_.pop_front();
    send_in(next.db, next.request, std::move(next.answer));
  }
}

void Control::send(std::string_view request, Pending pending) {
  if (user_ == nullptr) {
    return;
  }
  pending.sent_at = std::chrono::steady_clock::now();
  pending_.push_back(std::move(pending));
  wire_->out().append(request);
  wire_->flush();
}

std::size_t Control::on_bytes(std::string_view bytes) {
  const std::size_t all = bytes.size();
  while (!bytes.empty() && user_ != nullptr) {
    const auto [status, consumed] = scanner_.scan(bytes);
    if (status == resp::ParseStatus::error || frame_.size() + consumed > kMaxReply) {
      User* user = user_;
      wire_->close();
      user->on_control_down("Redis broke the protocol on the control connection");
      return all;
    }
    frame_.append(bytes.substr(0, consumed));
    bytes.remove_prefix(consumed);
    if (status == resp::ParseStatus::complete) {
      on_frame();
      frame_.clear();
    }
  }
  return all;
}

void Control::on_frame() {
  if (pending_.empty()) {
    User* user = user_;
    wire_->close();
    user->on_control_down("Redis sent a reply that nobody asked for: " +
                          frame_.substr(0, frame_.find("\r\n")));
    return;
  }
  const Pending pending = std::move(pending_.front());
  pending_.pop_front();
  if (pending.raw) {
    pending.raw(frame_);
    return;
  }
  Result<Reply> reply = reader_.read(frame_);
  if (!reply) {
    // Its reader cannot go on, and nothing but a bug or a hostile server gets here.
    User* user = user_;
    wire_->close();
    user->on_control_down("a reply on the control connection: " + reply.error().detail);
    return;
  }
  pending.answer(std::move(reply));
}

void Control::on_down(const std::string& why) {
  user_->on_control_down(why);
}

}  // namespace tiercache::l2
