#include "key_stream.hpp"

#include "tiercache/l2/scan.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <boost/asio/post.hpp>

namespace tiercache::warmup {

namespace {

class ScanStream final : public KeyStream {
 public:
  ScanStream(boost::asio::io_context& control, std::shared_ptr<Reach> reach, std::uint32_t db,
             std::string pattern)
      : control_(control), reach_(std::move(reach)), db_(db), pattern_(std::move(pattern)) {
  }

  void next(std::size_t about, Answer answer) override {
    const std::optional<std::size_t> node = first_of_rest();
    if (!node) {  // those that were left have gone since the last step
      boost::asio::post(control_, [answer = std::move(answer)] { answer(KeyBatch{{}, true}); });
      return;
    }
    ask_sizes();
    const std::string count = std::to_string(about);
    reach_->events(*node).query(
        db_, {"SCAN", *cursor_, "MATCH", pattern_, "COUNT", count, "TYPE", "string"},
        [weak = std::weak_ptr(cursor_), node = *node, about, this,
         answer = std::move(answer)](Result<l2::Reply> reply) {
          if (!weak.expired()) {
            answer(taken(std::move(reply), node, about));
          }
        });
  }

 private:
  // The node whose turn it is, if it is still there: what it had is then on others.
  std::optional<std::size_t> first_of_rest() {
    for (const std::size_t node : reach_->nodes()) {
      if (node < node_) {
        continue;
      }
      if (node > node_) {
        node_ = node;
        *cursor_ = "0";
      }
      return node;
    }
    return std::nullopt;
  }

  // Once of each node. Where one does not tell it is not known how much there is.
  void ask_sizes() {
    for (const std::size_t node : reach_->nodes()) {
      if (!sizes_.try_emplace(node).second) {
        continue;
      }
      reach_->events(node).query(
          db_, {"DBSIZE"},
          [weak = std::weak_ptr(cursor_), node, this](const Result<l2::Reply>& reply) {
            if (!weak.expired() && reply && reply.value().kind == l2::Reply::Kind::integer) {
              sizes_[node] =
                  static_cast<std::uint64_t>(std::max<std::int64_t>(reply.value().integer, 0));
            }
          });
    }
  }
  std::uint64_t size() const {
    std::uint64_t size = 0;
    for (const auto& [node, its] : sizes_) {
      if (!its) {
        return 0;
      }
      size += *its;
    }
    return size;
  }

  Result<KeyBatch> taken(Result<l2::Reply> reply, std::size_t node, std::size_t about) {
    auto found = l2::read_scan(std::move(reply));
    if (!found) {
      return found.error();
    }
    *cursor_ = std::move(found->cursor);
    if (*cursor_ == "0") {
      node_ = node + 1;
    }
    // SCAN goes on until it has seen that many, whether they fit the pattern or not.
    const std::uint64_t looked = std::max(about, found->keys.size());
    const bool last = *cursor_ == "0" && !first_of_rest();
    return KeyBatch{std::move(found->keys), last, looked, size()};
  }

  boost::asio::io_context& control_;
  const std::shared_ptr<Reach> reach_;
  const std::uint32_t db_;
  const std::string pattern_;
  std::size_t node_ = 0;                                       // whose turn it is
  std::map<std::size_t, std::optional<std::uint64_t>> sizes_;  // nothing: not known
  // Goes with us: answers that come later find nobody.
  const std::shared_ptr<std::string> cursor_ = std::make_shared<std::string>("0");
};

class AsideStream final : public KeyStream {
 public:
  AsideStream(boost::asio::thread_pool& pool, boost::asio::io_context& control,
              std::unique_ptr<Keys> keys, std::shared_ptr<std::atomic<bool>> stop)
      : pool_(pool), control_(control), keys_(std::move(keys)), stop_(std::move(stop)) {
  }
  ~AsideStream() override {
    stop_->store(true, std::memory_order_relaxed);
  }

  void next(std::size_t about, Answer answer) override {
    boost::asio::post(pool_, [keys = keys_, stop = stop_, &control = control_, about,
                              answer = std::move(answer)]() mutable {
      if (stop->load(std::memory_order_relaxed)) {
        return;  // nobody waits
      }
      boost::asio::post(control,
                        [answer = std::move(answer), batch = keys->next(about)] { answer(batch); });
    });
  }

 private:
  boost::asio::thread_pool& pool_;
  boost::asio::io_context& control_;
  const std::shared_ptr<Keys> keys_;
  const std::shared_ptr<std::atomic<bool>> stop_;
};

}  // namespace

std::unique_ptr<KeyStream> make_scan(boost::asio::io_context& control, std::shared_ptr<Reach> reach,
                                     std::uint32_t db, std::string pattern) {
  return std::make_unique<ScanStream>(control, std::move(reach), db, std::move(pattern));
}

std::unique_ptr<KeyStream> make_aside(boost::asio::thread_pool& pool,
                                      boost::asio::io_context& control, std::unique_ptr<Keys> keys,
                                      std::shared_ptr<std::atomic<bool>> stop) {
  return std::make_unique<AsideStream>(pool, control, std::move(keys), std::move(stop));
}

}  // namespace tiercache::warmup
