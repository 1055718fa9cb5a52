#include "notifications.hpp"

namespace tiercache::l2 {

bool notifications_suffice(std::string_view flags) {
  const auto has = [&](char flag) {
    return flags.find(flag) != std::string_view::npos;
  };
  if (!has('K')) {
    return false;
  }
  if (has('A')) {
    return true;
  }
  for (const char flag : std::string_view("g$lshztxed")) {
    if (!has(flag)) {
      return false;
    }
  }
  return true;
}

std::string with_needed_notifications(std::string_view flags) {
  std::string all(flags);
  for (const char flag : std::string_view("KA")) {
    if (all.find(flag) == std::string::npos) {
      all.push_back(flag);
    }
  }
  return all;
}

}  // namespace tiercache::l2
