// The file of a [[warmup]] of strategy hot: read at its runs, written from time to time and at the
// end.
//
// Any thread. Blocks: reads, writes and syncs up to HotKeys::kMaxBytes. A crash at any time leaves
// the old file or the new one.
#pragma once

#include "tiercache/base/mutex.hpp"
#include "tiercache/base/result.hpp"
#include "tiercache/proxy/worker.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tiercache::warmup {

class HotFile {
 public:
  HotFile(const proxy::Hub& hub, std::string path, std::uint32_t db, std::size_t most);

  // No keys if there is no file yet.
  Result<std::vector<std::string>> read();
  // What is hot now; so many. Not before it was read once: until then what it has is worth more.
  // One that could not be read is not written over. Nothing is written while nothing is hot. Then
  // 0.
  Result<std::size_t> save();

 private:
  Error broken(const char* what) const;
  Result<std::string> load() const;
  Status write(const std::string& text) const;

  const proxy::Hub& hub_;
  const std::string path_;
  const std::uint32_t db_;
  const std::size_t most_;
  Mutex mutex_;  // held while it is read or written: nobody but these waits for it
  enum class Known : std::uint8_t { no, yes, unreadable };
  Known known_ TC_GUARDED_BY(mutex_) = Known::no;
  std::vector<std::string> last_ TC_GUARDED_BY(mutex_);  // what the file has
};

}  // namespace tiercache::warmup
