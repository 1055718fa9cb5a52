// The first column of a query's rows, such as the keys that are to be warmed. Read whole over a
// connection of its own, which only reads and is closed again: what is done with the keys may take
// long, and no transaction of the database's stays open for it.
//
// Blocks; any thread. Ends soon after SourceConfig::timeout, and soon after `stop` becomes true.
// Memory: kMaxListed, counted with some bytes for each row; what is more is an error.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/l3/source.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tiercache::l3 {

inline constexpr std::size_t kMaxListed = std::size_t{256} << 20U;

struct Listing {
  std::string query;           // without parameters
  std::uint64_t max_rows = 0;  // further ones are left out; 0: all
};

// NULLs are left out. An error is `unavailable` if the database has not answered: that may pass.
Result<std::vector<std::string>> list_sqlite(const SourceConfig& config, const Listing& listing,
                                             const std::atomic<bool>& stop);
Result<std::vector<std::string>> list_postgres(const SourceConfig& config, const Listing& listing,
                                               const std::atomic<bool>& stop);
// By what the configuration has: a path or a dsn.
Result<std::vector<std::string>> list(const SourceConfig& config, const Listing& listing,
                                      const std::atomic<bool>& stop);

}  // namespace tiercache::l3
