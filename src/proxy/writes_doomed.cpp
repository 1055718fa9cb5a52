// Writes: copies that Redis is to let go of, since it did not take a write, or since nobody knows
// what the source has.
#include "inquiry.hpp"
#include "write_back.hpp"

#include "tiercache/proxy/worker.hpp"
#include "tiercache/proxy/writes.hpp"
#include "tiercache/resp/encoder.hpp"

#include <chrono>
#include <memory>
#include <utility>

#include <boost/asio/steady_timer.hpp>

namespace tiercache::proxy {

namespace {

// Between two attempts to remove a copy.
constexpr auto kRetry = std::chrono::milliseconds(100);

l2::LinkSpec spec_of(std::uint32_t db) {
  l2::LinkSpec spec;
  spec.db = db;
  return spec;
}

}  // namespace

// Redis may have older copies of what an earlier run was about to write there, also of what its
// source has by now. But as long as the source cannot be asked, they are the best there is.
void Writes::doom_found(Worker& worker, std::uint32_t db, const std::set<std::string>& keys) {
  Doomed doomed{&worker, &worker.home(), db, {}, {}};
  for (const std::string& key : keys) {
    doomed.keys.push_back(key);
    doomed.hashes.push_back(worker.home().cache.hash(db, key));
    if (doomed.keys.size() == kDoomed) {
      doom(std::exchange(doomed, {&worker, &worker.home(), db, {}, {}}));
    }
  }
  if (!doomed.keys.empty()) {
    doom(std::move(doomed));
  }
}

void Writes::doom(Write& write) {
  doom(Doomed{write.worker, write.wanted.lane, write.wanted.db, write.keys, write.hashes,
              std::exchange(write.sequence, 0)});
}

void Writes::doom(Doomed its) {
  const auto doomed = std::make_shared<Doomed>(std::move(its));
  doomed_.fetch_add(doomed->keys.size(), std::memory_order_relaxed);
  doomed->worker->post([self = weak_from_this(), doomed] {
    if (const auto writes = self.lock()) {
      writes->remove(doomed);
    }
  });
}

// On the worker's thread. Whatever has become of the key meanwhile: the source has its value.
void Writes::remove(const std::shared_ptr<Doomed>& doomed) {
  const l2::LinkPtr link = doomed->lane->links.shared(spec_of(doomed->db));
  if (!link) {
    remove_later(doomed);
    return;
  }
  std::vector<std::string_view> words{"UNLINK"};
  words.insert(words.end(), doomed->keys.begin(), doomed->keys.end());
  std::string request;
  resp::append_request(request, words);
  announce(*doomed->lane, doomed->hashes);
  Inquiry::send(*link, request, [self = weak_from_this(), doomed](std::string_view reply) {
    const auto writes = self.lock();
    if (!writes) {
      return;
    }
    writes->announce(*doomed->lane, doomed->hashes);
    if (reply.starts_with(':')) {
      writes->doomed_.fetch_sub(doomed->keys.size(), std::memory_order_relaxed);
      if (doomed->sequence > 0) {
        writes->write_back_->settle(doomed->sequence);
      }
    } else {
      writes->remove_later(doomed);
    }
  });
}

void Writes::remove_later(const std::shared_ptr<Doomed>& doomed) {
  const auto timer = std::make_shared<boost::asio::steady_timer>(doomed->worker->io(), kRetry);
  timer->async_wait(
      [self = weak_from_this(), doomed, timer](const boost::system::error_code& error) {
        const auto writes = self.lock();
        if (!error && writes) {
          writes->remove(doomed);
        }
      });
}

}  // namespace tiercache::proxy
