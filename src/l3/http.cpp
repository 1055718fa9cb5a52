// HTTP: a server that is asked with GET.
#include "fields.hpp"
#include "http_answer.hpp"
#include "http_client.hpp"
#include "pool.hpp"
#include "validated.hpp"

#include "tiercache/base/mutex.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/beast/http/error.hpp>

namespace tiercache::l3 {

namespace {

namespace http = boost::beast::http;

// What the connections of a source have in common.
struct Shared {
  Shared(config::BaseUrl url, std::size_t max_bytes)
      : peer(std::make_shared<HttpPeer>(std::move(url))), validated(max_bytes) {
  }

  const std::shared_ptr<HttpPeer> peer;
  std::vector<config::PathPattern> paths;  // by query
  std::vector<bool> hashes;                // likewise: its answers are JSON objects
  Mutex mutex;
  ValidatedAnswers validated TC_GUARDED_BY(mutex);
};

Loaded failed(std::string why, bool away = false) {
  return {Loaded::Kind::failed, std::move(why), away};
}

std::string_view text_of(const http::fields& fields, http::field name) {
  const auto text = fields[name];
  return {text.data(), text.size()};
}

bool says(const http::fields& fields, http::field name, std::string_view word) {
  const auto [first, last] = fields.equal_range(name);
  for (auto one = first; one != last; ++one) {
    if (contains_word({one->value().data(), one->value().size()}, word)) {
      return true;
    }
  }
  return false;
}

class Http final : public Connection {
 public:
  explicit Http(std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)), client_(shared_->peer, kMaxValue) {
  }

  void run(std::span<const Load* const> loads, Time deadline, std::span<Loaded> results) override {
    results[0] = ask(*loads[0], deadline);
  }

 private:
  Loaded ask(const Load& load, Time deadline) {
    const auto path = shared_->paths[load.query].path(load.values);
    if (!path) {
      return {Loaded::Kind::absent, {}};
    }
    const std::string target = shared_->peer->base.path + *path;
    const std::optional<Validated> known = find(target);
    if (const auto error = client_.exchange(make_request(target, known), deadline)) {
      return broken(error);
    }
    Loaded loaded = take(target, known);
    client_.end();
    if (loaded.kind == Loaded::Kind::value && shared_->hashes[load.query]) {
      const bool not_modified = loaded.not_modified;
      loaded = fields_of_json(loaded.bytes);
      loaded.not_modified = not_modified;
    }
    return loaded;
  }

  HttpClient::Request make_request(const std::string& target,
                                   const std::optional<Validated>& known) const {
    HttpClient::Request request = client_.request(http::verb::get, target);
    if (known && !known->etag.empty()) {
      request.set(http::field::if_none_match, known->etag);
    } else if (known) {
      request.set(http::field::if_modified_since, known->last_modified);
    }
    return request;
  }

  static Loaded broken(const HttpClient::Error& error) {
    return error == http::error::body_limit ? failed("the value is larger than 64mb")
                                            : failed(HttpClient::describe(error), true);
  }

  Loaded take(const std::string& target, const std::optional<Validated>& known) {
    HttpClient::Answer& answer = client_.answer();
    switch (meaning(answer.result_int())) {
      case Meaning::value:
        if (const auto encoding = text_of(answer, http::field::content_encoding);
            !encoding.empty() && !contains_word(encoding, "identity")) {
          return failed("the value is encoded, which was not asked for");
        }
        return {Loaded::Kind::value, keep(target, answer)};
      case Meaning::absent:
        forget(target);
        return {Loaded::Kind::absent, {}};
      case Meaning::kept:
        if (!known) {
          return failed("it answered 304 (Not Modified) to what was not asked conditionally");
        }
        return {Loaded::Kind::value, *known->body, false, true};
      case Meaning::failed:
        return failed(HttpClient::describe_status(answer.result_int()));
      case Meaning::away:
        break;
    }
    return failed(HttpClient::describe_status(answer.result_int()), true);
  }

  std::optional<Validated> find(const std::string& target) {
    MutexLock lock(shared_->mutex);
    return shared_->validated.find(target);
  }
  void forget(const std::string& target) {
    MutexLock lock(shared_->mutex);
    shared_->validated.erase(target);
  }
  // The body.
  std::string keep(const std::string& target, HttpClient::Answer& answer) {
    Validated one;
    one.etag = text_of(answer, http::field::etag);
    if (const auto modified = text_of(answer, http::field::last_modified);
        is_long_before(modified, text_of(answer, http::field::date))) {
      one.last_modified = modified;
    }
    if ((one.etag.empty() && one.last_modified.empty()) ||
        says(answer, http::field::cache_control, "no-store")) {
      forget(target);
      return std::move(answer.body());
    }
    one.body = std::make_shared<const std::string>(answer.body());
    MutexLock lock(shared_->mutex);
    shared_->validated.put(target, std::move(one));
    return std::move(answer.body());
  }

  const std::shared_ptr<Shared> shared_;
  HttpClient client_;
};

}  // namespace

std::unique_ptr<Source> make_http(SourceConfig config, const std::vector<Query>& queries) {
  const auto shared =
      std::make_shared<Shared>(config::parse_base_url(config.url).value(), config.validated);
  for (const Query& query : queries) {
    shared->paths.push_back(config::PathPattern::parse(query.text, query.parameters).value());
    shared->hashes.push_back(query.hash);
  }
  return std::make_unique<Pool>(std::move(config), queries,
                                [shared] { return std::make_unique<Http>(shared); });
}

}  // namespace tiercache::l3
