// Arguments written as one line: words between blanks, "" for the empty one.
#pragma once

#include "tiercache/command/command.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::command {

class Arguments {
 public:
  explicit Arguments(std::string_view line) {
    while (!line.empty()) {
      const std::size_t end = std::min(line.find(' '), line.size());
      if (end > 0) {
        const std::string_view word = line.substr(0, end);
        views_.push_back(word == "\"\"" ? std::string_view{} : word);
      }
      line.remove_prefix(std::min(end + 1, line.size()));
    }
  }
  operator Args() const {
    return views_;
  }
  const std::vector<std::string_view>& views() const {
    return views_;
  }

 private:
  std::vector<std::string_view> views_{};  // into the caller's line
};

}  // namespace tiercache::command
