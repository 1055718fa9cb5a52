#include "tiercache/l1/lru.hpp"

namespace tiercache::l1 {

void Lru::settle() noexcept {
  for (unsigned i = 0; i < noted_count_; ++i) {
    Entry* entry = noted_[i];
    if (entry == nullptr) {
      continue;
    }
    entry->next_command_ &= ~Entry::kPolicyPending;
    if (entry != newest_) {
      unlink(entry);
      link_newest(entry);
    }
  }
  noted_count_ = 0;
}

void Lru::insert(Entry* entry) noexcept {
  settle();
  link_newest(entry);
}

void Lru::remove(Entry* entry) noexcept {
  if ((entry->next_command_ & Entry::kPolicyPending) != 0) {
    for (unsigned i = 0; i < noted_count_; ++i) {
      if (noted_[i] == entry) {
        noted_[i] = nullptr;
      }
    }
  }
  unlink(entry);
}

void Lru::link_newest(Entry* entry) noexcept {
  entry->set_prev(nullptr);
  entry->set_next(newest_);
  if (newest_ != nullptr) {
    newest_->set_prev(entry);
  } else {
    oldest_ = entry;
  }
  newest_ = entry;
}

void Lru::unlink(Entry* entry) noexcept {
  Entry* newer = entry->prev();
  Entry* older = entry->next();
  if (newer != nullptr) {
    newer->set_next(older);
  } else {
    newest_ = older;
  }
  if (older != nullptr) {
    older->set_prev(newer);
  } else {
    oldest_ = newer;
  }
}

}  // namespace tiercache::l1
