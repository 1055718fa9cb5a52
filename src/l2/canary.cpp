#include "canary.hpp"

namespace tiercache::l2 {

void Canary::reset() {
  for (auto& [db, last] : last_) {
    last.clear();
  }
}

void Canary::add(std::uint32_t db) {
  last_.emplace(db, kUnwatched);
}

void Canary::remove(std::uint32_t db) {
  last_.erase(db);
}

std::string Canary::next(std::uint32_t db) {
  return std::to_string(db) + ":" + std::to_string(++sequence_);
}

bool Canary::replaced(std::uint32_t db, const std::string& value,
                      const std::optional<std::string>& old) {
  const auto at = last_.find(db);
  if (at == last_.end()) {
    return false;
  }
  const bool surprise = !at->second.empty() && old != at->second;
  at->second = value;
  return surprise;
}

}  // namespace tiercache::l2
