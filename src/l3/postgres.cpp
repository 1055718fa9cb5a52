// Loads from PostgreSQL: queries prepared on a session of libpq, of one key or of many.
#include "fields.hpp"
#include "listed.hpp"
#include "pool.hpp"
#include "pq_session.hpp"
#include "sql.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <libpq-fe.h>

namespace tiercache::l3 {

namespace {

using Value = config::KeyPattern::Value;

constexpr Oid kInt8Array = 1016;
constexpr Oid kTextArray = 1009;

Time now() {
  return std::chrono::steady_clock::now();
}

Loaded failed(std::string why) {
  return {Loaded::Kind::failed, std::move(why)};
}

class Postgres final : public Connection {
 public:
  Postgres(const SourceConfig& config, const std::vector<Query>& queries)
      : session_(config.dsn,
                 // Nothing is to be changed here, and the server is to give up too.
                 "SET default_transaction_read_only = on; SET statement_timeout = " +
                     std::to_string(config.timeout.count())),
        queries_(queries),
        prepared_(queries.size()) {
  }

  void run(std::span<const Load* const> loads, Time deadline, std::span<Loaded> results) override {
    const bool used = session_.connected();
    PqProblem problem = ask(loads, deadline, results);
    if (problem.kind == PqProblem::Kind::lost && used && now() < deadline) {
      // It may have been idle for long, and the server started anew. A read can be asked again.
      problem = ask(loads, deadline, results);
    }
    if (problem.kind == PqProblem::Kind::data && loads.size() > 1) {
      // One of the keys is none that the query can take; the others are not to fail for it.
      for (std::size_t i = 0; i < loads.size(); i++) {
        run(loads.subspan(i, 1), deadline, results.subspan(i, 1));
      }
      return;
    }
    if (problem.kind != PqProblem::Kind::none) {
      const bool away = problem.kind == PqProblem::Kind::lost || problem.why == kTimeout;
      std::ranges::fill(results, Loaded{Loaded::Kind::failed, problem.why, away});
    }
  }

  Result<std::vector<std::string>> list(const Listing& listing, Time deadline,
                                        const std::atomic<bool>& stop) {
    session_.stop_by(stop);
    Listed listed(listing);
    bool enough = false;
    PqProblem problem = session_.connect(deadline);
    if (problem.kind == PqProblem::Kind::none) {
      // With parameters, of which there are none, one statement is all that it may be.
      const int sent = PQsendQueryParams(session_.get(), listing.query.c_str(), 0, nullptr, nullptr,
                                         nullptr, nullptr, 0);
      if (sent != 0) {
        PQsetSingleRowMode(session_.get());
      }
      PqRows rows;
      problem = session_.result(sent, PGRES_TUPLES_OK, deadline, rows, [&](const PGresult* row) {
        const Loaded loaded = cell(row, 0, 0);
        enough = loaded.kind == Loaded::Kind::value && !listed.add(loaded.bytes);
        return !enough;
      });
      if (problem.kind == PqProblem::Kind::none && PQnfields(rows.get()) == 0) {
        problem = {PqProblem::Kind::query, "the query yields no column"};
      }
    }
    if (problem.kind != PqProblem::Kind::none && !enough) {
      const bool away = problem.kind == PqProblem::Kind::lost || problem.why == kTimeout;
      return Error{away ? ErrorCode::unavailable : ErrorCode::refused, std::move(problem.why)};
    }
    return std::move(listed).take();
  }

 private:
  struct Prepared {
    bool done = false;
    std::vector<std::size_t> order;
  };

  PqProblem ask(std::span<const Load* const> loads, Time deadline, std::span<Loaded> results) {
    if (!session_.connected()) {
      std::ranges::fill(prepared_, Prepared{});
    }
    if (PqProblem problem = session_.connect(deadline); problem.kind != PqProblem::Kind::none) {
      return problem;
    }
    const std::size_t index = loads[0]->query;
    if (PqProblem problem = prepare(index, deadline); problem.kind != PqProblem::Kind::none) {
      return problem;
    }
    std::vector<std::size_t> askable;
    for (std::size_t i = 0; i < loads.size(); i++) {
      results[i] = {Loaded::Kind::absent, {}};
      if (std::ranges::all_of(loads[i]->values, [](const Value& value) {
            const auto* text = std::get_if<std::string>(&value);
            return text == nullptr || is_storable_text(*text);
          })) {
        askable.push_back(i);
      }
    }
    if (askable.empty()) {
      return {};
    }
    std::vector<std::string> parameters;
    for (const std::size_t position : prepared_[index].order) {
      std::vector<const Value*> values;
      for (const std::size_t i : askable) {
        values.push_back(&loads[i]->values[position]);
      }
      parameters.push_back(queries_[index].batch > 1 ? array_literal(values)
                                                     : value_text(*values[0]));
    }
    std::vector<const char*> pointers;
    for (const std::string& parameter : parameters) {
      pointers.push_back(parameter.c_str());
    }
    const int sent = PQsendQueryPrepared(session_.get(), name_of(index).c_str(),
                                         static_cast<int>(pointers.size()), pointers.data(),
                                         nullptr, nullptr, 0);
    PqRows rows;
    if (PqProblem problem = session_.result(sent, PGRES_TUPLES_OK, deadline, rows);
        problem.kind != PqProblem::Kind::none) {
      return problem;
    }
    const Query& query = queries_[index];
    if (PqProblem problem = check(rows.get(), query); problem.kind != PqProblem::Kind::none) {
      return problem;
    }
    if (query.batch > 1) {
      many(rows.get(), query, loads, askable, results);
    } else if (PQntuples(rows.get()) > 0) {
      results[askable[0]] = brought(rows.get(), 0, query);
    }
    return {};
  }

