// Writes to an SQLite file, which must be there.
#include "journal_row.hpp"
#include "pool.hpp"
#include "sqlite_handle.hpp"

#include <string>
#include <utility>

namespace tiercache::l3 {

namespace {

class SqliteWriter final : public Writer {
 public:
  SqliteWriter(const SourceConfig& config, std::vector<Query> statements)
      : path_(config.path),
        source_(config.name),
        queries_(std::move(statements)),
        statements_(queries_.size()) {
  }

  Written apply(std::span<const Change* const> changes, const Position& position,
                Time deadline) override {
    deadline_ = deadline;
    Written written;
    const bool applied = open(written) && begin(written) && run(changes, position, written) &&
                         command("COMMIT", written);
    if (applied) {
      written.kind = Written::Kind::applied;
      return written;
    }
    written.rows.clear();
    if (database_ && sqlite3_get_autocommit(database_.get()) == 0) {
      deadline_ = kNever;
      Written ignored;
      again_ = !command("ROLLBACK", ignored) || again_;
    }
    return written;
  }

 private:
  bool open(Written& written) {
    if (again_) {
      std::vector<Statement>(queries_.size()).swap(statements_);
      find_.reset();
      note_.reset();
      database_.reset();
      again_ = false;
    }
    if (database_) {
      return true;
    }
    sqlite3* opened = nullptr;
    const int result = sqlite3_open_v2(path_.c_str(), &opened,
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    Database database(opened);
    if (result != SQLITE_OK) {
      written.why =
          std::string(opened == nullptr ? "no memory" : sqlite3_errmsg(opened)) + ": " + path_;
      return false;
    }
    sqlite3_progress_handler(database.get(), kInstructions, &SqliteWriter::is_late, this);
    database_ = std::move(database);
    return true;
  }

  static int is_late(void* self) {
    const auto* own = static_cast<SqliteWriter*>(self);
    return Time(std::chrono::steady_clock::now()) >= own->deadline_ ? 1 : 0;
  }

  // The lock for writing is taken now, so that nobody else's transaction can be in between.
  bool begin(Written& written) {
    wait_until(database_.get(), deadline_);
    return command("BEGIN IMMEDIATE", written);
  }

  bool command(const char* sql, Written& written) {
    return sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK ||
           fail(written);
  }

  // A record is at fault only for what the database says of its values; a statement that cannot be
  // prepared, or a file that cannot be written, is none's.
  bool fail(Written& written) {
    const int code = sqlite3_errcode(database_.get());
    const bool refused =
        code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH || code == SQLITE_TOOBIG;
    const bool late = code == SQLITE_INTERRUPT;
    written.kind = refused ? Written::Kind::refused : Written::Kind::failed;
    written.why = late ? std::string(Connection::kTimeout) : sqlite3_errmsg(database_.get());
    again_ = !refused && !late && code != SQLITE_BUSY;  // it may have been replaced
    return false;
  }

  // What a function says of its arguments, as json() does, has no code of its own. A statement that
  // can be prepared this very moment lacks nothing but other values.
  bool fail_at_step(const std::string& text, Written& written) {
    const bool plain = sqlite3_errcode(database_.get()) == SQLITE_ERROR;
    fail(written);
    if (plain) {
      sqlite3_stmt* made = nullptr;
      const bool sound =
          sqlite3_prepare_v2(database_.get(), text.data(), static_cast<int>(text.size()), &made,
                             nullptr) == SQLITE_OK;
      sqlite3_finalize(made);
      if (sound) {
        written.kind = Written::Kind::refused;
        again_ = false;
      }
    }
    return false;
  }

  bool run(std::span<const Change* const> changes, const Position& position, Written& written) {
    std::uint64_t done = 0;
    if (!position.journal.empty() && !come_so_far(position.journal, done, written)) {
      return no_changes_fault(written);
    }
    if (!position.journal.empty()) {
      written.reached = done;
    }
    for (std::size_t i = 0; i < changes.size(); i++) {
      if (!position.journal.empty() && position.sequences[i] <= done) {
        written.rows.push_back(0);
      } else if (!change(*changes[i], written)) {
        return false;
      }
    }
    return position.journal.empty() || position.sequences.empty() ||
           note(position.journal, std::max(done, position.sequences.back()), written) ||
           no_changes_fault(written);
  }

  // The journal's table is none of theirs.
  bool no_changes_fault(Written& written) {
    if (written.kind == Written::Kind::refused) {
      written.kind = Written::Kind::failed;
      again_ = true;
    }
    return false;
  }

  bool change(const Change& change, Written& written) {
    const Query& query = queries_[change.statement];
    if (!prepare(statements_[change.statement], query.text, written)) {
      return false;
    }
    sqlite3_stmt* statement = statements_[change.statement].get();
    if (std::string why = unknown_parameter(statement, query); !why.empty()) {
      written.why = std::move(why);
      return false;
    }
    const sqlite3_int64 before = sqlite3_total_changes64(database_.get());
    bool good = bind_values(statement, query, change.values) || fail(written);
    while (good) {
      const int result = sqlite3_step(statement);
      if (result == SQLITE_DONE) {
        break;
      }
      good = result == SQLITE_ROW || fail_at_step(query.text, written);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (good) {
      written.rows.push_back(
          static_cast<std::uint64_t>(sqlite3_total_changes64(database_.get()) - before));
    }
    return good;
  }

  bool prepare(Statement& statement, const std::string& text, Written& written) {
    if (statement) {
      return true;
    }
    sqlite3_stmt* made = nullptr;
    const char* rest = nullptr;
    if (sqlite3_prepare_v3(database_.get(), text.data(), static_cast<int>(text.size()),
                           SQLITE_PREPARE_PERSISTENT, &made, &rest) != SQLITE_OK) {
      return fail(written);
    }
    statement.reset(made);
    const std::string_view behind(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
    if (made == nullptr || behind.find_first_not_of(" \t\r\n;") != behind.npos) {
      statement.reset();
      written.why = "it has to be one statement";
      return false;
    }
    return true;
  }

  // The number of the last change that was applied; 0: none was.
  bool come_so_far(std::string_view journal, std::uint64_t& done, Written& written) {
    const std::string table(kJournalTable);
    if (!find_ && !command(("create table if not exists " + table +
                            " (journal text primary key, sequence integer not null) without rowid")
                               .c_str(),
                           written)) {
      return false;
    }
    const std::string of = "(select sequence from " + table + " where journal = ?";
    if (!prepare(find_, "select coalesce(" + of + "1), " + of + "2), 0)", written) ||
        !prepare(note_, "insert or replace into " + table + " values (?, ?)", written)) {
      return false;
    }
    const std::string row = journal_row(journal, source_);
    sqlite3_bind_text64(find_.get(), 1, row.data(), row.size(), SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_text64(find_.get(), 2, journal.data(), journal.size(), SQLITE_STATIC, SQLITE_UTF8);
    const bool good = sqlite3_step(find_.get()) == SQLITE_ROW || fail(written);
    if (good) {
      done = static_cast<std::uint64_t>(sqlite3_column_int64(find_.get(), 0));
    }
    sqlite3_reset(find_.get());
    sqlite3_clear_bindings(find_.get());  // they point to what goes now
    return good;
  }

  bool note(std::string_view journal, std::uint64_t sequence, Written& written) {
    const std::string row = journal_row(journal, source_);
    sqlite3_bind_text64(note_.get(), 1, row.data(), row.size(), SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_int64(note_.get(), 2, static_cast<sqlite3_int64>(sequence));
    const bool good = sqlite3_step(note_.get()) == SQLITE_DONE || fail(written);
    sqlite3_reset(note_.get());
    sqlite3_clear_bindings(note_.get());
    return good;
  }

  const std::string path_;
  const std::string source_;
  const std::vector<Query> queries_;
  Database database_;
  std::vector<Statement> statements_;  // go before the database
  Statement find_;
  Statement note_;
  Time deadline_ = kNever;
  bool again_ = false;
};

}  // namespace

std::unique_ptr<Writer> make_sqlite_writer(const SourceConfig& config,
                                           std::vector<Query> statements) {
  return std::make_unique<SqliteWriter>(config, std::move(statements));
}

}  // namespace tiercache::l3
