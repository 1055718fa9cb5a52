#include "lanes.hpp"

#include <random>
#include <utility>

namespace tiercache::server {

proxy::Worker::MakeLinks make_links(l2::LinksConfig config, std::uint64_t seed) {
  return [config = std::move(config), seed](proxy::Worker& worker) {
    l2::LinksConfig own = config;
    own.before_input = [&worker] {
      worker.begin_input();
    };
    own.after_input = [&worker] {
      worker.end_input();
    };
    return l2::make_links(worker.io(), own,
                          [engine = std::mt19937_64(seed)]() mutable { return engine(); });
  };
}

}  // namespace tiercache::server
