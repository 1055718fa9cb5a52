// Errands, brought to where their keys are on a worker's links. Over a Cluster each goes its own
// way: the node is chosen when it is sent, by the map of that moment, and a server that says that
// the slot is elsewhere, or moving, is not the last to be asked (topology::SlotTrail). Keys that a
// moving slot has torn apart are done one by one. With one Redis all go on one link, in their
// order.
//
// Whatever else Redis answers is the answer, a link that is lost or cannot be had too: what became
// of it then is for the owner to think of.
//
// Thread: the worker's, which outlives it; `done` is called there, once, from within or later.
// Limits: those of SlotTrail.
#pragma once

#include "errand.hpp"

#include "tiercache/base/time.hpp"
#include "tiercache/topology/slot_trail.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/steady_timer.hpp>

namespace tiercache::proxy {

class Worker;

class Errands : public std::enable_shared_from_this<Errands> {
 public:
  // Of each errand its first error, or else the first reply.
  using Done = std::function<void(std::vector<std::string> replies)>;
  struct Terms {
    std::uint32_t db = 0;
    bool patient = true;           // false: where it would have to wait it ends with the error
    std::function<void()> before;  // each sending
  };
  // REQUIRES: there is one at least.
  static void run(Worker& worker, Terms terms, std::vector<Errand> errands, Done done);

 private:
  struct Way {
    Errand errand;
    std::size_t place = 0;  // whose reply it makes
    topology::SlotTrail trail;
    std::vector<std::string> replies;
  };
  using WayPtr = std::shared_ptr<Way>;

  Errands(Worker& worker, Terms terms, Done done);
  void add(Errand errand, std::size_t place);
  void begin(const WayPtr& way);
  void send(const WayPtr& way, topology::NodeIndex node, bool asking);
  void on_replies(const WayPtr& way, topology::NodeIndex from);
  void later(const WayPtr& way, std::string_view error);
  void end(const WayPtr& way, std::string_view reply);

  Worker& worker_;
  const Terms terms_;
  Done done_;
  const Time give_up_;
  boost::asio::steady_timer timer_;
  std::vector<WayPtr> waiting_;  // for it
  std::vector<std::string> results_;
  std::size_t left_ = 0;
};

}  // namespace tiercache::proxy
