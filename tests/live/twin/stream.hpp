// Random streams of commands over the whole command table: several clients, pipelines,
// transactions, scripts, pub/sub, blocking commands and who wakes them, reads again and again, and
// writes past the proxy between. A stream is a list of steps, which can be run, cut short and
// printed.
//
// Owner: the run. The same seed, round and server give the same steps.
#pragma once

#include "command_samples.hpp"
#include "rules.hpp"
#include "values.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace tiercache::twin {

constexpr unsigned kClients = 4;

struct Step {
  enum class Kind : std::uint8_t {
    command,   // by client `client`
    direct,    // past the proxy; the next step of a client comes when the proxy has heard of it
    populate,  // past the proxy: everything anew
    blocked,   // the client sends `words`, which may wait; somebody sends `wake`; then it is
               // unblocked
  };
  Kind kind = Kind::command;
  unsigned client = 0;
  bool joined = false;  // pipelined behind the step before
  Words words{};
  Words wake{};
};
std::string to_string(const Step& step);

class Stream {
 public:
  Stream(testing::CommandSamples& samples, int version);

  // At least so many steps.
  std::vector<Step> round(std::uint64_t seed, std::size_t size);
  // The names that it draws from.
  const std::vector<std::string>& names() const {
    return names_;
  }

 private:
  struct Seat {
    bool multi = false;
    bool away = false;  // another db, another version, a subscriber, another user
  };

  void batch(std::vector<Step>& steps);
  void direct_writes(std::vector<Step>& steps);
  void blocked(std::vector<Step>& steps);
  Words next(unsigned client);
  Words sample(const std::string& name);
  std::string any_name();
  std::string letters(std::string word);

  testing::CommandSamples& samples_;
  int version_;
  std::vector<std::string> names_{};     // what may be sent
  std::vector<std::string> weighted_{};  // the same, by how often
  std::vector<std::string> reads_{};     // that L1 keeps
  std::vector<std::string> writes_{};    // plain writes of keys
  Values values_{0};
  std::deque<Words> recent_{};  // reads to be repeated
  std::vector<Seat> seats_{};
};

}  // namespace tiercache::twin
