// A journal's directory, and waiting for what a thread of write-back does.
#pragma once

#include "tiercache/config/config.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include <doctest/doctest.h>
#include <unistd.h>

namespace tiercache::proxy {

class Directory {
 public:
  Directory() {
    char name[] = "/tmp/tiercache-back-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() {
    std::filesystem::remove_all(path_);
  }
  const std::string& path() const {
    return path_;
  }

 private:
  std::string path_;
};

inline config::Journal journal_in(const Directory& directory) {
  config::Journal journal;
  journal.dir = directory.path();
  journal.retry_min = std::chrono::milliseconds(1);
  journal.retry_max = std::chrono::milliseconds(1);
  return journal;
}

inline void until_seen(const std::function<bool()>& seen) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!seen() && std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
  REQUIRE(seen());
}

}  // namespace tiercache::proxy
