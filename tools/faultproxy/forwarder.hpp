// Accepts on 127.0.0.1, forwards to one server, and keeps the faults of each label.
//
// One thread, that of the io_context; destroyed on it or when it has stopped.
#pragma once

#include "connection.hpp"
#include "faults.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace tiercache::faultproxy {

class Forwarder final : private Connection::Host {
 public:
  // Listens, on any free port for 0; throws if it cannot.
  Forwarder(boost::asio::io_context& io, std::uint16_t port, const Connection::Endpoint& server);
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  std::uint16_t port() const {
    return acceptor_.local_endpoint().port();
  }

  // Changes the faults of those meant, those that come later included unless it is one connection.
  // Gives the number of connections concerned now.
  std::size_t change(const Target& target, const std::function<void(Faults&)>& change);
  // No faults any more.
  std::size_t clear();
  // Something done once to the connections there are.
  std::size_t each(const Target& target, const std::function<void(Connection&)>& action);

  std::size_t count(const Target& target) const;
  const Counters& counts() const {
    return counters_;
  }

 private:
  using ConnectionPtr = std::shared_ptr<Connection>;

  void accept();
  const Faults& faults_of(Label label) const override {
    return faults_[static_cast<std::size_t>(label)];
  }
  Counters& counters() override {
    return counters_;
  }
  void on_closed(std::uint64_t id) override {
    connections_.erase(id);
  }

  boost::asio::ip::tcp::acceptor acceptor_;
  const Connection::Endpoint server_;
  std::array<Faults, kLabels> faults_{};
  std::map<std::uint64_t, ConnectionPtr> connections_;
  std::uint64_t last_id_ = 0;
  Counters counters_;
};

}  // namespace tiercache::faultproxy
