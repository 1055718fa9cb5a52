// The hot keys of another tiercache.
#include "key_stream.hpp"

#include <optional>
#include <utility>

#include <boost/asio/post.hpp>

namespace tiercache::warmup {

namespace {

class PeerStream final : public KeyStream {
 public:
  PeerStream(boost::asio::io_context& control, l2::Asked asked)
      : control_(control), asked_(std::move(asked)) {
  }

  void next(std::size_t about, Answer answer) override {
    if (keys_) {
      boost::asio::post(
          control_, [answer = std::move(answer), batch = keys_->next(about)] { answer(batch); });
      return;
    }
    asking_ =
        l2::ask(control_, asked_,
                [this, about, answer = std::move(answer)](Result<std::vector<l2::Reply>> replies) {
                  answer(taken(std::move(replies), about));
                });
  }

 private:
  Result<KeyBatch> taken(Result<std::vector<l2::Reply>> replies, std::size_t about) {
    const std::string where = "the peer " + config::to_string(asked_.server) + ": ";
    if (!replies) {
      return Error{replies.error().code, where + replies.error().detail};
    }
    std::vector<std::string> keys;
    for (l2::Reply& reply : *replies) {
      if (reply.is_error()) {
        return Error{ErrorCode::refused, where + reply.text};
      }
      for (l2::Reply& item : reply.items) {
        keys.push_back(std::move(item.text));
      }
    }
    keys_.emplace(std::move(keys));
    return keys_->next(about);
  }

  boost::asio::io_context& control_;
  const l2::Asked asked_;
  std::optional<ListedKeys> keys_;
  std::unique_ptr<l2::Asking> asking_;
};

}  // namespace

std::unique_ptr<KeyStream> make_peer(boost::asio::io_context& control, l2::Asked asked) {
  return std::make_unique<PeerStream>(control, std::move(asked));
}

}  // namespace tiercache::warmup
