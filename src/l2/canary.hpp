// What the canaries prove. Each db in use holds a key with a value that only we write: if it is not
// there any more, or another db's is, somebody flushed, rolled back or swapped the db without an
// event. Pure; owned by the event link.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace tiercache::l2 {

class Canary {
 public:
  // A new connection: whatever was left there before proves nothing, and L1 is empty.
  void reset();
  // A db comes into use in the middle of a connection. Until its first canary is written nobody
  // watches it, so that one counts as a surprise.
  void add(std::uint32_t db);
  // Redis does not have it.
  void remove(std::uint32_t db);

  const std::map<std::uint32_t, std::string>& dbs() const noexcept {
    return last_;
  }
  // The next value for `db`.
  std::string next(std::uint32_t db);
  // `value` was written, and replaced `old`. True if that was not what we had left there.
  bool replaced(std::uint32_t db, const std::string& value, const std::optional<std::string>& old);

 private:
  static constexpr std::string_view kUnwatched = "unwatched";

  // What was left there; empty at a new connection.
  std::map<std::uint32_t, std::string> last_{{0, ""}};
  std::uint64_t sequence_ = 0;
};

}  // namespace tiercache::l2
