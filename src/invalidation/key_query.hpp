// A command of one key, at the node that has the key. Over a Cluster it follows the key: a server
// that says that the slot is elsewhere, or moving, has not run it, and is not the last to be asked.
// What has been lost on its way is sent again there, so it must be one that may run twice.
//
// Limits: those of topology::SlotTrail, then the last answer is the answer. With one Redis it is
// asked once.
//
// Thread: the control thread, where `answer` is called later, once. The hub and its events outlive
// it.
#pragma once

#include "tiercache/base/hash.hpp"
#include "tiercache/l2/events.hpp"
#include "tiercache/proxy/worker.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace tiercache::invalidation {

struct KeyQuery {
  std::uint32_t db = 0;
  std::string key;
  std::vector<std::string> words;
  l2::Events::Answer answer;
};

void ask(boost::asio::io_context& control, proxy::Hub& hub, KeyQuery query);

// To the L1 of each node: the key changes. While its slot moves more than one may have it.
void tell_all(const proxy::Hub& hub, std::uint32_t db, std::string_view key);
// The nodes that have a server now: all whom a walk over the keys concerns.
std::vector<proxy::Node> nodes_in_use(const proxy::Hub& hub);

}  // namespace tiercache::invalidation
