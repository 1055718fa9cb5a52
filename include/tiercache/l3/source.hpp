// Where values come from that Redis does not have: a database that is asked with the parts of a key
// as bound parameters, of several keys at once where the query can, or a server of HTTP. A pool of
// threads asks; whoever wants a value hands in a Load and is called back.
//
// Owner: the server room. submit() and totals() on any thread; `done` is called once, on a thread
// of the pool or, by the destructor, on the one that destroys the source.
//
// Limits: `concurrency` queries at a time, while cold fewer, `queue` loads that wait (submit() then
// refuses), `timeout` for each from its submission, waiting included: the query is interrupted
// then, and one that has waited so long is not begun, so an answer comes after twice that at the
// latest. A value is kMaxValue at most, of kMaxFields where it is a hash. A source that has not
// answered several times in a row is left alone for a while (src/l3/breaker.hpp).
#pragma once

#include "tiercache/base/time.hpp"
#include "tiercache/config/key_pattern.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::l3 {

inline constexpr std::size_t kMaxValue = std::size_t{64} << 20U;
inline constexpr std::size_t kMaxFields = 10'000;
inline constexpr std::string_view kAway = "it does not answer, and is left alone for a while";

struct SourceConfig {
  std::string name;
  std::string path;  // of an SQLite file, which is opened for reading only
  std::string dsn;   // of PostgreSQL: what libpq connects to
  std::string url;   // of HTTP: a config::BaseUrl
  unsigned concurrency = 4;
  unsigned queue = 1024;
  std::chrono::milliseconds timeout{1000};
  std::chrono::microseconds window{0};  // so long a load waits for others to go with
  std::size_t validated = 0;  // of HTTP: bytes of answers that are kept for conditional requests
  unsigned cold_concurrency = 0;  // queries at a time to begin with (src/l3/ramp.hpp); 0: all
  // Has to call `tell`, which calls back the loads that one query has answered; empty: nobody has
  // anything to do before or after them.
  std::function<void(const std::function<void()>& tell)> around{};
};

// One of those that a source is asked. It yields one column; of its rows the first counts. With
// `batch` it takes so many keys at once: its one parameter is an array, and it yields a row for
// each key that there is, of the part and the value.
struct Query {
  std::string text;                     // parameters by name, ":id"; of HTTP a config::PathPattern
  std::vector<std::string> parameters;  // the names of a load's values
  std::vector<bool> integers{};         // which of these are numbers
  std::size_t batch = 1;                // more: PostgreSQL only
  // A row becomes a hash: of each column a field, but for the key's part of a batch and for NULLs;
  // of HTTP each member of a JSON object, but for nulls.
  bool hash = false;
};

struct Loaded {
  enum class Kind : std::uint8_t {
    value,
    absent,  // no row, or NULL, or of a hash nothing but NULLs
    failed,  // `bytes` says why, in one line
  };
  Kind kind = Kind::failed;
  std::string bytes;                  // of a hash none
  bool away = false;                  // failed: the source has not answered
  bool not_modified = false;          // value: the source said that an earlier one is still true
  std::vector<std::string> fields{};  // of a hash: each name, and its value behind it
};

struct Load {
  std::size_t query = 0;  // its index
  std::vector<config::KeyPattern::Value> values;
  std::function<void(Loaded)> done;
  unsigned warm_percent = 0;  // of the reads of late, how many needed no load
};

struct SourceTotals {
  std::uint64_t loads = 0;    // that were asked for
  std::uint64_t queries = 0;  // by so many queries
  std::uint64_t failed = 0;
  std::uint64_t timeouts = 0;  // of the failed
  std::uint64_t not_modified = 0;
  std::uint64_t refused = 0;  // the queue was full
  std::uint64_t busy_us = 0;  // time that queries took, together
  std::uint64_t opened = 0;   // how often it has begun to be left alone
  bool left_alone = false;    // it is now
  std::size_t waiting = 0;
  std::size_t running = 0;
  std::size_t most_running = 0;
  std::size_t allowed = 0;  // to run at a time, now
};

class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;

  virtual const std::string& name() const noexcept = 0;
  enum class Taken : std::uint8_t {
    yes,
    full,  // too many wait already
    away,  // the source does not answer, and is left alone for a while
  };
  // If it is not taken `done` will not be called.
  virtual Taken submit(Load load) = 0;
  virtual SourceTotals totals() const = 0;
};

// They open nothing yet: a database that is not there is an error of each load.
std::unique_ptr<Source> make_sqlite(SourceConfig config, std::vector<Query> queries);
std::unique_ptr<Source> make_postgres(SourceConfig config, std::vector<Query> queries);
std::unique_ptr<Source> make_http(SourceConfig config, const std::vector<Query>& queries);
// By what the configuration has: a path, a dsn or a URL.
std::unique_ptr<Source> make_source(SourceConfig config, std::vector<Query> queries);

}  // namespace tiercache::l3
