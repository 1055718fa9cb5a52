#include "key_stream.hpp"

#include "tiercache/l2/scan.hpp"

#include <utility>

#include <boost/asio/post.hpp>

namespace tiercache::warmup {

namespace {

class ScanStream final : public KeyStream {
 public:
  ScanStream(l2::Events& events, std::uint32_t db, std::string pattern)
      : events_(events), db_(db), pattern_(std::move(pattern)) {
  }

  void next(std::size_t about, Answer answer) override {
    const std::string count = std::to_string(about);
    events_.query(db_, {"SCAN", *cursor_, "MATCH", pattern_, "COUNT", count, "TYPE", "string"},
                  [cursor = cursor_, answer = std::move(answer)](Result<l2::Reply> reply) {
                    answer(taken(std::move(reply), *cursor));
                  });
  }

 private:
  static Result<KeyBatch> taken(Result<l2::Reply> reply, std::string& cursor) {
    auto found = l2::read_scan(std::move(reply));
    if (!found) {
      return found.error();
    }
    cursor = std::move(found->cursor);
    return KeyBatch{std::move(found->keys), cursor == "0"};
  }

  l2::Events& events_;
  const std::uint32_t db_;
  const std::string pattern_;
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

std::unique_ptr<KeyStream> make_scan(l2::Events& events, std::uint32_t db, std::string pattern) {
  return std::make_unique<ScanStream>(events, db, std::move(pattern));
}

std::unique_ptr<KeyStream> make_aside(boost::asio::thread_pool& pool,
                                      boost::asio::io_context& control, std::unique_ptr<Keys> keys,
                                      std::shared_ptr<std::atomic<bool>> stop) {
  return std::make_unique<AsideStream>(pool, control, std::move(keys), std::move(stop));
}

}  // namespace tiercache::warmup
