// A session with PostgreSQL through libpq, without blocking, so that a deadline holds. With
// postgres.cpp, postgres_writer.cpp and listener.cpp the one place that knows the library.
//
// Used by one thread.
#pragma once

#include "tiercache/base/time.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <libpq-fe.h>

namespace tiercache::l3 {

struct PqProblem {
  enum class Kind : std::uint8_t {
    none,
    lost,   // the connection is of no use any more
    data,   // a parameter is of no use (SQLSTATE class 22)
    query,  // all else
  };
  Kind kind = Kind::none;
  std::string why;      // one line
  std::string state{};  // the server's SQLSTATE; empty: it said nothing
};

// Types by their numbers, which never change.
constexpr Oid kUnspecified = 0;
constexpr Oid kBytea = 17;
constexpr Oid kInt8 = 20;
constexpr Oid kText = 25;

struct PqClear {
  void operator()(PGresult* result) const {
    PQclear(result);
  }
};
using PqRows = std::unique_ptr<PGresult, PqClear>;

class PqSession {
 public:
  // `settings`: SQL that each new connection begins with.
  PqSession(std::string dsn, std::string settings);

  bool connected() const noexcept {
    return connection_ != nullptr;
  }
  // REQUIRES: connected.
  PGconn* get() const noexcept {
    return connection_.get();
  }
  // If it is not connected.
  PqProblem connect(Time deadline);
  // The last result of what was just sent; `sent` is what the PQsend function said. In single-row
  // mode each row but the last result, which has none, goes to `on_row`; where that says no the
  // rest is not read, and the connection is lost.
  PqProblem result(int sent, ExecStatusType wanted, Time deadline, PqRows& rows,
                   const std::function<bool(const PGresult*)>& on_row = {});
  // Requests that leave together, in libpq's pipeline mode, up to one round trip for all: `send(i)`
  // sends the one of that number by a PQsend function and says what that said, and `take(i, rows)`
  // gets its result. The first that goes wrong is the problem; those behind it are not executed,
  // and not taken. Within a transaction that is open: else each pipeline is one of its own. What is
  // sent is in memory until the server has it. REQUIRES: connected.
  PqProblem pipeline(std::size_t count, Time deadline, const std::function<int(std::size_t)>& send,
                     const std::function<void(std::size_t, const PGresult*)>& take);
  // Waits end, as if it was too late, soon after this has become true.
  void stop_by(const std::atomic<bool>& stop) noexcept {
    stop_ = &stop;
  }
  void close() noexcept {
    connection_.reset();
  }

 private:
  struct Finish {
    void operator()(PGconn* connection) const {
      PQfinish(connection);
    }
  };

  PqProblem lost(std::string why);
  // What libpq has next; null: it has said all of a request.
  PqProblem next(Time deadline, PqRows& rows);
  PqProblem problem_of(const PGresult* rows);
  bool wait(short events, Time deadline) const;

  const std::string dsn_;
  const std::string settings_;
  std::unique_ptr<PGconn, Finish> connection_;
  const std::atomic<bool>* stop_ = nullptr;
};

}  // namespace tiercache::l3