  static std::string name_of(std::size_t index) {
    return "q" + std::to_string(index);
  }

  PqProblem prepare(std::size_t index, Time deadline) {
    Prepared& prepared = prepared_[index];
    if (prepared.done) {
      return {};
    }
    const Query& query = queries_[index];
    auto made = numbered(query.text, query.parameters);
    if (!made) {
      return {PqProblem::Kind::query, made.error().detail};
    }
    std::vector<Oid> types;
    for (const std::size_t position : made->order) {
      const bool number = query.integers[position];
      types.push_back(query.batch > 1 ? (number ? kInt8Array : kTextArray)
                                      : (number ? kInt8 : kText));
    }
    PqRows rows;
    if (PqProblem problem = session_.result(
            PQsendPrepare(session_.get(), name_of(index).c_str(), made->text.c_str(),
                          static_cast<int>(types.size()), types.data()),
            PGRES_COMMAND_OK, deadline, rows);
        problem.kind != PqProblem::Kind::none) {
      return problem;
    }
    prepared.order = std::move(made->order);
    prepared.done = true;
    return {};
  }

  // A column's bytes; nothing for NULL.
  static Loaded cell(const PGresult* rows, int row, int column) {
    if (PQgetisnull(rows, row, column) != 0) {
      return {Loaded::Kind::absent, {}};
    }
    const char* text = PQgetvalue(rows, row, column);
    const auto size = static_cast<std::size_t>(PQgetlength(rows, row, column));
    std::string bytes;
    if (PQftype(rows, column) == kBytea) {
      std::size_t length = 0;
      unsigned char* raw = PQunescapeBytea(reinterpret_cast<const unsigned char*>(text), &length);
      if (raw == nullptr) {
        return failed("no memory");
      }
      bytes.assign(reinterpret_cast<const char*>(raw), length);
      PQfreemem(raw);
    } else {
      bytes.assign(text, size);
    }
    if (bytes.size() > kMaxValue) {
      return failed("the value is larger than 64mb");
    }
    return {Loaded::Kind::value, std::move(bytes)};
  }

  // Whether the columns are what the query is to yield.
  static PqProblem check(const PGresult* rows, const Query& query) {
    const int first = query.batch > 1 ? 1 : 0;
    if (query.hash) {
      std::vector<std::string_view> names;
      for (int column = first; column < PQnfields(rows); column++) {
        names.emplace_back(PQfname(rows, column));
      }
      std::string why = wrong_names(names);
      return {why.empty() ? PqProblem::Kind::none : PqProblem::Kind::query, std::move(why)};
    }
    if (PQnfields(rows) == first + 1) {
      return {};
    }
    return {PqProblem::Kind::query,
            first == 0
                ? "the query does not yield exactly one column"
                : "the query of a batch does not yield exactly the key's part and the value"};
  }

  // What a row brings.
  static Loaded brought(const PGresult* rows, int row, const Query& query) {
    const int first = query.batch > 1 ? 1 : 0;
    if (!query.hash) {
      return cell(rows, row, first);
    }
    Fields fields;
    for (int column = first; column < PQnfields(rows); column++) {
      Loaded one = cell(rows, row, column);
      if (one.kind == Loaded::Kind::failed) {
        return one;
      }
      if (one.kind == Loaded::Kind::value) {
        fields.add(PQfname(rows, column), std::move(one.bytes));
      }
    }
    return std::move(fields).take();
  }

  // Rows of a key's part and what it has, in any order.
  static void many(const PGresult* rows, const Query& query, std::span<const Load* const> loads,
                   const std::vector<std::size_t>& askable, std::span<Loaded> results) {
    std::unordered_map<std::string_view, int> row_of;
    for (int row = 0; row < PQntuples(rows); row++) {
      row_of.emplace(std::string_view(PQgetvalue(rows, row, 0),
                                      static_cast<std::size_t>(PQgetlength(rows, row, 0))),
                     row);
    }
    for (const std::size_t i : askable) {
      const auto found = row_of.find(value_text(loads[i]->values[0]));
      if (found != row_of.end()) {
        results[i] = brought(rows, found->second, query);
      }
    }
  }

  PqSession session_;
  const std::vector<Query> queries_;
  std::vector<Prepared> prepared_;
};

}  // namespace

std::unique_ptr<Source> make_postgres(SourceConfig config, std::vector<Query> queries) {
  return std::make_unique<Pool>(
      config, queries, [config, queries] { return std::make_unique<Postgres>(config, queries); });
}

Result<std::vector<std::string>> list_postgres(const SourceConfig& config, const Listing& listing,
                                               const std::atomic<bool>& stop) {
  return Postgres(config, {}).list(listing, now() + config.timeout, stop);
}

}  // namespace tiercache::l3
