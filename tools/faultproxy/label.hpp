// Tells what a connection is for from the commands it begins with. Pure.
#pragma once

#include "faults.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace tiercache::faultproxy {

std::string_view name_of(Label label);

class Labeller {
 public:
  // Of the first bytes so many are looked at; who has said nothing telling by then carries data.
  static constexpr std::size_t kMaxHead = 4096;

  // More bytes of the client.
  void feed(std::string_view bytes);
  Label label() const {
    return label_;
  }
  // It will not change any more. Until then a connection that has only greeted counts as data.
  bool decided() const {
    return decided_;
  }

 private:
  void look();

  std::string head_;
  std::size_t at_ = 0;  // what lies before it are greetings
  Label label_ = Label::unknown;
  bool decided_ = false;
};

}  // namespace tiercache::faultproxy
