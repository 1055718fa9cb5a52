#include "keys.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

namespace tiercache::warmup {

Result<KeyBatch> ListedKeys::next(std::size_t most) {
  const auto begin = keys_.begin() + static_cast<std::ptrdiff_t>(next_);
  next_ += std::min(most, keys_.size() - next_);
  const auto end = keys_.begin() + static_cast<std::ptrdiff_t>(next_);
  KeyBatch batch;
  batch.keys.assign(std::make_move_iterator(begin), std::make_move_iterator(end));
  batch.last = next_ == keys_.size();
  batch.size = keys_.size();
  return batch;
}

Error FileKeys::broken(const std::string& why) const {
  return {ErrorCode::refused, path_ + ": " + why};
}

Result<KeyBatch> FileKeys::next(std::size_t most) {
  if (!file_) {
    file_.reset(std::fopen(path_.c_str(), "rbe"));
    if (!file_) {
      return broken(std::strerror(errno));
    }
  }
  KeyBatch batch;
  while (batch.keys.size() < most && !batch.last) {
    const int c = std::getc(file_.get());
    if (c == EOF && std::ferror(file_.get()) != 0) {
      return broken(std::strerror(errno));
    }
    if (c != EOF && c != '\n') {
      line_ += static_cast<char>(c);
      if (line_.size() > kMaxKey) {
        return broken("a line is longer than 64kb");
      }
      continue;
    }
    batch.last = c == EOF;
    if (line_.ends_with('\r')) {
      line_.pop_back();
    }
    if (!line_.empty()) {
      batch.keys.push_back(std::exchange(line_, {}));
    }
  }
  return batch;
}

Result<KeyBatch> QueryKeys::next(std::size_t most) {
  if (!rows_) {
    auto rows = ask_();
    if (!rows) {
      return std::move(rows).error();
    }
    rows_ = std::make_unique<ListedKeys>(std::move(rows).value());
  }
  return rows_->next(most);
}

Result<KeyBatch> JoinedKeys::next(std::size_t most) {
  auto batch = parts_[part_]->next(most);
  if (batch && parts_.size() > 1) {
    batch->size = 0;  // of one part alone
  }
  if (batch && batch->last && part_ + 1 < parts_.size()) {
    part_++;
    batch->last = false;
  }
  return batch;
}

}  // namespace tiercache::warmup
