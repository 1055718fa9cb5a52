// One command on keys that live in the proxy alone, with the shards of its keys locked from its
// construction to its end.
//
// Ends of keys are kept as Redis keeps them, in whole milliseconds of the wall clock: a key is gone
// once that millisecond is over. A store asks whether the time has come, so it is given one more.
#pragma once

#include "tiercache/local/keyspace.hpp"
#include "tiercache/local/set_options.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/container/small_vector.hpp>

namespace tiercache::local {

class Run {
 public:
  Run(Keyspace& keyspace, const Ask& ask, std::string& out) TC_ANNOTATE(no_thread_safety_analysis);
  ~Run() TC_ANNOTATE(no_thread_safety_analysis);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void go();

 private:
  static constexpr std::int64_t kNoEnd = -1;

  struct Named {
    std::string_view key;
    KeyHash hash = 0;
    std::uint16_t space = 0;
  };

  void del();
  void exists();
  void expire();
  void get();
  void getdel();
  void getex();
  void increment();
  void mget();
  void mset();
  void persist();
  void set();
  void setex();
  void setnx();
  void ttl();

  Keyspace::Part& part(const Named& key) TC_ANNOTATE(no_thread_safety_analysis);
  Time now() const noexcept {
    return Time(ask_.now);
  }
  static std::int64_t end_of(const l1::Entry& entry) noexcept;
  // The entry, if the key is there. `read` counts; `look` does not.
  l1::Entry* read(const Named& key);
  l1::Entry* look(const Named& key);
  // False, and an error is the answer, if such a value may not be kept.
  bool may_keep(const Named& key, std::string_view value);
  // False, and an error is the answer, if there is no room for it.
  bool put(const Named& key, std::string_view value, std::int64_t end);
  void erase(const Named& key, l1::Entry* entry);
  void set_end(const Named& key, const l1::Entry& entry, std::int64_t end);
  // The end that options ask for; false: an error is the answer.
  bool read_end(const SetOptions& options, std::int64_t& end);

  void error(std::string_view text);
  void invalid_time();
  void not_a_number();
  void nil();
  void value(const l1::Entry& entry);

  Keyspace& keyspace_;
  const Ask& ask_;
  std::string& out_;
  boost::container::small_vector<Named, 4> keys_;
  boost::container::small_vector<std::size_t, 4> shards_;  // that are locked
  std::string frame_;
};

}  // namespace tiercache::local
