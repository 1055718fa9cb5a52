#include "link_impl.hpp"

#include "tiercache/base/check.hpp"

#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

namespace tiercache::l2 {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

namespace {

// A reply to the greeting is some kilobytes at most.
constexpr std::size_t kMaxGreeting = std::size_t{1} << 20;
constexpr unsigned kLooks = 4;

}  // namespace

void Consumer::on_frame(std::string_view /*piece*/, bool /*last*/, bool /*push*/) {
}
void Consumer::on_closed(std::string_view /*why*/) {
}
void Consumer::on_room() {
}

LinkImpl::LinkImpl(asio::io_context& io, std::shared_ptr<const LinksConfig> config,
                   const LinkSpec& spec, coherence::LinkId id, Handshake::Use use)
    : io_(io),
      config_(std::move(config)),
      spec_(spec),
      id_(id),
      raw_(use == Handshake::Use::own),
      timer_(io),
      poller_(io::Poller::of(io)),
      stream_(io, *this),
      scanner_(config_->scan) {
}

void LinkImpl::start(const std::optional<config::Endpoint>& endpoint) {
  if (!endpoint) {
    die(std::string(kNoServer));
    return;
  }
  timer_.expires_after(config_->connect_timeout);
  timer_.async_wait([self = ref(), where = *endpoint](const error_code& error) {
    if (!error && self->state_ == State::connecting) {
      self->die("cannot connect to " + config::to_string(where) + ": timed out");
    }
  });
  connector_ =
      Connector::start(io_, *endpoint, [self = ref()](const std::string& error, Socket socket) {
        self->on_connected(error, std::move(socket));
      });
}

void LinkImpl::on_connected(const std::string& error, Socket socket) {
  connector_.reset();
  if (!error.empty()) {
    die(error);
    return;
  }
  error_code failure;
  const int descriptor = socket.release(failure);
  if (!failure) {
    stream_.open(descriptor, failure);
  }
  if (failure) {
    die("cannot use the connection to Redis: " + failure.message());
    return;
  }
  alive_ = ref();
  handshake_.emplace(config_->user, config_->password, spec_, greeting_out_.tail(),
                     raw_ ? Handshake::Use::own : Handshake::Use::shared,
                     config_->upstream->expect());
  // A fresh socket takes these few bytes whole.
  if (greeting_out_.flush(stream_, failure) != Output::Flush::done) {
    die("cannot greet Redis: " + failure.message());
    return;
  }
  buffer_.resize(raw_ ? config_->own_read_buffer : config_->shared_read_buffer);
}

void LinkImpl::on_ready() {
  spec_.login.reset();
  source_ = handshake_->source();
  upstream_id_ = handshake_->client_id();
  handshake_.reset();
  state_ = State::ready;
  ready_at_ = Clock::now();
  timer_.cancel();
  if (out_.size() > 0) {
    schedule_flush();
  }
  watch();
}

// From when the link owes a reply until it owes none.
void LinkImpl::watch() {
  if (watching_ || config_->response_timeout == Duration::zero() || state_ != State::ready ||
      pending_.empty()) {
    return;
  }
  watching_ = true;
  silent_looks_ = 0;
  look_later();
}

void LinkImpl::look_later() {
  timer_.expires_after(config_->response_timeout / kLooks);
  timer_.async_wait([self = ref()](const error_code& error) {
    if (error || self->state_ != State::ready) {
      return;
    }
    if (self->pending_.empty()) {
      self->watching_ = false;
      return;
    }
    // The first may have come right behind what was read last.
    if (++self->silent_looks_ <= kLooks) {
      self->look_later();
      return;
    }
    self->config_->upstream->timeouts.fetch_add(1, std::memory_order_relaxed);
    self->stream_.abort();  // what was given up is not to arrive when the network is well again
    self->die("Redis did not answer in time");
  });
}

// What the last read has left, or was not read while paused.
void LinkImpl::read() {
  if (stream_.readable()) {
    stream_.visit();
  }
}

void LinkImpl::on_readable() {
  // The greeting is read in any case.
  if (paused_ && state_ == State::ready) {
    return;
  }
  const Self keep = ref();
  error_code error;
  const std::size_t size = stream_.receive(buffer_.data(), buffer_.size(), error);
  if (error == asio::error::would_block) {
    return;
  }
  if (error) {
    die(error == asio::error::eof ? std::string("Redis closed the connection")
                                  : "the connection to Redis broke: " + error.message());
    return;
  }
  silent_looks_ = 0;
  if (config_->before_input) {
    config_->before_input();
  }
  dispatch({buffer_.data(), size});
  wake_waiters();
  if (config_->after_input) {
    config_->after_input();
  }
  read();
}

void LinkImpl::dispatch(std::string_view input) {
  // Any callback may end the link.
  while (!input.empty() && state_ != State::dead) {
    if (raw_ && state_ == State::ready && !owner_) {
      die("Redis sent something on a connection that nobody uses");
      return;
    }
    if (pass_through_ && state_ == State::ready) {
      const ConsumerPtr owner = owner_;
      owner->on_frame(std::exchange(input, {}), true, true);
      return;
    }
    const auto [status, consumed] = scanner_.scan(input);
    if (status == resp::ParseStatus::error) {
      die("Redis broke the protocol: " + std::string(scanner_.error()));
      return;
    }
    const std::string_view piece = input.substr(0, consumed);
    const bool last = status == resp::ParseStatus::complete;
    input.remove_prefix(consumed);
    if (std::exchange(between_frames_, last) && piece.starts_with('-')) {
      look_at(piece);
    }
    const bool push = scanner_.kind() == resp::FrameKind::push;
    if (state_ == State::connecting) {
      greet(piece, last);
    } else if (raw_) {
      const ConsumerPtr owner = owner_;
      owner->on_frame(piece, last, push);
    } else if (!push) {
      deliver(piece, last);
    }
  }
}

// An error reply is the client's affair, but one tells that the server is not what we took it for.
void LinkImpl::look_at(std::string_view frame) {
  if (config_->upstream->expect() == Upstream::Expect::master && frame.starts_with("-READONLY")) {
    config_->upstream->suspect();
  }
}

void LinkImpl::greet(std::string_view piece, bool last) {
  if (greeting_.size() + piece.size() > kMaxGreeting) {
    die("Redis answers the greeting with too many bytes");
    return;
  }
  greeting_.append(piece);
  if (!last) {
    return;
  }
  const Handshake::Outcome outcome = handshake_->on_reply(greeting_);
  greeting_.clear();
  if (outcome == Handshake::Outcome::refused) {
    if (handshake_->not_master()) {
      config_->upstream->suspect();
    }
    die(handshake_->why());
  } else if (outcome == Handshake::Outcome::again) {
    greeting_out_.append(handshake_->take_requests());
    error_code failure;
    if (greeting_out_.flush(stream_, failure) != Output::Flush::done) {
      die("cannot greet Redis: " + failure.message());
    }
  } else if (outcome == Handshake::Outcome::ready) {
    std::string().swap(greeting_);
    on_ready();
  }
}

void LinkImpl::deliver(std::string_view piece, bool last) {
  if (pending_.empty()) {
    die("Redis sent a reply that nobody asked for");
    return;
  }
  if (last) {
    const PendingRequest request = pending_.pop();
    request.consumer->on_reply(request.tag, piece, true);
  } else {
    // The callback may send, and the ring move: hold what is called.
    const ConsumerPtr consumer = pending_.front().consumer;
    consumer->on_reply(pending_.front().tag, piece, false);
  }
}

void LinkImpl::send(std::string_view request, Consumer& consumer, std::uint64_t tag) {
  TC_CHECK(!raw_);
  next_seq_++;
  pending_.push(consumer, tag);
  if (state_ == State::dead) {
    post_lost();
    return;
  }
  out_.append(request);
  schedule_flush();
  watch();
}

void LinkImpl::send_raw(std::string_view bytes) {
  TC_CHECK(raw_);
  if (state_ == State::dead) {
    return;
  }
  next_seq_++;
  out_.append(bytes);
  schedule_flush();
}

void LinkImpl::schedule_flush() {
  if (!write_waiting_ && state_ == State::ready) {
    // Behind all that is ready in this turn: it has requests for this link too.
    poller_.at_turn_end(*this, io::TurnEnd::send);
  }
}

void LinkImpl::on_turn_end() {
  flush();
}

void LinkImpl::on_writable() {
  const Self keep = ref();
  write_waiting_ = false;
  flush();
}

void LinkImpl::on_detached() {
  alive_.reset();
}

void LinkImpl::flush() {
  if (state_ != State::ready || write_waiting_) {
    return;
  }
  const Self keep = ref();
  error_code error;
  const Output::Flush result = out_.flush(stream_, error);
  if (result == Output::Flush::failed) {
    die("the connection to Redis broke: " + error.message());
    return;
  }
  if (result == Output::Flush::blocked) {
    write_waiting_ = true;
    stream_.await_writable();
  }
  wake_waiters();
}

void LinkImpl::close() {
  TC_CHECK(raw_);
  if (state_ == State::ready && !write_waiting_ && out_.size() > 0) {
    // What a client sent before it left, Redis would have seen too.
    error_code ignored;
    out_.flush(stream_, ignored);
  }
  owner_.reset();
  die("closed");
}

void LinkImpl::die(std::string why) {
  if (state_ == State::dead) {
    return;
  }
  const Self keep = ref();
  state_ = State::dead;
  config_->upstream->leave();
  handshake_.reset();
  spec_.login.reset();
  why_ = std::move(why);
  died_at_ = Clock::now();
  LinkHook::unlink();
  if (connector_) {
    connector_->cancel();
    connector_.reset();
  }
  timer_.cancel();
  stream_.close();
  alive_.reset();
  post_lost();
}

void LinkImpl::post_lost() {
  if (lost_posted_) {
    return;
  }
  lost_posted_ = true;
  asio::post(io_, [self = ref()] {
    self->lost_posted_ = false;
    self->tell_lost();
  });
}

void LinkImpl::tell_lost() {
  while (!pending_.empty()) {
    const PendingRequest request = pending_.pop();
    request.consumer->on_lost(request.tag, why_);
  }
  if (const ConsumerPtr owner = std::move(owner_)) {
    owner->on_closed(why_);
  }
  wake_waiters();
}

bool LinkImpl::saturated() const noexcept {
  return pending_.size() >= config_->max_pending || out_.size() >= config_->max_output;
}

// Well below the limits, so that who waited gets more done than one request.
bool LinkImpl::has_room() const noexcept {
  return state_ == State::dead ||
         (pending_.size() <= config_->max_pending / 2 && out_.size() <= config_->max_output / 2);
}

void LinkImpl::wait_room(Consumer& consumer) {
  waiters_.emplace_back(&consumer);
  if (has_room()) {
    post_wake();
  }
}

void LinkImpl::post_wake() {
  if (wake_posted_) {
    return;
  }
  wake_posted_ = true;
  asio::post(io_, [self = ref()] {
    self->wake_posted_ = false;
    self->wake_waiters();
  });
}

void LinkImpl::wake_waiters() {
  if (waiters_.empty() || !has_room()) {
    return;
  }
  // Those who come back during the calls wait for the next time.
  for (std::size_t left = waiters_.size(); left > 0 && (state_ == State::dead || !saturated());
       left--) {
    const ConsumerPtr waiter = std::move(waiters_.front());
    waiters_.pop_front();
    waiter->on_room();
  }
}

void LinkImpl::pause_reading(bool paused) {
  TC_CHECK(raw_);
  paused_ = paused;
  read();
}

}  // namespace tiercache::l2
