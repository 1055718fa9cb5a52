// Writes to PostgreSQL: statements prepared on a session of libpq. The changes of a transaction are
// one pipeline, so that a batch costs the round trips of one change, however far the server is.
// COMMIT is apart: until it is sent it is known that nothing was changed.
//
// With a journal's position each transaction locks that journal's row first. So one whose
// connection was lost while it was being committed has ended, one way or the other, before another
// looks how far the journal has come.
#include "journal_row.hpp"
#include "pool.hpp"
#include "pq_session.hpp"
#include "sql.hpp"

#include "tiercache/l3/writer.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tiercache::l3 {

namespace {

constexpr int kAsText = 0;
constexpr int kBinary = 1;
// Changes of a transaction leave together until their values are so large.
constexpr std::size_t kPipelined = std::size_t{1} << 20;

class PostgresWriter final : public Writer {
 public:
  PostgresWriter(const SourceConfig& config, std::vector<Query> statements)
      : session_(config.dsn, "SET statement_timeout = " + std::to_string(config.timeout.count())),
        source_(config.name),
        queries_(std::move(statements)),
        prepared_(queries_.size()) {
  }

  Written apply(std::span<const Change* const> changes, const Position& position,
                Time deadline) override {
    deadline_ = deadline;
    committing_ = false;
    Written written;
    const bool used = session_.connected();
    bool applied = run(changes, position, written);
    if (!applied && used && !session_.connected() && written.kind == Written::Kind::failed &&
        !committing_) {
      // It may have been idle for long, and the server started anew.
      written = {};
      applied = run(changes, position, written);
    }
    if (applied) {
      written.kind = Written::Kind::applied;
      return written;
    }
    written.rows.clear();
    if (session_.connected() && PQtransactionStatus(session_.get()) != PQTRANS_IDLE) {
      Written ignored;
      if (!command("ROLLBACK", ignored)) {
        session_.close();
      }
    }
    return written;
  }

 private:
  struct Prepared {
    bool done = false;
    std::vector<std::size_t> order;
    std::vector<int> formats;
  };

  bool run(std::span<const Change* const> changes, const Position& position, Written& written) {
    if (!session_.connected()) {
      std::ranges::fill(prepared_, Prepared{});
      knows_journal_ = false;
      if (PqProblem problem = session_.connect(deadline_); problem.kind != PqProblem::Kind::none) {
        written.why = std::move(problem.why);
        return false;
      }
    }
    const bool journal = !position.journal.empty();
    std::uint64_t done = 0;
    if (!command("BEGIN", written)) {
      return false;
    }
    if (journal && !come_so_far(position.journal, done, written)) {
      return no_changes_fault(written);
    }
    if (journal) {
      written.reached = done;
    }
    std::span<const Change* const> left = changes;
    while (journal && !left.empty() && position.sequences[written.rows.size()] <= done) {
      written.rows.push_back(0);
      left = left.subspan(1);
    }
    while (!left.empty()) {
      if (!change_some(left, written)) {
        return false;
      }
    }
    if (journal && !position.sequences.empty() &&
        !note(position.journal, std::max(done, position.sequences.back()), written)) {
      return no_changes_fault(written);
    }
    committing_ = true;
    return command("COMMIT", written);
  }

  // Another may make the journal's table just now, or a trigger may forbid it.
  static bool no_changes_fault(Written& written) {
    if (written.kind == Written::Kind::refused) {
      written.kind = Written::Kind::failed;
    }
    return false;
  }

  bool good(PqProblem problem, Written& written) {
    if (problem.kind == PqProblem::Kind::none) {
      return true;
    }
    // What the server says of the values; of a statement it says so when that is prepared.
    const std::string_view group = std::string_view(problem.state).substr(0, 2);
    const bool refused =
        group == "22" || group == "23" || group == "44" || group == "54" || group == "P0";
    const bool lost = problem.kind == PqProblem::Kind::lost;
    written.kind = refused               ? Written::Kind::refused
                   : lost && committing_ ? Written::Kind::unknown
                                         : Written::Kind::failed;
    written.why = std::move(problem.why);
    return false;
  }

  bool command(const std::string& sql, Written& written) {
    PqRows rows;
    return good(session_.result(PQsendQuery(session_.get(), sql.c_str()), PGRES_COMMAND_OK,
                                deadline_, rows),
                written);
  }

  // What is bound to the parameters of one change's statement.
  struct Bound {
    std::size_t statement;
    std::vector<std::string> texts;
  };

  std::optional<Bound> bind(const Change& change, Written& written) {
    if (!prepare(change.statement, written)) {
      return std::nullopt;
    }
    const Prepared& prepared = prepared_[change.statement];
    Bound bound{change.statement, {}};
    for (std::size_t i = 0; i < prepared.order.size(); i++) {
      bound.texts.push_back(value_text(change.values[prepared.order[i]]));
      if (prepared.formats[i] == kAsText && !is_storable_text(bound.texts.back())) {
        written.kind = Written::Kind::refused;
        written.why = "it is no text that PostgreSQL can hold (UTF-8 without NUL)";
        return std::nullopt;
      }
    }
    return bound;
  }

  int send(const Bound& bound) {
    std::vector<const char*> pointers;
    std::vector<int> sizes;
    for (const std::string& text : bound.texts) {
      pointers.push_back(text.c_str());
      sizes.push_back(static_cast<int>(text.size()));
    }
    return PQsendQueryPrepared(session_.get(), name_of(bound.statement).c_str(),
                               static_cast<int>(pointers.size()), pointers.data(), sizes.data(),
                               prepared_[bound.statement].formats.data(), 0);
  }

