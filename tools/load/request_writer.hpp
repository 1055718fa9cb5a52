// Writes requests of a workload, in RESP: what can be spelled beforehand is, so that a request is a
// few copies and twelve digits. One owner, one thread; pure.
#pragma once

#include "workload.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tiercache::load {

class RequestWriter {
 public:
  RequestWriter(const Workload& workload, Part part);

  // Appends one request.
  void append(std::string& out);

 private:
  void append_key(std::string& out);
  void append_set(std::string& out);

  Workload workload_;
  KeyPicker keys_;
  Random random_;  // of commands and sizes, so that they do not depend on the keys
  std::string key_head_;
  std::string get_head_;
  std::string set_head_;
  std::string mget_head_;
  std::string ttl_tail_;
  std::string value_;                     // the largest; the others are its beginning
  std::vector<std::string> value_heads_;  // "$size\r\n", for each choice of a size
};

}  // namespace tiercache::load
