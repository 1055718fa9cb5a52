// A worker's links to one more server.
#pragma once

#include "tiercache/l2/links.hpp"
#include "tiercache/proxy/worker.hpp"

#include <cstdint>

namespace tiercache::server {

// Runs on the worker's thread; what a read of the links brings is done at its end.
proxy::Worker::MakeLinks make_links(l2::LinksConfig config, std::uint64_t seed);

}  // namespace tiercache::server
