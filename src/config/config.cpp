#include "tiercache/config/config.hpp"

namespace tiercache::config {

Config::Config() = default;

}  // namespace tiercache::config
