#include "fault_proxy.hpp"

#include "commands.hpp"
#include "control_port.hpp"
#include "forwarder.hpp"

#include <future>
#include <stdexcept>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>

namespace tiercache::faultproxy {

namespace asio = boost::asio;

class FaultProxy::Impl {
 public:
  explicit Impl(const Options& options)
      : forwarder_(io_, options.port,
                   {asio::ip::make_address(options.upstream_address), options.upstream_port}) {
    if (options.control_port) {
      control_.emplace(io_, *options.control_port, forwarder_);
    }
    port_ = forwarder_.port();
    control_port_ = control_ ? control_->port() : std::uint16_t{0};
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Impl() {
    io_.stop();
    thread_.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::string run(std::string_view line) {
    std::promise<std::string> answer;
    asio::post(io_, [&] { answer.set_value(run_command(forwarder_, line)); });
    return answer.get_future().get();
  }
  std::uint16_t port() const {
    return port_;
  }
  std::uint16_t control_port() const {
    return control_port_;
  }

 private:
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_{io_.get_executor()};
  Forwarder forwarder_;
  std::optional<ControlPort> control_;
  std::uint16_t port_ = 0;
  std::uint16_t control_port_ = 0;
  std::thread thread_;
};

FaultProxy::FaultProxy(const Options& options) : impl_(std::make_unique<Impl>(options)) {
}

FaultProxy::FaultProxy(std::uint16_t upstream_port)
    : FaultProxy(Options{"127.0.0.1", upstream_port, 0, std::nullopt}) {
}

FaultProxy::~FaultProxy() = default;

std::uint16_t FaultProxy::port() const {
  return impl_->port();
}

std::uint16_t FaultProxy::control_port() const {
  return impl_->control_port();
}

std::string FaultProxy::run(std::string_view line) {
  return impl_->run(line);
}

std::uint64_t FaultProxy::must(std::string_view line) {
  const std::string answer = run(line);
  const std::size_t ok = answer.rfind("OK ");
  if (ok == std::string::npos) {
    throw std::runtime_error("fault proxy: \"" + std::string(line) + "\": " + answer);
  }
  return std::stoull(answer.substr(ok + 3));
}

std::uint64_t FaultProxy::stat(std::string_view name) {
  const std::string all = std::string("\n").append(run("stats"));
  const std::string line = std::string("\n").append(name).append(" ");
  const std::size_t at = all.find(line);
  if (at == std::string::npos) {
    throw std::runtime_error("fault proxy: no counter " + std::string(name));
  }
  return std::stoull(all.substr(at + line.size()));
}

}  // namespace tiercache::faultproxy
