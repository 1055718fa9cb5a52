#include "tiercache/l3/poster.hpp"

#include "http_client.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/base/mutex.hpp"

#include <condition_variable>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/beast/http/error.hpp>
#include <pthread.h>

namespace tiercache::l3 {

namespace {

namespace http = boost::beast::http;

constexpr std::uint64_t kMaxAnswer = 1024 * 1024;

class HttpPoster final : public Poster {
 public:
  explicit HttpPoster(PosterConfig config)
      : config_(std::move(config)),
        peer_(std::make_shared<HttpPeer>(config::parse_url(config_.url).value())),
        client_(peer_, kMaxAnswer),
        thread_([this] {
          ::pthread_setname_np(::pthread_self(), "tiercache-post");
          work();
        }) {
  }
  ~HttpPoster() override {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    ready_.notify_one();
    thread_.join();
  }

  void post(std::string body, Done done) override {
    {
      MutexLock lock(mutex_);
      TC_CHECK(!next_);
      next_ = Task{std::move(body), std::move(done)};
    }
    ready_.notify_one();
  }

 private:
  struct Task {
    std::string body;
    Done done;
  };

  void work() {
    for (;;) {
      Task task;
      {
        MutexLock lock(mutex_);
        while (!stopping_ && !next_) {
          ready_.wait(mutex_);
        }
        if (stopping_) {
          return;
        }
        task = std::move(*next_);
        next_.reset();
      }
      Status status = ask(std::move(task.body));
      {
        MutexLock lock(mutex_);
        if (stopping_) {
          return;
        }
      }
      task.done(std::move(status));
    }
  }

  Status ask(std::string body) {
    HttpClient::Request request = client_.request(http::verb::post, peer_->base.path);
    request.set(http::field::content_type, config_.content_type);
    request.body() = std::move(body);
    request.prepare_payload();
    const Time deadline = std::chrono::steady_clock::now() + config_.timeout;
    if (const auto error = client_.exchange(request, deadline)) {
      return Error{ErrorCode::unavailable, describe(error)};
    }
    const unsigned status = client_.answer().result_int();
    client_.end();
    if (status / 100 != 2) {
      return Error{ErrorCode::refused, HttpClient::describe_status(status)};
    }
    return Unit{};
  }

  static std::string describe(const HttpClient::Error& error) {
    if (error == boost::asio::error::timed_out) {
      return "it did not answer in time";
    }
    return error == http::error::body_limit ? "its answer is larger than 1mb"
                                            : HttpClient::describe(error);
  }

  const PosterConfig config_;
  const std::shared_ptr<HttpPeer> peer_;
  HttpClient client_;  // the thread's
  Mutex mutex_;
  std::condition_variable_any ready_;
  std::optional<Task> next_ TC_GUARDED_BY(mutex_);
  bool stopping_ TC_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Poster> make_poster(PosterConfig config) {
  return std::make_unique<HttpPoster>(std::move(config));
}

}  // namespace tiercache::l3
