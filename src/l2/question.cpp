#include "question.hpp"

#include <string_view>
#include <utility>

#include <boost/asio/post.hpp>

namespace tiercache::l2 {

std::shared_ptr<Question> Question::ask(boost::asio::io_context& io,
                                        const config::Endpoint& endpoint,
                                        const Credentials& credentials, Commands commands,
                                        Duration limit, Done done) {
  auto question =
      std::make_shared<Question>(io, endpoint, credentials, std::move(commands), std::move(done));
  question->control_ =
      std::make_shared<Control>(io, endpoint, static_cast<Control::User&>(*question));
  question->control_->start(limit);
  return question;
}

Question::Question(boost::asio::io_context& io, const config::Endpoint& endpoint,
                   const Credentials& credentials, Commands commands, Done done)
    : io_(io),
      endpoint_(endpoint),
      credentials_(credentials),
      commands_(std::move(commands)),
      done_(std::move(done)) {
}

void Question::on_control_up() {
  const auto weak = weak_from_this();
  control_->log_in(credentials_.user, credentials_.password, [weak](const Result<Reply>& reply) {
    const auto self = weak.lock();
    if (self && reply && reply.value().is_error()) {
      self->finish(Error{ErrorCode::refused, "-" + reply.value().text});
    }
  });
  for (const std::vector<std::string>& command : commands_) {
    const std::vector<std::string_view> args(command.begin(), command.end());
    control_->query(0, args, [weak](Result<Reply> reply) {
      if (const auto self = weak.lock()) {
        self->on_reply(std::move(reply));
      }
    });
  }
}

void Question::on_reply(Result<Reply> reply) {
  if (!reply) {
    return;  // on_control_down says why
  }
  replies_.push_back(std::move(reply).value());
  if (replies_.size() == commands_.size()) {
    finish(std::move(replies_));
  }
}

void Question::on_control_down(const std::string& why) {
  finish(Error{ErrorCode::unavailable, why});
}

void Question::finish(Result<std::vector<Reply>> result) {
  if (!done_) {
    return;
  }
  const Done done = std::exchange(done_, nullptr);
  const auto self = shared_from_this();
  cancel();
  done(std::move(result));
}

void Question::cancel() {
  done_ = nullptr;
  if (control_) {
    control_->close();
    // It may be the caller.
    boost::asio::post(io_, [control = std::move(control_)] {});
    control_.reset();
  }
}

}  // namespace tiercache::l2
