// SQLite: a file that is read. With sqlite_writer.cpp the one place that knows its library.
#include "fields.hpp"
#include "listed.hpp"
#include "pool.hpp"
#include "sqlite_handle.hpp"

#include <chrono>
#include <string_view>
#include <utility>

namespace tiercache::l3 {

namespace {

// A listing waits for a lock in steps of so many milliseconds.
constexpr int kBusySlice = 50;

Loaded failed(std::string why, bool away = false) {
  return {Loaded::Kind::failed, std::move(why), away};
}

class Sqlite final : public Connection {
 public:
  Sqlite(std::string path, const std::vector<Query>& queries)
      : path_(std::move(path)), queries_(queries), statements_(queries.size()) {
  }

  void run(std::span<const Load* const> loads, Time deadline, std::span<Loaded> results) override {
    results[0] = ask(*loads[0], deadline);
  }

  Result<std::vector<std::string>> list(const Listing& listing, Time deadline,
                                        const std::atomic<bool>& stop) {
    deadline_ = deadline;
    stop_ = &stop;
    if (std::string why = open(); !why.empty()) {
      return Error{ErrorCode::unavailable, std::move(why)};
    }
    sqlite3_busy_timeout(database_.get(), kBusySlice);
    sqlite3_stmt* made = nullptr;
    int result = SQLITE_OK;
    do {
      result = sqlite3_prepare_v2(database_.get(), listing.query.data(),
                                  static_cast<int>(listing.query.size()), &made, nullptr);
    } while (result == SQLITE_BUSY && is_late(this) == 0);
    const Statement statement(made);
    if (result != SQLITE_OK) {
      return broken_listing(result);
    }
    if (made == nullptr || sqlite3_column_count(made) == 0) {
      return Error{ErrorCode::refused, "the query yields no column"};
    }
    if (sqlite3_bind_parameter_count(made) > 0) {
      return Error{ErrorCode::refused, "the query has a parameter"};
    }
    Listed listed(listing);
    for (;;) {
      result = sqlite3_step(made);
      if (result == SQLITE_BUSY && listed.empty() && is_late(this) == 0) {
        sqlite3_reset(made);
        continue;
      }
      if (result == SQLITE_DONE) {
        break;
      }
      if (result != SQLITE_ROW) {
        return broken_listing(result);
      }
      if (sqlite3_column_type(made, 0) != SQLITE_NULL && !listed.add(bytes_of(made))) {
        break;
      }
    }
    return std::move(listed).take();
  }

 private:
  Loaded ask(const Load& load, Time deadline) {
    deadline_ = deadline;
    if (std::string why = open(); !why.empty()) {
      return failed(std::move(why), true);
    }
    wait_until(database_.get(), deadline);
    if (std::string why = prepare(load.query); !why.empty()) {
      return failed(std::move(why));
    }
    sqlite3_stmt* statement = statements_[load.query].get();
    const Query& query = queries_[load.query];
    Loaded loaded =
        bind_values(statement, query, load.values) ? step(statement, query.hash) : broken();
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return loaded;
  }

