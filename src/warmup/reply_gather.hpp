// The replies of one flight, PTTL and GET, gathered from the pieces in which a link hands them
// out. Keeps at most one value that L1 would take, whatever Redis sends. Pure; a plain value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tiercache::warmup {

class ReplyGather {
 public:
  void add_pttl(std::string_view piece);
  void add_get(std::string_view piece, std::size_t max_value);

  // After the last pieces. False: an error, too large, or not what was asked for.
  bool usable() const;
  bool missing() const;
  // Redis has the key, and it is no string.
  bool other_type() const;
  // As L1 keeps it. REQUIRES: usable().
  std::string_view reply() const {
    return get_;
  }
  std::int64_t pttl_ms() const;

 private:
  std::string pttl_;
  std::string get_;
  bool too_large_ = false;
};

}  // namespace tiercache::warmup
