#include "hot_file.hpp"

#include "hot_list.hpp"

#include "tiercache/journal/descriptor.hpp"
#include "tiercache/journal/files.hpp"
#include "tiercache/warmup/hot_keys.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace tiercache::warmup {

using journal::Descriptor;

namespace {

// Beside the keys: their lengths and the title.
constexpr std::size_t kMaxFile = HotKeys::kMaxBytes + HotKeys::kMost * 8 + 100;

// Of the file.
std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

}  // namespace

HotFile::HotFile(const proxy::Hub& hub, std::string path, std::uint32_t db, std::size_t most)
    : hub_(hub), path_(std::move(path)), db_(db), most_(most) {
}

Error HotFile::broken(const char* what) const {
  return {ErrorCode::refused, path_ + ": " + what};
}

// Empty if there is none.
Result<std::string> HotFile::load() const {
  std::string text;
  const Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT) {
      return text;
    }
    return broken(std::strerror(errno));
  }
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t size = ::read(file.get(), buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size < 0) {
      return broken(std::strerror(errno));
    }
    if (size == 0) {
      if (text.empty()) {
        return broken("it is damaged: it is empty");
      }
      return text;
    }
    text.append(buffer, static_cast<std::size_t>(size));
    if (text.size() > kMaxFile) {
      return broken("it is larger than a file of hot keys can be");
    }
  }
}

Result<std::vector<std::string>> HotFile::read() {
  MutexLock lock(mutex_);
  known_ = Known::unreadable;
  const auto text = load();
  if (!text) {
    return text.error();
  }
  std::vector<std::string> keys;
  if (!text.value().empty()) {
    auto decoded = decode_hot(text.value());
    if (!decoded) {
      return broken(decoded.error().detail.c_str());
    }
    keys = std::move(decoded).value();
  }
  known_ = Known::yes;
  last_ = keys;
  return keys;
}

Result<std::size_t> HotFile::save() {
  MutexLock lock(mutex_);
  if (known_ == Known::no) {
    return std::size_t{0};
  }
  if (known_ == Known::unreadable && ::access(path_.c_str(), F_OK) == 0) {
    return broken("it could not be read, and is not written over");
  }
  HotKeys hot(hub_.nodes(), db_, most_);
  while (!hot.step(std::chrono::steady_clock::now())) {
  }
  std::vector<std::string> keys = std::move(hot).take();
  if (keys.empty()) {
    return std::size_t{0};
  }
  keys = merge_hot(std::move(keys), last_, most_, HotKeys::kMaxBytes);
  if (Status status = write(encode_hot(keys)); !status) {
    return std::move(status).error();
  }
  last_ = std::move(keys);
  return last_.size();
}

Status HotFile::write(const std::string& text) const {
  const std::string fresh = path_ + ".new";
  {
    // Keys may say what is nobody else's business.
    const Descriptor file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    int error = file.get() < 0 ? errno : journal::write_all(file.get(), text);
    if (error == 0 && ::fsync(file.get()) != 0) {
      error = errno;
    }
    if (error != 0) {
      return broken(std::strerror(error));
    }
  }
  if (::rename(fresh.c_str(), path_.c_str()) != 0 ||
      !journal::sync_directory(directory_of(path_))) {
    return broken(std::strerror(errno));
  }
  return Unit{};
}

}  // namespace tiercache::warmup
