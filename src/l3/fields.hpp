// What a row or a JSON object has for a hash, as it comes. Pure.
#pragma once

#include "tiercache/l3/source.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::l3 {

// Why columns of these names cannot be the fields of a hash; empty: they can.
std::string wrong_names(std::span<const std::string_view> names);

class Fields {
 public:
  void add(std::string_view name, std::string value);
  // Absent if there is none: Redis knows no empty hash.
  Loaded take() &&;

 private:
  std::size_t bytes_ = 0;
  std::vector<std::string> fields_;
};

// The members of a JSON object: strings as they are, numbers, true and false by their text, nested
// ones as JSON without white space. Failed if it is no object, or two members have one name.
Loaded fields_of_json(std::string_view text);

}  // namespace tiercache::l3
