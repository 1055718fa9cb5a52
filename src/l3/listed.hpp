// The rows of a Listing as they come, and when there are enough. Pure.
#pragma once

#include "tiercache/l3/listing.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::l3 {

class Listed {
 public:
  explicit Listed(const Listing& listing, std::size_t max_bytes = kMaxListed) noexcept
      : max_rows_(listing.max_rows), max_bytes_(max_bytes) {
  }
  // False: no more are to come.
  bool add(std::string_view row) {
    bytes_ += row.size() + sizeof(std::string);
    if (!too_large()) {
      rows_.emplace_back(row);
    }
    return !too_large() && (max_rows_ == 0 || rows_.size() < max_rows_);
  }
  bool empty() const noexcept {
    return rows_.empty();
  }
  Result<std::vector<std::string>> take() && {
    if (too_large()) {
      return Error{ErrorCode::limit, "the query yields more than 256mb of keys"};
    }
    return std::move(rows_);
  }

 private:
  bool too_large() const noexcept {
    return bytes_ > max_bytes_;
  }

  const std::uint64_t max_rows_;
  const std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::vector<std::string> rows_;
};

}  // namespace tiercache::l3
