// What Redis answers to SCAN: [cursor, [key...]]. Pure.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/l2/reply.hpp"

#include <string>
#include <vector>

namespace tiercache::l2 {

struct Scanned {
  std::string cursor;  // "0": that was all
  std::vector<std::string> keys;
};

// Takes the reply apart. An error: `unavailable`, the query was not answered; `refused`, Redis said
// no; `invalid`, it is no such answer.
Result<Scanned> read_scan(Result<Reply> reply);

}  // namespace tiercache::l2
