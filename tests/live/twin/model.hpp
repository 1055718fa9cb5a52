// What is known of one client's connection from what Redis has answered on it: how many replies a
// request has, which frames are messages and no replies, and how each reply is compared.
//
// Pure. Owner: the run.
#pragma once

#include "client.hpp"
#include "rules.hpp"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::twin {

struct Queued {
  std::string name;
  Words words;
  Compare compare;
};

// How the frames that answer one request are read. Taken when it is sent.
struct Reading {
  Compare compare = Compare::exact;
  std::vector<Queued> exec{};  // EXEC: what it runs
  bool subscribes = false;
  bool resp2_subscriber = false;

  // A frame that answers nothing.
  bool is_message(const testing::Value& frame) const;
};

class Model {
 public:
  explicit Model(int version) : version_(version) {
  }

  // Whether it may be sent now: some requests cannot be compared in some states.
  bool allows(const Words& words) const;
  // REQUIRES: allows(words), and that nothing is awaited.
  Reading on_request(const Words& words);
  std::size_t awaited() const {
    return awaited_;
  }
  // REQUIRES: awaited() > 0.
  void on_reply(const testing::Value& reply);

  // CLIENT REPLY OFF or SKIP is in force.
  bool silent() const {
    return off_ || skip_;
  }
  // Messages may come at any time.
  bool hears() const {
    return tracking_ || subscriptions() > 0;
  }
  bool in_multi() const {
    return multi_;
  }
  bool closed() const {
    return closed_;
  }

 private:
  std::size_t subscriptions() const {
    return topics_[0].size() + topics_[1].size() + topics_[2].size();
  }
  void reset();
  void on_done(const std::string& name, const Words& words);

  int version_;
  bool multi_ = false;
  bool off_ = false;
  bool skip_ = false;
  bool tracking_ = false;
  bool closed_ = false;
  std::set<std::string> topics_[3]{};  // channels, patterns, shard channels
  std::vector<Queued> queue_{};

  // The request under way.
  std::string name_{};
  Words words_{};
  std::size_t awaited_ = 0;
  bool first_ = false;
};

// The command's full name as the table has it; empty if the table does not know it.
std::string name_of(const Words& words);

}  // namespace tiercache::twin
