// The control connection: commands of the control plane, pipelined, their replies understood.
// RESP2. Each query is in a db of its own choice; SELECT is sent when it changes, and a db is only
// selected blindly once Redis has accepted it, so no command ever runs in another db than its own.
//
// Owned by the event link through a shared_ptr; one thread.
#pragma once

#include "hiredis_adapter.hpp"
#include "wire.hpp"

#include "tiercache/base/result.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/l2/reply.hpp"
#include "tiercache/resp/reply_scanner.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace tiercache::l2 {

class Control final : private Wire::User {
 public:
  class User {
   public:
    virtual void on_control_up() = 0;
    virtual void on_control_down(const std::string& why) = 0;

   protected:
    ~User() = default;
  };
  using Answer = std::function<void(Result<Reply>)>;
  using RawAnswer = std::function<void(std::string_view frame)>;

  Control(boost::asio::io_context& io, const config::Endpoint& endpoint, User& user);
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  ~Control();

  void start(Duration limit) {
    wire_->start(limit);
  }
  void ready() {
    wire_->ready();
  }
  // Answers what is pending with an error, later. The user hears nothing more.
  void close();

  void query(std::uint32_t db, std::span<const std::string_view> args, Answer answer);
  void query(std::initializer_list<std::string_view> args, Answer answer) {
    query(db_, {args.begin(), args.size()}, std::move(answer));
  }
  // First of all; without a password nothing, since there is none to say.
  void log_in(const std::string& user, const std::string& password, Answer answer);
  // The reply as it came; not called if the connection is lost.
  void query_raw(std::initializer_list<std::string_view> args, RawAnswer answer);

  // Since when the oldest query waits; kNever if none does.
  Time waiting_since() const noexcept {
    return pending_.empty() ? kNever : pending_.front().sent_at;
  }

 private:
  struct Pending {
    Answer answer;
    RawAnswer raw;
    Time sent_at{};
  };
  struct Held {
    std::uint32_t db;
    std::string request;
    Answer answer;
  };

  void on_up() override {
    user_->on_control_up();
  }
  std::size_t on_bytes(std::string_view bytes) override;
  void on_down(const std::string& why) override;
  void on_frame();
  void send(std::string_view request, Pending pending);
  void send_in(std::uint32_t db, std::string_view request, Answer answer);
  void release_held();

  boost::asio::io_context& io_;
  User* user_;
  const std::shared_ptr<Wire> wire_;
  resp::ReplyScanner scanner_;
  ReplyReader reader_;
  std::string frame_;
  std::deque<Pending> pending_;
  std::uint32_t db_ = 0;  // selected by what has been sent
  std::set<std::uint32_t> accepted_{0};
  bool selecting_ = false;  // a db for the first time: what comes now waits for the answer
  std::deque<Held> held_;
};

}  // namespace tiercache::l2
