// A journal in a directory of its own, and what it has acknowledged.
#pragma once

#include "tiercache/journal/journal.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <stdlib.h>

namespace tiercache::journal {

namespace fs = std::filesystem;

struct Directory {
  fs::path path;

  Directory() {
    char name[] = "/tmp/tiercache-journal-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~Directory() {
    fs::remove_all(path);
  }
  std::vector<fs::path> segments() const {
    std::vector<fs::path> all;
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.path().extension() == ".journal") {
        all.push_back(entry.path());
      }
    }
    std::sort(all.begin(), all.end());
    return all;
  }
  // The only one with records in it.
  fs::path filled() const {
    const auto all = segments();
    const auto largest = std::max_element(all.begin(), all.end(), [](const auto& a, const auto& b) {
      return fs::file_size(a) < fs::file_size(b);
    });
    return *largest;
  }
  fs::path newest() const {
    return segments().back();
  }
  // As another one is when the machine stops now.
  void copy(const Directory& other) const {
    fs::copy(other.path, path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  }
};

// So many calls of fdatasync fail from now on, behind so many that do not.
inline std::atomic<int> sync_good{0};
inline std::atomic<int> sync_failures{0};
inline std::atomic<int> file_sync_failures{0};  // of fsync

// Of write and ftruncate on the journal's own thread, as the calls come: what each does. Behind the
// last one all go well.
enum class Fault : std::uint8_t {
  none,
  io,       // EIO
  full,     // ENOSPC
  partial,  // write: takes half of the bytes
};
inline std::mutex fault_mutex;
inline std::deque<Fault> write_faults;     // under the mutex
inline std::deque<Fault> truncate_faults;  // likewise
// REQUIRES: none is left of an earlier test.
inline void set_faults(std::deque<Fault> writes, std::deque<Fault> truncates = {}) {
  const std::lock_guard lock(fault_mutex);
  REQUIRE(write_faults.empty());
  REQUIRE(truncate_faults.empty());
  write_faults = std::move(writes);
  truncate_faults = std::move(truncates);
}
inline void no_faults() {
  const std::lock_guard lock(fault_mutex);
  write_faults.clear();
  truncate_faults.clear();
}

inline std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// A journal, and what it has acknowledged.
struct Open {
  Journal::Found found;
  std::mutex mutex;
  std::condition_variable came;
  std::map<std::uint64_t, std::string> acknowledged;  // the values by sequence
  std::vector<std::string> errors;
  std::size_t unknown = 0;  // of these
  std::size_t asked = 0;
  std::unique_ptr<Journal> journal;  // goes first: it calls back

  explicit Open(const fs::path& path, std::size_t max_bytes = std::size_t{1} << 30U,
                Sync sync = Sync::always) {
    auto opened = Journal::open({path.string(), sync, max_bytes}, found);
    if (!opened) {
      errors.push_back(opened.error().detail);
      return;
    }
    journal = std::move(*opened);
  }
  Journal::Taken append(const std::string& value) {
    const auto taken =
        journal->append({0, 0, {{"key", value}}}, [this, value](Journal::Outcome outcome) {
          const std::lock_guard lock(mutex);
          if (outcome.error.empty()) {
            acknowledged[outcome.sequence] = value;
          } else {
            errors.push_back(std::move(outcome.error));
            unknown += outcome.unknown ? 1 : 0;
          }
          came.notify_all();
        });
    if (taken == Journal::Taken::yes) {
      const std::lock_guard lock(mutex);
      asked++;
    }
    return taken;
  }
  void wait() {
    std::unique_lock lock(mutex);
    REQUIRE(came.wait_for(lock, std::chrono::seconds(60),
                          [&] { return acknowledged.size() + errors.size() >= asked; }));
  }
  std::vector<std::string> values() const {
    std::vector<std::string> all;
    for (const Record& record : found.records) {
      all.push_back(*record.changes[0].value);
    }
    return all;
  }
};

using Values = std::vector<std::string>;

inline void until_seen(const std::function<bool()>& seen) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!seen() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  REQUIRE(seen());
}

}  // namespace tiercache::journal
