// A client's connection and the one to the server that belongs to it.
//
// Owner: the Forwarder, and its own handlers until it is closed. One thread.
#pragma once

#include "faults.hpp"
#include "label.hpp"
#include "pipe.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include <boost/asio/ip/tcp.hpp>

namespace tiercache::faultproxy {

class Connection final : public Pipe::Owner, public std::enable_shared_from_this<Connection> {
 public:
  using Endpoint = boost::asio::ip::tcp::endpoint;

  // What it needs of its owner, which outlives it as long as it is open.
  class Host {
   public:
    virtual const Faults& faults_of(Label label) const = 0;
    virtual Counters& counters() = 0;
    virtual void on_closed(std::uint64_t id) = 0;

   protected:
    ~Host() = default;
  };

  Connection(std::uint64_t id, Pipe::Socket client, const Endpoint& server, Host& host);

  void start();
  // Faults have changed.
  void kick();
  // Both sides get a RST, whatever is held is lost.
  void reset();
  // Both sides get a FIN.
  void close();
  void cut_after(Direction direction, std::uint64_t bytes);

  bool matches(const Target& target) const;
  // Faults of this connection alone, from now on.
  void set_own_faults(std::optional<Faults> faults) {
    own_ = faults;
  }
  const Faults& faults() const override;

  std::uint64_t id() const {
    return id_;
  }
  Label label() const {
    return labeller_.label();
  }
  std::uint64_t bytes(Direction direction) const {
    return bytes_[static_cast<std::size_t>(direction)];
  }
  std::size_t held() const {
    return up_.held() + down_.held();
  }

 private:
  std::shared_ptr<Pipe::Owner> keep() override {
    return shared_from_this();
  }
  void on_read(Direction direction, std::string_view bytes) override;
  void on_written(Direction direction, std::size_t size) override;
  void on_finished(Direction direction) override;
  void on_broken() override;
  void on_cut() override;
  void connect();
  void end();

  const std::uint64_t id_;
  Host& host_;
  const Endpoint endpoint_;
  Pipe::Socket client_;
  Pipe::Socket server_;
  Labeller labeller_;
  std::optional<Faults> own_;
  std::uint64_t bytes_[kDirections]{};
  enum class State : std::uint8_t { waiting, connecting, open, closed } state_ = State::waiting;
  bool finished_[kDirections]{};
  Pipe up_;
  Pipe down_;
};

}  // namespace tiercache::faultproxy
