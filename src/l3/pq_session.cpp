#include "pq_session.hpp"

#include "pool.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <utility>

#include <poll.h>

namespace tiercache::l3 {

namespace {

// Whoever may be stopped looks so often, in milliseconds.
constexpr std::int64_t kStopSlice = 50;
constexpr std::string_view kCanceled = "57014";  // statement_timeout, for one

Time now() {
  return std::chrono::steady_clock::now();
}

std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  std::ranges::replace_if(
      text, [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return text;
}

}  // namespace

PqSession::PqSession(std::string dsn, std::string settings)
    : dsn_(std::move(dsn)), settings_(std::move(settings)) {
}

PqProblem PqSession::lost(std::string why) {
  connection_.reset();
  return {PqProblem::Kind::lost, std::move(why)};
}

// Until the socket can be read or written, or the deadline. False: it is too late.
bool PqSession::wait(short events, Time deadline) const {
  pollfd poll{PQsocket(connection_.get()), events, 0};
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

PqProblem PqSession::connect(Time deadline) {
  if (connection_) {
    return {};
  }
  const char* const keywords[] = {"dbname", "client_encoding", "fallback_application_name",
                                  nullptr};
  const char* const values[] = {dsn_.c_str(), "UTF8", "tiercache", nullptr};
  connection_.reset(PQconnectStartParams(keywords, values, 1));
  if (!connection_ || PQstatus(connection_.get()) == CONNECTION_BAD) {
    return lost(connection_ ? one_line(PQerrorMessage(connection_.get())) : "no memory");
  }
  PQsetNoticeProcessor(
      connection_.get(), [](void* /*nothing*/, const char* /*text*/) {}, nullptr);
  for (PostgresPollingStatusType next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK;
       next = PQconnectPoll(connection_.get())) {
    if (next == PGRES_POLLING_FAILED) {
      return lost(one_line(PQerrorMessage(connection_.get())));
    }
    if (!wait(next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline)) {
      return lost(std::string(Connection::kTimeout));
    }
  }
  PQsetnonblocking(connection_.get(), 1);
  PqRows rows;
  PqProblem problem =
      result(PQsendQuery(connection_.get(), settings_.c_str()), PGRES_COMMAND_OK, deadline, rows);
  if (problem.kind != PqProblem::Kind::none) {
    connection_.reset();
  }
  return problem;
}

PqProblem PqSession::next(Time deadline, PqRows& rows) {
  PGconn* connection = connection_.get();
  for (;;) {
    const int left = PQflush(connection);
    if (left < 0) {
      return lost(one_line(PQerrorMessage(connection)));
    }
    // Also while not all is sent: else both sides may wait until the other one reads.
    if (PQisBusy(connection) == 0) {
      rows.reset(PQgetResult(connection));
      return {};
    }
    if (!wait(static_cast<short>(POLLIN | (left > 0 ? POLLOUT : 0)), deadline)) {
      return lost(std::string(Connection::kTimeout));  // the server sees that nobody waits
    }
    if (PQconsumeInput(connection) == 0) {
      return lost(one_line(PQerrorMessage(connection)));
    }
  }
}

PqProblem PqSession::result(int sent, ExecStatusType wanted, Time deadline, PqRows& rows,
                            const std::function<bool(const PGresult*)>& on_row) {
  if (sent == 0) {
    return lost(one_line(PQerrorMessage(connection_.get())));
  }
  for (;;) {
    PqRows more;
    if (PqProblem problem = next(deadline, more); problem.kind != PqProblem::Kind::none) {
      return problem;
    }
    if (!more) {
      break;
    }
    if (on_row && PQresultStatus(more.get()) == PGRES_SINGLE_TUPLE && !on_row(more.get())) {
      return lost("enough");
    }
    rows = std::move(more);
  }
  if (PQstatus(connection_.get()) == CONNECTION_BAD) {
    return lost(one_line(PQerrorMessage(connection_.get())));
  }
  return rows && PQresultStatus(rows.get()) == wanted ? PqProblem{} : problem_of(rows.get());
}

PqProblem PqSession::pipeline(std::size_t count, Time deadline,
                              const std::function<int(std::size_t)>& send,
                              const std::function<void(std::size_t, const PGresult*)>& take) {
  PGconn* connection = connection_.get();
  bool sent = PQenterPipelineMode(connection) != 0;
  for (std::size_t i = 0; sent && i < count; i++) {
    sent = send(i) != 0;
  }
  if (!sent || PQpipelineSync(connection) == 0) {
    return lost(one_line(PQerrorMessage(connection)));
  }
  PqProblem first;
  for (std::size_t i = 0;;) {
    PqRows rows;
    if (PqProblem problem = next(deadline, rows); problem.kind != PqProblem::Kind::none) {
      return problem;
    }
    if (PQstatus(connection) == CONNECTION_BAD) {
      return lost(one_line(PQerrorMessage(connection)));
    }
    if (!rows) {
      i++;
      continue;
    }
    switch (PQresultStatus(rows.get())) {
      case PGRES_PIPELINE_SYNC:
        return PQexitPipelineMode(connection) != 0 ? std::move(first)
                                                   : lost(one_line(PQerrorMessage(connection)));
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
        take(i, rows.get());
        break;
      case PGRES_PIPELINE_ABORTED:
        break;
      default:
        if (PqProblem problem = problem_of(rows.get()); problem.kind == PqProblem::Kind::lost) {
          return problem;
        } else if (first.kind == PqProblem::Kind::none) {
          first = std::move(problem);
        }
    }
  }
}

// Of a result that is not what was wanted; null: there was none.
PqProblem PqSession::problem_of(const PGresult* rows) {
  const char* message =
      rows != nullptr ? PQresultErrorField(rows, PG_DIAG_MESSAGE_PRIMARY) : nullptr;
  const char* state = rows != nullptr ? PQresultErrorField(rows, PG_DIAG_SQLSTATE) : nullptr;
  const std::string_view code = state == nullptr ? "" : state;
  std::string why = message == nullptr ? "the query yields no rows" : one_line(message);
  const std::string_view group = code.substr(0, 2);
  if (code == kCanceled) {
    return {PqProblem::Kind::query, std::string(Connection::kTimeout), std::string(code)};
  }
  // The server is going down, what was prepared is gone, or yields something else by now.
  if (group == "08" || group == "57" || group == "26" || group == "0A") {
    return lost(std::move(why));
  }
  return {group == "22" ? PqProblem::Kind::data : PqProblem::Kind::query, std::move(why),
          std::string(code)};
}

}  // namespace tiercache::l3
