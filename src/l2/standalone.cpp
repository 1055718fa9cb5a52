#include "tiercache/l2/topology.hpp"

namespace tiercache::l2 {

namespace {

class Standalone final : public Topology {
 public:
  explicit Standalone(const config::Endpoint& endpoint) : endpoint_(endpoint) {
  }
  void start() override {
  }
  void stop() override {
  }
  TopologySnapshot snapshot() const override {
    return {"standalone", "", 0, "", {{endpoint_, "server", ""}}};
  }

 private:
  const config::Endpoint endpoint_;
};

}  // namespace

std::unique_ptr<Topology> make_standalone(const config::Endpoint& endpoint) {
  return std::make_unique<Standalone>(endpoint);
}

}  // namespace tiercache::l2
