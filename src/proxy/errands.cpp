#include "errands.hpp"

#include "inquiry.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/proxy/worker.hpp"
#include "tiercache/topology/slot_errors.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tiercache::proxy {

using topology::NodeIndex;
using topology::SlotMap;
using topology::SlotTrail;

namespace {

constexpr std::string_view kAsking = "*1\r\n$6\r\nASKING\r\n";

bool is_error(std::string_view reply) noexcept {
  return reply.starts_with('-');
}

}  // namespace

Errands::Errands(Worker& worker, Terms terms, Done done)
    : worker_(worker),
      terms_(std::move(terms)),
      done_(std::move(done)),
      give_up_(std::chrono::steady_clock::now() + SlotTrail::kPatience),
      timer_(worker.io()) {
}

void Errands::run(Worker& worker, Terms terms, std::vector<Errand> errands, Done done) {
  TC_CHECK(!errands.empty());
  const std::shared_ptr<Errands> self(new Errands(worker, std::move(terms), std::move(done)));
  self->results_.resize(errands.size());
  self->left_ = errands.size();
  for (std::size_t i = 0; i < errands.size(); i++) {
    self->add(std::move(errands[i]), i);
  }
}

void Errands::add(Errand errand, std::size_t place) {
  const auto way = std::make_shared<Way>();
  way->errand = std::move(errand);
  way->place = place;
  begin(way);
}

void Errands::begin(const WayPtr& way) {
  const topology::SlotMapPtr& map = worker_.slot_map();
  const SlotTrail::Next next = map ? way->trail.begin(*map, topology::slot_of(way->errand.key))
                                   : SlotTrail::Next{worker_.home().index};
  if (next.node == SlotMap::kNobody) {
    worker_.hub().on_redirect(std::nullopt);
    later(way, "-CLUSTERDOWN Hash slot not served\r\n");
  } else {
    send(way, next.node, false);
  }
}

void Errands::send(const WayPtr& way, NodeIndex node, bool asking) {
  l2::LinkSpec spec;
  spec.db = terms_.db;
  l2::Links& links = worker_.lane(node).links;
  const l2::LinkPtr link = links.shared(spec);
  if (!link) {
    end(way, std::string("-ERR upstream is unavailable: ").append(links.why_not()));
    return;
  }
  if (terms_.before) {
    terms_.before();
  }
  way->replies.clear();
  for (const std::string& request : way->errand.requests) {
    if (asking) {
      Inquiry::send(*link, kAsking, [](std::string_view) {});
    }
    Inquiry::send(*link, request, [self = shared_from_this(), way, node](std::string_view reply) {
      way->replies.emplace_back(reply);
      if (way->replies.size() == way->errand.requests.size()) {
        self->on_replies(way, node);
      }
    });
  }
}

void Errands::on_replies(const WayPtr& way, NodeIndex from) {
  const std::vector<std::string>& replies = way->replies;
  const auto of_slots = std::ranges::find_if(replies, topology::is_of_slots);
  const topology::SlotMapPtr map = worker_.slot_map();
  if (of_slots == replies.end() || !map) {
    const auto error = std::ranges::find_if(replies, is_error);
    end(way, error == replies.end() ? replies.front() : *error);
    return;
  }
  // Only while the slot moves: else the server that has it has all of them.
  const bool torn = of_slots->starts_with("-ASK ") || of_slots->starts_with("-TRYAGAIN");
  if (torn && !way->errand.apart.empty()) {
    left_ += way->errand.apart.size() - 1;
    for (Errand& one : way->errand.apart) {
      add(std::move(one), way->place);
    }
    return;
  }
  const SlotTrail::Next next = way->trail.refused(*of_slots, *map, from);
  if (next.stale) {
    worker_.hub().on_redirect(from < map->nodes.size() ? map->nodes[from] : std::nullopt);
  }
  if (next.node == SlotMap::kNobody) {
    later(way, *of_slots);
  } else {
    send(way, next.node, next.asking);
  }
}

// All that wait go on together.
void Errands::later(const WayPtr& way, std::string_view error) {
  const Time at = std::chrono::steady_clock::now();
  if (!terms_.patient || at >= give_up_) {
    end(way, error);
    return;
  }
  waiting_.push_back(way);
  if (waiting_.size() > 1) {
    return;
  }
  timer_.expires_at(at + SlotTrail::kPause);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& failed) {
    if (!failed) {
      for (const WayPtr& one : std::exchange(self->waiting_, {})) {
        self->begin(one);
      }
    }
  });
}

void Errands::end(const WayPtr& way, std::string_view reply) {
  std::string& result = results_[way->place];
  if (result.empty() || (is_error(reply) && !is_error(result))) {
    result = reply;
  }
  if (--left_ == 0) {
    std::exchange(done_, {})(std::move(results_));
  }
}

}  // namespace tiercache::proxy
