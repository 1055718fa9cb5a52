#include "key_stream.hpp"

#include <optional>
#include <utility>

#include <boost/asio/post.hpp>

namespace tiercache::warmup {

namespace {

// The answer to SCAN: [cursor, [key...]].
struct Scanned {
  std::string cursor;
  std::vector<std::string> keys;
};

std::optional<Scanned> scanned(l2::Reply& reply) {
  using Kind = l2::Reply::Kind;
  if (reply.kind != Kind::array || reply.items.size() != 2 || reply.items[0].kind != Kind::text ||
      reply.items[1].kind != Kind::array) {
    return std::nullopt;
  }
  Scanned result;
  result.cursor = std::move(reply.items[0].text);
  for (l2::Reply& key : reply.items[1].items) {
    if (key.kind != Kind::text) {
      return std::nullopt;
    }
    result.keys.push_back(std::move(key.text));
  }
  return result;
}

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
    if (!reply) {
      return Error{ErrorCode::unavailable, reply.error().detail};
    }
    if (reply->is_error()) {
      return Error{ErrorCode::refused, reply->text};
    }
    auto found = scanned(*reply);
    if (!found) {
      return Error{ErrorCode::invalid, "Redis's answer to SCAN makes no sense"};
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
