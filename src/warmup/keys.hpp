// Where the keys of a warmup come from, if they are not scanned: a list, a file, the rows of a
// query. They are read in batches by whoever may block; one thread at a time.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/l3/listing.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tiercache::warmup {

struct KeyBatch {
  std::vector<std::string> keys;
  bool last = false;
  std::uint64_t looked = 0;  // at so many keys to find these; 0: at these alone
  std::uint64_t size = 0;    // so many there are to look at in all, about; 0: not known
};

class Keys {
 public:
  Keys() = default;
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;
  virtual ~Keys() = default;

  // REQUIRES: most > 0, and the last batch has not come. At most so many keys, of which there may
  // be none. After an error that is `unavailable` the same may be asked again.
  virtual Result<KeyBatch> next(std::size_t most) = 0;
};

// Pure.
class ListedKeys final : public Keys {
 public:
  explicit ListedKeys(std::vector<std::string> keys) : keys_(std::move(keys)) {
  }
  Result<KeyBatch> next(std::size_t most) override;

 private:
  std::vector<std::string> keys_;
  std::size_t next_ = 0;
};

// One key a line; empty lines are none, and a line may end as in DOS.
class FileKeys final : public Keys {
 public:
  static constexpr std::size_t kMaxKey = 64 * 1024;

  explicit FileKeys(std::string path) : path_(std::move(path)) {
  }
  Result<KeyBatch> next(std::size_t most) override;

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept {
      std::fclose(file);
    }
  };
  Error broken(const std::string& why) const;

  const std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::string line_;  // as far as it has been read
};

// The rows of a query, read whole when the first of them are asked for.
class QueryKeys final : public Keys {
 public:
  using Ask = std::function<Result<std::vector<std::string>>()>;

  explicit QueryKeys(Ask ask) : ask_(std::move(ask)) {
  }
  Result<KeyBatch> next(std::size_t most) override;

 private:
  const Ask ask_;
  std::unique_ptr<ListedKeys> rows_;
};

// One after the other. REQUIRES: there is one at least.
class JoinedKeys final : public Keys {
 public:
  explicit JoinedKeys(std::vector<std::unique_ptr<Keys>> parts) : parts_(std::move(parts)) {
  }
  Result<KeyBatch> next(std::size_t most) override;

 private:
  const std::vector<std::unique_ptr<Keys>> parts_;
  std::size_t part_ = 0;
};

}  // namespace tiercache::warmup
