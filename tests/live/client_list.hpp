// What CLIENT LIST says, taken apart.
#pragma once

#include "client.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace tiercache::testing {

inline std::vector<std::pair<std::string, std::string>> fields(const std::string& line) {
  std::vector<std::pair<std::string, std::string>> all;
  std::size_t at = 0;
  while (at < line.size()) {
    const std::size_t end = std::min(line.find_first_of(" \n", at), line.size());
    const std::string word = line.substr(at, end - at);
    if (!word.empty()) {
      const std::size_t equal = word.find('=');
      all.emplace_back(word.substr(0, equal), word.substr(equal + 1));
    }
    at = end + 1;
  }
  return all;
}

inline std::string names(const std::string& line) {
  std::string all;
  for (const auto& field : fields(line)) {
    all += field.first + " ";
  }
  return all;
}

inline std::string field(const std::string& line, const std::string& name) {
  for (const auto& [key, value] : fields(line)) {
    if (key == name) {
      return value;
    }
  }
  return "(none)";
}

inline std::string id_of(Client& client) {
  return std::to_string(client.call("CLIENT", "ID").integer);
}

// What CLIENT LIST says of one; empty if it has gone.
inline std::string line_of(Client& asker, const std::string& id) {
  return asker.call("CLIENT", "LIST", "ID", id).text;
}

}  // namespace tiercache::testing
