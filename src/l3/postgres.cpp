// PostgreSQL through libpq, without blocking, so that a deadline holds. The one place that knows
// its library.
#include "listed.hpp"
#include "pool.hpp"
#include "sql.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <libpq-fe.h>
#include <poll.h>

namespace tiercache::l3 {

namespace {

using Value = config::KeyPattern::Value;

// Types by their numbers, which never change.
constexpr Oid kBytea = 17;
constexpr Oid kInt8 = 20;
constexpr Oid kText = 25;
constexpr Oid kInt8Array = 1016;
constexpr Oid kTextArray = 1009;

// A listing looks so often, in milliseconds, whether it is to stop.
constexpr std::int64_t kStopSlice = 50;
constexpr std::string_view kCanceled = "57014";  // statement_timeout, for one

struct Finish {
  void operator()(PGconn* connection) const {
    PQfinish(connection);
  }
};
struct Clear {
  void operator()(PGresult* result) const {
    PQclear(result);
  }
};
using Connected = std::unique_ptr<PGconn, Finish>;
using Rows = std::unique_ptr<PGresult, Clear>;

Time now() {
  return std::chrono::steady_clock::now();
}

Loaded failed(std::string why) {
  return {Loaded::Kind::failed, std::move(why)};
}

std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  std::ranges::replace_if(
      text, [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return text;
}

std::string text_of(const Value& value) {
  const auto* number = std::get_if<std::int64_t>(&value);
  return number != nullptr ? std::to_string(*number) : std::get<std::string>(value);
}

class Postgres final : public Connection {
 public:
  Postgres(const SourceConfig& config, const std::vector<Query>& queries)
      : dsn_(config.dsn), timeout_(config.timeout), queries_(queries), prepared_(queries.size()) {
  }

  void run(std::span<const Load* const> loads, Time deadline, std::span<Loaded> results) override {
    const bool used = connected_ != nullptr;
    Problem problem = ask(loads, deadline, results);
    if (problem.kind == Problem::Kind::lost && used && now() < deadline) {
      // It may have been idle for long, and the server started anew. A read can be asked again.
      problem = ask(loads, deadline, results);
    }
    if (problem.kind == Problem::Kind::data && loads.size() > 1) {
      // One of the keys is none that the query can take; the others are not to fail for it.
      for (std::size_t i = 0; i < loads.size(); i++) {
        run(loads.subspan(i, 1), deadline, results.subspan(i, 1));
      }
      return;
    }
    if (problem.kind != Problem::Kind::none) {
      const bool away = problem.kind == Problem::Kind::lost || problem.why == kTimeout;
      std::ranges::fill(results, Loaded{Loaded::Kind::failed, problem.why, away});
    }
  }

  Result<std::vector<std::string>> list(const Listing& listing, Time deadline,
                                        const std::atomic<bool>& stop) {
    stop_ = &stop;
    Listed listed(listing);
    bool enough = false;
    Problem problem = connect(deadline);
    if (problem.kind == Problem::Kind::none) {
      // With parameters, of which there are none, one statement is all that it may be.
      const int sent = PQsendQueryParams(connected_.get(), listing.query.c_str(), 0, nullptr,
                                         nullptr, nullptr, nullptr, 0);
      if (sent != 0) {
        PQsetSingleRowMode(connected_.get());
      }
      Rows rows;
      problem = result(sent, PGRES_TUPLES_OK, deadline, rows, [&](const PGresult* row) {
        const Loaded loaded = cell(row, 0, 0);
        enough = loaded.kind == Loaded::Kind::value && !listed.add(loaded.bytes);
        return !enough;
      });
      if (problem.kind == Problem::Kind::none && PQnfields(rows.get()) == 0) {
        problem = {Problem::Kind::query, "the query yields no column"};
      }
    }
    if (problem.kind != Problem::Kind::none && !enough) {
      const bool away = problem.kind == Problem::Kind::lost || problem.why == kTimeout;
      return Error{away ? ErrorCode::unavailable : ErrorCode::refused, std::move(problem.why)};
    }
    return std::move(listed).take();
  }

 private:
  struct Problem {
    enum class Kind : std::uint8_t {
      none,
      lost,   // the connection is of no use any more
      data,   // a parameter is of no use (SQLSTATE class 22)
      query,  // all else
    };
    Kind kind = Kind::none;
    std::string why;
  };
  struct Prepared {
    bool done = false;
    std::vector<std::size_t> order;
  };

  Problem ask(std::span<const Load* const> loads, Time deadline, std::span<Loaded> results) {
    if (Problem problem = connect(deadline); problem.kind != Problem::Kind::none) {
      return problem;
    }
    const std::size_t index = loads[0]->query;
    if (Problem problem = prepare(index, deadline); problem.kind != Problem::Kind::none) {
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
      parameters.push_back(queries_[index].batch > 1 ? array_literal(values) : text_of(*values[0]));
    }
    std::vector<const char*> pointers;
    for (const std::string& parameter : parameters) {
      pointers.push_back(parameter.c_str());
    }
    const int sent = PQsendQueryPrepared(connected_.get(), name_of(index).c_str(),
                                         static_cast<int>(pointers.size()), pointers.data(),
                                         nullptr, nullptr, 0);
    Rows rows;
    if (Problem problem = result(sent, PGRES_TUPLES_OK, deadline, rows);
        problem.kind != Problem::Kind::none) {
      return problem;
    }
    return queries_[index].batch > 1 ? many(rows.get(), loads, askable, results)
                                     : single(rows.get(), results[askable[0]]);
  }

  static std::string name_of(std::size_t index) {
    return "q" + std::to_string(index);
  }

  Problem lost(std::string why) {
    connected_.reset();
    return {Problem::Kind::lost, std::move(why)};
  }

  // Until the socket can be read or written, or the deadline. False: it is too late.
  bool wait(short events, Time deadline) const {
    pollfd poll{PQsocket(connected_.get()), events, 0};
    for (;;) {
      const auto left = (deadline - now()) / std::chrono::milliseconds(1) + 1;
      if (left <= 0 || (stop_ != nullptr && stop_->load(std::memory_order_relaxed))) {
        return false;
      }
      const std::int64_t slice = stop_ != nullptr ? kStopSlice : 60'000;
      const int ready = ::poll(&poll, 1, static_cast<int>(std::min<std::int64_t>(left, slice)));
      if (ready > 0) {
        return true;
      }
      if (ready < 0 && errno != EINTR) {
        return false;
      }
    }
  }

  Problem connect(Time deadline) {
    if (connected_) {
      return {};
    }
    std::ranges::fill(prepared_, Prepared{});
    const char* const keywords[] = {"dbname", "client_encoding", "fallback_application_name",
                                    nullptr};
    const char* const values[] = {dsn_.c_str(), "UTF8", "tiercache", nullptr};
    connected_.reset(PQconnectStartParams(keywords, values, 1));
    if (!connected_ || PQstatus(connected_.get()) == CONNECTION_BAD) {
      return lost(connected_ ? one_line(PQerrorMessage(connected_.get())) : "no memory");
    }
    PQsetNoticeProcessor(
        connected_.get(), [](void* /*nothing*/, const char* /*text*/) {}, nullptr);
    for (PostgresPollingStatusType next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK;
         next = PQconnectPoll(connected_.get())) {
      if (next == PGRES_POLLING_FAILED) {
        return lost(one_line(PQerrorMessage(connected_.get())));
      }
      if (!wait(next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline)) {
        return lost(std::string(kTimeout));
      }
    }
    PQsetnonblocking(connected_.get(), 1);
    // Nothing is to be changed here, and the server is to give up too.
    const std::string settings =
        "SET default_transaction_read_only = on; SET statement_timeout = " +
        std::to_string(timeout_.count());
    Rows rows;
    Problem problem =
        result(PQsendQuery(connected_.get(), settings.c_str()), PGRES_COMMAND_OK, deadline, rows);
    if (problem.kind != Problem::Kind::none) {
      connected_.reset();
    }
    return problem;
  }

  Problem prepare(std::size_t index, Time deadline) {
    Prepared& prepared = prepared_[index];
    if (prepared.done) {
      return {};
    }
    const Query& query = queries_[index];
    auto made = numbered(query.text, query.parameters);
    if (!made) {
      return {Problem::Kind::query, made.error().detail};
    }
    std::vector<Oid> types;
    for (const std::size_t position : made->order) {
      const bool number = query.integers[position];
      types.push_back(query.batch > 1 ? (number ? kInt8Array : kTextArray)
                                      : (number ? kInt8 : kText));
    }
    Rows rows;
    if (Problem problem =
            result(PQsendPrepare(connected_.get(), name_of(index).c_str(), made->text.c_str(),
                                 static_cast<int>(types.size()), types.data()),
                   PGRES_COMMAND_OK, deadline, rows);
        problem.kind != Problem::Kind::none) {
      return problem;
    }
    prepared.order = std::move(made->order);
    prepared.done = true;
    return {};
  }

  // Of what was just sent. In single-row mode each row but the last result, which has none, goes to
  // `on_row`; where that says no the rest is not read, and the connection is lost.
  Problem result(int sent, ExecStatusType wanted, Time deadline, Rows& rows,
                 const std::function<bool(const PGresult*)>& on_row = {}) {
    PGconn* connection = connected_.get();
    if (sent == 0) {
      return lost(one_line(PQerrorMessage(connection)));
    }
    for (;;) {
      const int left = PQflush(connection);
      if (left < 0) {
        return lost(one_line(PQerrorMessage(connection)));
      }
      if (left == 0 && PQisBusy(connection) == 0) {
        Rows next(PQgetResult(connection));
        if (!next) {
          break;
        }
        if (on_row && PQresultStatus(next.get()) == PGRES_SINGLE_TUPLE && !on_row(next.get())) {
          return lost("enough");
        }
        rows = std::move(next);
        continue;
      }
      if (!wait(static_cast<short>(POLLIN | (left > 0 ? POLLOUT : 0)), deadline)) {
        return lost(std::string(kTimeout));  // the server sees that nobody waits
      }
      if (PQconsumeInput(connection) == 0) {
        return lost(one_line(PQerrorMessage(connection)));
      }
    }
    if (PQstatus(connection) == CONNECTION_BAD) {
      return lost(one_line(PQerrorMessage(connection)));
    }
    if (rows && PQresultStatus(rows.get()) == wanted) {
      return {};
    }
    const char* message = rows ? PQresultErrorField(rows.get(), PG_DIAG_MESSAGE_PRIMARY) : nullptr;
    const char* state = rows ? PQresultErrorField(rows.get(), PG_DIAG_SQLSTATE) : nullptr;
    const std::string_view code = state == nullptr ? "" : state;
    std::string why = message == nullptr ? "the query yields no rows" : one_line(message);
    const std::string_view group = code.substr(0, 2);
    if (code == kCanceled) {
      return {Problem::Kind::query, std::string(kTimeout)};
    }
    // The server is going down, what was prepared is gone, or yields something else by now.
    if (group == "08" || group == "57" || group == "26" || group == "0A") {
      return lost(std::move(why));
    }
    return {group == "22" ? Problem::Kind::data : Problem::Kind::query, std::move(why)};
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

  static Problem single(const PGresult* rows, Loaded& result) {
    if (PQnfields(rows) != 1) {
      return {Problem::Kind::query, "the query does not yield exactly one column"};
    }
    if (PQntuples(rows) > 0) {
      result = cell(rows, 0, 0);
    }
    return {};
  }

  // Rows of a key's part and a value, in any order.
  static Problem many(const PGresult* rows, std::span<const Load* const> loads,
                      const std::vector<std::size_t>& askable, std::span<Loaded> results) {
    if (PQnfields(rows) != 2) {
      return {Problem::Kind::query,
              "the query of a batch does not yield exactly the key's part and the value"};
    }
    std::unordered_map<std::string_view, int> row_of;
    for (int row = 0; row < PQntuples(rows); row++) {
      row_of.emplace(std::string_view(PQgetvalue(rows, row, 0),
                                      static_cast<std::size_t>(PQgetlength(rows, row, 0))),
                     row);
    }
    for (const std::size_t i : askable) {
      const auto found = row_of.find(text_of(loads[i]->values[0]));
      if (found != row_of.end()) {
        results[i] = cell(rows, found->second, 1);
      }
    }
    return {};
  }

  const std::string dsn_;
  const std::chrono::milliseconds timeout_;
  const std::vector<Query> queries_;
  Connected connected_;
  std::vector<Prepared> prepared_;
  const std::atomic<bool>* stop_ = nullptr;  // of a listing
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
