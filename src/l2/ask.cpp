#include "tiercache/l2/ask.hpp"

#include "question.hpp"

#include <utility>

namespace tiercache::l2 {

namespace {

class OneQuestion final : public Asking {
 public:
  explicit OneQuestion(std::shared_ptr<Question> question) : question_(std::move(question)) {
  }
  ~OneQuestion() override {
    question_->cancel();
  }

 private:
  const std::shared_ptr<Question> question_;
};

}  // namespace

std::unique_ptr<Asking> ask(boost::asio::io_context& io, Asked asked,
                            std::function<void(Result<std::vector<Reply>>)> done) {
  return std::make_unique<OneQuestion>(Question::ask(io, asked.server, {asked.user, asked.password},
                                                     std::move(asked.commands), asked.limit,
                                                     std::move(done)));
}

}  // namespace tiercache::l2
