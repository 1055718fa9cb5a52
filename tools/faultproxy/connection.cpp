#include "connection.hpp"

#include <utility>

namespace tiercache::faultproxy {

using boost::asio::ip::tcp;
using boost::system::error_code;

namespace {

void no_delay(Pipe::Socket& socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
}

// Closing then sends a RST instead of a FIN.
void no_linger(Pipe::Socket& socket) {
  error_code ignored;
  socket.set_option(boost::asio::socket_base::linger(true, 0), ignored);
}

}  // namespace

Connection::Connection(std::uint64_t id, Pipe::Socket client, const Endpoint& server, Host& host)
    : id_(id),
      host_(host),
      endpoint_(server),
      client_(std::move(client)),
      server_(client_.get_executor()),
      up_(Direction::up, client_, server_, *this),
      down_(Direction::down, server_, client_, *this) {
}

void Connection::start() {
  no_delay(client_);
  kick();
}

const Faults& Connection::faults() const {
  return own_ ? *own_ : host_.faults_of(label());
}

bool Connection::matches(const Target& target) const {
  if (const auto* label = std::get_if<Label>(&target)) {
    return *label == this->label();
  }
  if (const auto* id = std::get_if<std::uint64_t>(&target)) {
    return *id == id_;
  }
  return true;
}

void Connection::kick() {
  if (state_ == State::closed) {
    return;
  }
  const bool blackhole = faults().blackhole;
  if (state_ == State::waiting && !blackhole) {
    connect();
  }
  const bool open = state_ == State::open;
  // What it is for must still be found out, whatever is forwarded of it.
  up_.kick(!blackhole || (label() != Label::unknown && !labeller_.decided()), open);
  down_.kick(open && !blackhole, true);
}

void Connection::connect() {
  state_ = State::connecting;
  server_.async_connect(endpoint_, [self = shared_from_this()](const error_code& error) {
    if (self->state_ == State::closed) {
      return;
    }
    if (error) {
      self->host_.counters().unreachable++;
      self->end();
      return;
    }
    no_delay(self->server_);
    self->state_ = State::open;
    self->kick();
  });
}

void Connection::on_read(Direction direction, std::string_view bytes) {
  if (direction == Direction::up && !labeller_.decided()) {
    labeller_.feed(bytes);
    kick();
  }
}

void Connection::on_written(Direction direction, std::size_t size) {
  const auto index = static_cast<std::size_t>(direction);
  bytes_[index] += size;
  host_.counters().bytes[index] += size;
  host_.counters().writes[index]++;
}

void Connection::on_finished(Direction direction) {
  error_code ignored;
  (direction == Direction::up ? server_ : client_).shutdown(tcp::socket::shutdown_send, ignored);
  finished_[static_cast<std::size_t>(direction)] = true;
  if (finished_[0] && finished_[1]) {
    host_.counters().ended++;
    end();
  }
}

// One side was reset: the other learns it the same way.
void Connection::on_broken() {
  if (state_ != State::closed) {
    host_.counters().ended++;
    no_linger(client_);
    no_linger(server_);
    end();
  }
}

void Connection::on_cut() {
  if (state_ != State::closed) {
    host_.counters().cut++;
    end();
  }
}

void Connection::cut_after(Direction direction, std::uint64_t bytes) {
  (direction == Direction::up ? up_ : down_).cut_after(bytes);
}

void Connection::reset() {
  if (state_ != State::closed) {
    host_.counters().reset++;
    no_linger(client_);
    no_linger(server_);
    end();
  }
}

void Connection::close() {
  if (state_ != State::closed) {
    host_.counters().closed++;
    end();
  }
}

void Connection::end() {
  state_ = State::closed;
  // Handlers that wait come back with an error; a timer's wait must not keep a dead connection.
  up_.kick(false, false);
  down_.kick(false, false);
  error_code ignored;
  client_.close(ignored);
  server_.close(ignored);
  host_.on_closed(id_);
}

}  // namespace tiercache::faultproxy
