#include "reader.hpp"

#include "lanes.hpp"
#include "settings.hpp"

#include <utility>

namespace tiercache::server {

namespace {

l2::UpstreamPtr reader_upstream(const ReaderParts& parts) {
  const auto expect = parts.config.upstream.nodes.empty() ? l2::Upstream::Expect::any
                                                          : l2::Upstream::Expect::reader;
  return std::make_shared<l2::Upstream>(expect, "the server that is read from");
}

}  // namespace

std::unique_ptr<Reader> Reader::make(const ReaderParts& parts) {
  return parts.config.upstream.read_from == config::ReadFrom::replica
             ? std::unique_ptr<Reader>(new Reader(parts))
             : nullptr;
}

Reader::Reader(const ReaderParts& parts)
    : control_(parts.control),
      hub_(parts.hub),
      random_(parts.random),
      upstream_(reader_upstream(parts)),
      links_(links_config(parts.config, upstream_, parts.password)),
      config_(replica_watch_config(parts.config, parts.password, parts.master, upstream_,
                                   parts.random())) {
}

Reader::~Reader() = default;

const proxy::Node::Reader* Reader::watch(coherence::LinkStatus& status, l2::Fences& fences,
                                         l2::Events& events) {
  watch_ = l2::make_replica_watch(control_, config_, catch_up_, status, fences, events);
  node_.emplace(proxy::Node::Reader{*upstream_, catch_up_, *watch_});
  return &*node_;
}

void Reader::add_lanes(topology::NodeIndex index) {
  for (proxy::Worker* worker : hub_.workers) {
    worker->add_reader(index, make_links(links_, random_()), catch_up_);
  }
}

}  // namespace tiercache::server
