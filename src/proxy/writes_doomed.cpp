// Writes: copies that Redis is to let go of, since it did not take a write, or since nobody knows
// what the source has.
#include "errands.hpp"
#include "write_back.hpp"

#include "tiercache/proxy/loads.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/proxy/writes.hpp"
#include "tiercache/resp/encoder.hpp"

#include <chrono>
#include <memory>
#include <span>
#include <utility>

#include <boost/asio/steady_timer.hpp>

namespace tiercache::proxy {

namespace {

// Between two attempts to remove a copy.
constexpr auto kRetry = std::chrono::milliseconds(100);

Errand unlink(std::span<const std::string> keys) {
  std::vector<std::string_view> words{"UNLINK"};
  words.insert(words.end(), keys.begin(), keys.end());
  Errand errand{keys.front(), {}, {}};
  resp::append_request(errand.requests.emplace_back(), words);
  return errand;
}

// Over a Cluster each key goes by itself.
std::vector<Errand> unlink_all(std::span<const std::string> keys, bool by_slots) {
  std::vector<Errand> errands;
  const std::size_t together = by_slots ? 1 : keys.size();
  for (std::size_t i = 0; i < keys.size(); i += together) {
    errands.push_back(unlink(keys.subspan(i, together)));
  }
  return errands;
}

}  // namespace

// Redis may have older copies of what an earlier run was about to write there, also of what its
// source has by now. But as long as the source cannot be asked, they are the best there is. A
// Cluster has one db only: what was written to others was not written there.
void Writes::doom_found(Worker& worker, std::uint32_t db, const std::set<std::string>& keys) {
  if (keys.empty() || (db != 0 && clustered_)) {
    return;
  }
  DoomedPtr first;
  DoomedPtr last;
  for (const std::string& key : keys) {
    if (!last || last->keys.size() == kDoomed) {
      const auto next = std::make_shared<Doomed>(Doomed{&worker, db, {}, {}});
      (last ? last->next : first) = next;
      last = next;
    }
    last->keys.push_back(key);
    last->hashes.push_back(worker.cache().hash(db, key));
  }
  doom(first);
}

void Writes::doom(Write& write) {
  doom(std::make_shared<Doomed>(Doomed{write.worker, write.wanted.db, write.keys, write.hashes,
                                       std::exchange(write.sequence, 0)}));
}

void Writes::doom_later(const Write& write) {
  const auto doomed =
      std::make_shared<Doomed>(Doomed{write.worker, write.wanted.db, write.keys, write.hashes});
  doomed_.fetch_add(doomed->keys.size(), std::memory_order_relaxed);
  const Duration pause = kSettles * Duration(spaces_[write.wanted.space]->timeout);
  write.worker->post([self = weak_from_this(), doomed, pause] {
    if (const auto writes = self.lock()) {
      writes->remove_later(doomed, pause);
    }
  });
}

void Writes::doom(const DoomedPtr& first) {
  for (const Doomed* its = first.get(); its != nullptr; its = its->next.get()) {
    doomed_.fetch_add(its->keys.size(), std::memory_order_relaxed);
  }
  first->worker->post([self = weak_from_this(), first] {
    if (const auto writes = self.lock()) {
      writes->remove(first);
    }
  });
}

// On the worker's thread. Whatever has become of the key meanwhile: the source has its value. Told
// first and looked for stores then, as a write: a load that is being stored by another link could
// come behind the removal.
void Writes::remove(const DoomedPtr& doomed) {
  announce(*doomed->worker, doomed->hashes);
  const bool waits = loads_.is_storing(doomed->hashes, [self = weak_from_this(), doomed] {
    doomed->worker->post([self, doomed] {
      if (const auto writes = self.lock()) {
        writes->remove(doomed);
      }
    });
  });
  if (waits) {
    return;
  }
  Errands::Terms terms;
  terms.db = doomed->db;
  terms.patient = false;
  Errands::run(*doomed->worker, terms, unlink_all(doomed->keys, clustered_),
               [self = weak_from_this(), doomed](const std::vector<std::string>& replies) {
                 if (const auto writes = self.lock()) {
                   writes->on_removed(doomed, replies);
                 }
               });
}

// Those that are gone are done with. The others are tried again behind all that wait, and not
// before a pause if none has gone.
void Writes::on_removed(const DoomedPtr& doomed, const std::vector<std::string>& replies) {
  announce(*doomed->worker, doomed->hashes);
  const std::size_t before = doomed->keys.size();
  const std::size_t together = before / replies.size();
  std::size_t left = 0;
  for (std::size_t i = 0; i < before; i++) {
    if (!replies[i / together].starts_with(':')) {
      doomed->keys[left] = doomed->keys[i];
      doomed->hashes[left] = doomed->hashes[i];
      left++;
    }
  }
  doomed->keys.resize(left);
  doomed->hashes.resize(left);
  doomed_.fetch_sub(before - left, std::memory_order_relaxed);
  DoomedPtr next = std::exchange(doomed->next, nullptr);
  if (left > 0) {
    DoomedPtr* end = &next;
    while (*end) {
      end = &(*end)->next;
    }
    *end = doomed;
  } else if (doomed->sequence > 0) {
    write_back_->settle(doomed->sequence);
  }
  if (next && left < before) {
    remove(next);
  } else if (next) {
    remove_later(next, kRetry);
  }
}

void Writes::remove_later(const DoomedPtr& doomed, Duration pause) {
  const auto timer = std::make_shared<boost::asio::steady_timer>(doomed->worker->io(), pause);
  timer->async_wait(
      [self = weak_from_this(), doomed, timer](const boost::system::error_code& error) {
        const auto writes = self.lock();
        if (!error && writes) {
          writes->remove(doomed);
        }
      });
}

}  // namespace tiercache::proxy
