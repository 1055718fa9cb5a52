#include "key_query.hpp"

#include "tiercache/topology/slot_errors.hpp"
#include "tiercache/topology/slot_map.hpp"
#include "tiercache/topology/slot_trail.hpp"
#include "tiercache/topology/slots.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/steady_timer.hpp>

namespace tiercache::invalidation {

namespace {

using l2::Reply;
using topology::NodeIndex;
using topology::SlotTrail;

class Follower : public std::enable_shared_from_this<Follower> {
 public:
  Follower(boost::asio::io_context& control, proxy::Hub& hub, KeyQuery query)
      : hub_(hub),
        query_(std::move(query)),
        timer_(control),
        give_up_(std::chrono::steady_clock::now() + SlotTrail::kPatience) {
  }

  void begin() {
    const topology::SlotMapPtr map = hub_.slot_map();
    const NodeIndex node =
        map ? trail_.begin(*map, topology::slot_of(query_.key)).node : NodeIndex{0};
    if (node == topology::SlotMap::kNobody) {
      later(Error{ErrorCode::unavailable, "CLUSTERDOWN Hash slot not served"});
    } else {
      ask(node, false);
    }
  }

 private:
  void ask(NodeIndex node, bool asking) {
    l2::Events& events = hub_.nodes().at(node).events;
    if (asking) {
      events.query(query_.db, {"ASKING"}, [](const Result<Reply>&) {});
    }
    const std::vector<std::string_view> words(query_.words.begin(), query_.words.end());
    events.query(query_.db, words, [self = shared_from_this(), node](Result<Reply> reply) {
      self->on_reply(node, std::move(reply));
    });
  }

  void on_reply(NodeIndex from, Result<Reply> reply) {
    const topology::SlotMapPtr map = hub_.slot_map();
    const std::string error = reply && reply->is_error() ? "-" + reply->text : std::string();
    if (!map || (reply && !topology::is_of_slots(error))) {
      query_.answer(std::move(reply));
      return;
    }
    const SlotTrail::Next next = trail_.refused(error, *map, from);
    if (next.stale) {
      hub_.on_redirect(from < map->nodes.size() ? map->nodes[from] : std::nullopt);
    }
    if (next.node == topology::SlotMap::kNobody) {
      later(std::move(reply));
    } else {
      ask(next.node, next.asking);
    }
  }

  void later(Result<Reply> last) {
    const Time at = std::chrono::steady_clock::now();
    if (!hub_.slot_map() || at >= give_up_) {
      query_.answer(std::move(last));
      return;
    }
    timer_.expires_at(at + SlotTrail::kPause);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (!error) {
        self->begin();
      }
    });
  }

  proxy::Hub& hub_;
  const KeyQuery query_;
  boost::asio::steady_timer timer_;
  const Time give_up_;
  SlotTrail trail_;
};

}  // namespace

void ask(boost::asio::io_context& control, proxy::Hub& hub, KeyQuery query) {
  std::make_shared<Follower>(control, hub, std::move(query))->begin();
}

void tell_all(const proxy::Hub& hub, std::uint32_t db, std::string_view key) {
  for (const proxy::Node& node : hub.nodes()) {
    node.cache.blocking_write_reply(node.cache.hash(db, key));
  }
}

std::vector<proxy::Node> nodes_in_use(const proxy::Hub& hub) {
  std::vector<proxy::Node> nodes = hub.nodes();
  const topology::SlotMapPtr map = hub.slot_map();
  if (!map) {
    return nodes;
  }
  std::vector<proxy::Node> used;
  for (std::size_t i = 0; i < nodes.size() && i < map->nodes.size(); i++) {
    if (map->nodes[i]) {
      used.push_back(nodes[i]);
    }
  }
  return used;
}

}  // namespace tiercache::invalidation
