#include "forwarder.hpp"

#include <utility>
#include <vector>

#include <boost/asio/ip/address_v4.hpp>

namespace tiercache::faultproxy {

using boost::asio::ip::tcp;
using boost::system::error_code;

Forwarder::Forwarder(boost::asio::io_context& io, std::uint16_t port,
                     const Connection::Endpoint& server)
    : acceptor_(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), port)), server_(server) {
  accept();
}

Forwarder::~Forwarder() {
  while (!connections_.empty()) {
    connections_.begin()->second->close();
  }
}

void Forwarder::accept() {
  acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
    if (error == boost::asio::error::operation_aborted) {
      return;
    }
    if (!error) {
      counters_.accepted++;
      const std::uint64_t id = ++last_id_;
      const auto connection = std::make_shared<Connection>(id, std::move(socket), server_,
                                                           static_cast<Connection::Host&>(*this));
      connections_.emplace(id, connection);
      connection->start();
    }
    accept();
  });
}

std::size_t Forwarder::change(const Target& target, const std::function<void(Faults&)>& change) {
  for (std::size_t i = 0; i < kLabels; i++) {
    const auto* label = std::get_if<Label>(&target);
    if (std::holds_alternative<Everyone>(target) ||
        (label != nullptr && static_cast<std::size_t>(*label) == i)) {
      change(faults_[i]);
    }
  }
  const bool one = std::holds_alternative<std::uint64_t>(target);
  return each(target, [&](Connection& connection) {
    if (one) {
      Faults faults = connection.faults();
      change(faults);
      connection.set_own_faults(faults);
    }
    connection.kick();
  });
}

std::size_t Forwarder::clear() {
  faults_ = {};
  return each(Everyone{}, [](Connection& connection) {
    connection.set_own_faults(std::nullopt);
    connection.kick();
  });
}

std::size_t Forwarder::each(const Target& target, const std::function<void(Connection&)>& action) {
  std::vector<ConnectionPtr> meant;  // an action may end its connection
  for (const auto& [id, connection] : connections_) {
    if (connection->matches(target)) {
      meant.push_back(connection);
    }
  }
  for (const ConnectionPtr& connection : meant) {
    action(*connection);
  }
  return meant.size();
}

std::size_t Forwarder::count(const Target& target) const {
  std::size_t found = 0;
  for (const auto& [id, connection] : connections_) {
    found += connection->matches(target) ? 1 : 0;
  }
  return found;
}

}  // namespace tiercache::faultproxy