  std::string open() {
    if (again_) {
      std::vector<Statement>(queries_.size()).swap(statements_);
      database_.reset();
      again_ = false;
    }
    if (database_) {
      return {};
    }
    sqlite3* opened = nullptr;
    const int result = sqlite3_open_v2(path_.c_str(), &opened,
                                       SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
    Database database(opened);
    if (result != SQLITE_OK) {
      return std::string(opened == nullptr ? "no memory" : sqlite3_errmsg(opened)) + ": " + path_;
    }
    sqlite3_progress_handler(database.get(), kInstructions, &Sqlite::is_late, this);
    database_ = std::move(database);
    return {};
  }

  static int is_late(void* self) {
    const auto* own = static_cast<Sqlite*>(self);
    return Time(std::chrono::steady_clock::now()) >= own->deadline_ ||
                   (own->stop_ != nullptr && own->stop_->load(std::memory_order_relaxed))
               ? 1
               : 0;
  }

  // A column, whose numbers become their text. Valid until the statement goes on.
  static std::string_view bytes_of(sqlite3_stmt* statement, int column = 0) {
    const void* bytes = sqlite3_column_type(statement, column) == SQLITE_BLOB
                            ? sqlite3_column_blob(statement, column)
                            : sqlite3_column_text(statement, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
    return size == 0 ? std::string_view() : std::string_view(static_cast<const char*>(bytes), size);
  }

  Error broken_listing(int result) {
    const bool late = is_late(this) != 0;
    return {late || result == SQLITE_BUSY ? ErrorCode::unavailable : ErrorCode::refused,
            late ? std::string(kTimeout) : sqlite3_errmsg(database_.get())};
  }

  std::string prepare(std::size_t index) {
    if (statements_[index]) {
      return {};
    }
    const Query& query = queries_[index];
    sqlite3_stmt* made = nullptr;
    const char* rest = nullptr;
    if (sqlite3_prepare_v3(database_.get(), query.text.data(), static_cast<int>(query.text.size()),
                           SQLITE_PREPARE_PERSISTENT, &made, &rest) != SQLITE_OK) {
      return broken().bytes;
    }
    Statement statement(made);
    const int columns = made == nullptr ? 0 : sqlite3_column_count(made);
    if (query.hash ? columns == 0 : columns != 1) {
      return query.hash ? wrong_names({}) : "the query does not yield exactly one column";
    }
    if (std::string why = unknown_parameter(made, query); !why.empty()) {
      return why;
    }
    statements_[index] = std::move(statement);
    return {};
  }

  Loaded step(sqlite3_stmt* statement, bool hash) {
    switch (sqlite3_step(statement)) {
      case SQLITE_DONE:
        return {Loaded::Kind::absent, {}};
      case SQLITE_ROW:
        break;
      case SQLITE_INTERRUPT:
        return failed(std::string(kTimeout), true);
      default:
        return broken();
    }
    if (hash) {
      return fields_of(statement);
    }
    if (sqlite3_column_type(statement, 0) == SQLITE_NULL) {
      return {Loaded::Kind::absent, {}};
    }
    const std::string_view bytes = bytes_of(statement);
    if (bytes.size() > kMaxValue) {
      return failed("the value is larger than 64mb");
    }
    return {Loaded::Kind::value, std::string(bytes)};
  }

  // (The columns of "select *" may be others than when it was prepared.)
  static Loaded fields_of(sqlite3_stmt* statement) {
    std::vector<std::string_view> names;
    Fields fields;
    for (int column = 0; column < sqlite3_column_count(statement); column++) {
      names.emplace_back(sqlite3_column_name(statement, column));
      if (sqlite3_column_type(statement, column) != SQLITE_NULL) {
        fields.add(names.back(), std::string(bytes_of(statement, column)));
      }
    }
    std::string why = wrong_names(names);
    return why.empty() ? std::move(fields).take() : failed(std::move(why));
  }

  // The next load opens the file again: it may have been replaced.
  Loaded broken() {
    const bool late = is_late(this) != 0;
    Loaded loaded = failed(late ? std::string(kTimeout) : sqlite3_errmsg(database_.get()), late);
    again_ = true;
    return loaded;
  }

  const std::string path_;
  const std::vector<Query> queries_;
  Database database_;
  std::vector<Statement> statements_;  // goes before the database
  Time deadline_{};
  const std::atomic<bool>* stop_ = nullptr;  // of a listing
  bool again_ = false;
};

}  // namespace

std::unique_ptr<Source> make_sqlite(SourceConfig config, std::vector<Query> queries) {
  return std::make_unique<Pool>(config, queries, [path = config.path, queries] {
    return std::make_unique<Sqlite>(path, queries);
  });
}

Result<std::vector<std::string>> list_sqlite(const SourceConfig& config, const Listing& listing,
                                             const std::atomic<bool>& stop) {
  return Sqlite(config.path, {})
      .list(listing, Time(std::chrono::steady_clock::now()) + config.timeout, stop);
}

}  // namespace tiercache::l3
