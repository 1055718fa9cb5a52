// What SQLite's objects need to go by themselves, and how a key's parts are bound. For sqlite.cpp
// and sqlite_writer.cpp, which know the library.
#pragma once

#include "sql.hpp"

#include "tiercache/l3/writer.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include <sqlite3.h>

namespace tiercache::l3 {

struct CloseDatabase {
  void operator()(sqlite3* database) const {
    sqlite3_close_v2(database);
  }
};
struct EndStatement {
  void operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
  }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, EndStatement>;

// So many instructions of SQLite's between two looks at the clock.
inline constexpr int kInstructions = 1000;

// Where a parameter stands among the query's; their number if it is none of them.
inline std::size_t position(const Query& query, std::string_view name) {
  std::size_t at = 0;
  while (at < query.parameters.size() && query.parameters[at] != name) {
    at++;
  }
  return at;
}

// Empty: the statement has no parameter but the query's.
inline std::string unknown_parameter(sqlite3_stmt* statement, const Query& query) {
  for (int i = 1; i <= sqlite3_bind_parameter_count(statement); i++) {
    const char* name = sqlite3_bind_parameter_name(statement, i);
    if (name == nullptr || position(query, name + 1) == query.parameters.size()) {
      return std::string("the query has a parameter that the key does not: ") +
             (name == nullptr ? "?" : name);
    }
  }
  return {};
}

// A client's value that is no text is bound as a blob. The values must live until the statement has
// been run. False: it does not take one.
inline bool bind_values(sqlite3_stmt* statement, const Query& query,
                        std::span<const config::KeyPattern::Value> values) {
  for (int i = 1; i <= sqlite3_bind_parameter_count(statement); i++) {
    const std::size_t at = position(query, sqlite3_bind_parameter_name(statement, i) + 1);
    const auto& value = values[at];
    int result = SQLITE_OK;
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      result = sqlite3_bind_int64(statement, i, *number);
    } else {
      const std::string& text = std::get<std::string>(value);
      const bool blob = query.parameters[at] == kValueParameter && !is_storable_text(text);
      result = blob ? sqlite3_bind_blob64(statement, i, text.data(), text.size(), SQLITE_STATIC)
                    : sqlite3_bind_text64(statement, i, text.data(), text.size(), SQLITE_STATIC,
                                          SQLITE_UTF8);
    }
    if (result != SQLITE_OK) {
      return false;
    }
  }
  return true;
}

// How long it waits for a lock from now on.
inline void wait_until(sqlite3* database, Time deadline) {
  const auto left = deadline - Time(std::chrono::steady_clock::now());
  sqlite3_busy_timeout(
      database, static_cast<int>(std::max<std::int64_t>(0, left / std::chrono::milliseconds(1))));
}

}  // namespace tiercache::l3