  // The first of `left`, as many as may leave together; they are taken from it.
  bool change_some(std::span<const Change* const>& left, Written& written) {
    std::vector<Bound> bound;
    for (std::size_t bytes = 0; !left.empty() && bytes < kPipelined; left = left.subspan(1)) {
      auto one = bind(*left.front(), written);
      if (!one) {
        return false;
      }
      for (const std::string& text : one->texts) {
        bytes += text.size();
      }
      bound.push_back(*std::move(one));
    }
    PqProblem problem = session_.pipeline(
        bound.size(), deadline_, [&](std::size_t i) { return send(bound[i]); },
        [&](std::size_t /*index*/, const PGresult* rows) {
          const std::string_view count = PQcmdTuples(const_cast<PGresult*>(rows));
          std::uint64_t number = 0;
          std::from_chars(count.data(), count.data() + count.size(), number);
          written.rows.push_back(number);
        });
    return good(std::move(problem), written);
  }

  static std::string name_of(std::size_t index) {
    return "w" + std::to_string(index);
  }

  // The value's type is the one that the statement wants.
  bool prepare(std::size_t index, Written& written) {
    Prepared& prepared = prepared_[index];
    if (prepared.done) {
      return true;
    }
    const Query& query = queries_[index];
    auto made = numbered(query.text, query.parameters);
    if (!made) {
      written.why = made.error().detail;
      return false;
    }
    std::vector<Oid> types;
    for (const std::size_t position : made->order) {
      types.push_back(query.parameters[position] == kValueParameter ? kUnspecified
                      : query.integers[position]                    ? kInt8
                                                                    : kText);
    }
    const std::string name = name_of(index);
    PqRows rows;
    if (!good(session_.result(PQsendPrepare(session_.get(), name.c_str(), made->text.c_str(),
                                            static_cast<int>(types.size()), types.data()),
                              PGRES_COMMAND_OK, deadline_, rows),
              written) ||
        !good(session_.result(PQsendDescribePrepared(session_.get(), name.c_str()),
                              PGRES_COMMAND_OK, deadline_, rows),
              written)) {
      // No change can be blamed for it.
      written.kind = Written::Kind::failed;
      return false;
    }
    for (int i = 0; i < static_cast<int>(types.size()); i++) {
      prepared.formats.push_back(PQparamtype(rows.get(), i) == kBytea ? kBinary : kAsText);
    }
    prepared.order = std::move(made->order);
    prepared.done = true;
    return true;
  }

  // The second one may be empty: there is none.
  bool ask(const std::string& sql, std::string_view one, std::string_view other,
           ExecStatusType wanted, PqRows& rows, Written& written) {
    const std::string first(one);
    const std::string second(other);
    const char* const values[] = {first.c_str(), second.c_str()};
    const int count = other.empty() ? 1 : 2;
    return good(session_.result(PQsendQueryParams(session_.get(), sql.c_str(), count, nullptr,
                                                  values, nullptr, nullptr, 0),
                                wanted, deadline_, rows),
                written);
  }

  // The number of the last change that was applied; 0: none was.
  bool come_so_far(std::string_view journal, std::uint64_t& done, Written& written) {
    const std::string row = journal_row(journal, source_);
    const std::string table(kJournalTable);
    PqRows rows;
    if (!knows_journal_) {
      // In a transaction of its own: the row has to be there to be locked.
      if (!command("CREATE TABLE IF NOT EXISTS " + table +
                       " (journal text PRIMARY KEY, sequence bigint NOT NULL)",
                   written) ||
          !ask("INSERT INTO " + table + " SELECT $1, coalesce(max(sequence), 0) FROM " + table +
                   " WHERE journal = $2 ON CONFLICT DO NOTHING",
               row, journal, PGRES_COMMAND_OK, rows, written) ||
          !command("COMMIT", written) || !command("BEGIN", written)) {
        return false;
      }
      knows_journal_ = true;
    }
    if (!ask("SELECT sequence FROM " + table + " WHERE journal = $1 FOR UPDATE", row, {},
             PGRES_TUPLES_OK, rows, written)) {
      return false;
    }
    if (PQntuples(rows.get()) == 0) {
      knows_journal_ = false;
      written.why = "the journal's row is gone";
      return false;
    }
    const std::string_view text = PQgetvalue(rows.get(), 0, 0);
    std::from_chars(text.data(), text.data() + text.size(), done);
    return true;
  }

  bool note(std::string_view journal, std::uint64_t sequence, Written& written) {
    PqRows rows;
    return ask("UPDATE " + std::string(kJournalTable) + " SET sequence = $2 WHERE journal = $1",
               journal_row(journal, source_), std::to_string(sequence), PGRES_COMMAND_OK, rows,
               written);
  }

  PqSession session_;
  const std::string source_;
  const std::vector<Query> queries_;
  std::vector<Prepared> prepared_;
  Time deadline_ = kNever;
  bool committing_ = false;
  bool knows_journal_ = false;
};

}  // namespace

std::unique_ptr<Writer> make_postgres_writer(const SourceConfig& config,
                                             std::vector<Query> statements) {
  return std::make_unique<PostgresWriter>(config, std::move(statements));
}

}  // namespace tiercache::l3
