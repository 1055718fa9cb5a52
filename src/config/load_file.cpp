// The shell of this room: the only code in it that touches the world.
#include "tiercache/config/load.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace tiercache::config {

namespace {

struct Close {
  void operator()(std::FILE* file) const noexcept {
    std::fclose(file);
  }
};
using File = std::unique_ptr<std::FILE, Close>;

}  // namespace

Result<std::string> load_file(const std::string& path) {
  const File file(std::fopen(path.c_str(), "rbe"));
  if (!file) {
    return Error{ErrorCode::unavailable, path + ": " + std::strerror(errno)};
  }
  // One byte more than allowed, to tell a full file from one that is too large.
  std::string text(kMaxText + 1, '\0');
  errno = 0;
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) {
    return Error{ErrorCode::unavailable, path + ": " + std::strerror(errno)};
  }
  if (text.size() > kMaxText) {
    return Error{ErrorCode::limit,
                 path + ": more than " + std::to_string(kMaxText) + " bytes are no configuration"};
  }
  return text;
}

Status check_files(const Config& config) {
  std::string wrong;
  for (const Warmup& one : config.warmups) {
    if (one.file.empty() || File(std::fopen(one.file.c_str(), "rbe"))) {
      continue;
    }
    // What is saved may be there only later.
    const auto slash = one.file.rfind('/');
    const std::string directory = slash == one.file.npos ? "." : one.file.substr(0, slash + 1);
    if (one.strategy != WarmupStrategy::hot || errno != ENOENT ||
        !File(std::fopen(directory.c_str(), "rbe"))) {
      wrong += wrong.empty() ? "" : "\n";
      wrong += "warmup '" + one.name + "': warmup.file: " + one.file + ": " + std::strerror(errno);
    }
  }
  if (!wrong.empty()) {
    return Error{ErrorCode::unavailable, std::move(wrong)};
  }
  return Unit{};
}

}  // namespace tiercache::config
