// Session: the client's socket. One read, as many requests as it brought, one write.
#include "node_events.hpp"
#include "session.hpp"

#include "tiercache/resp/encoder.hpp"

#include <chrono>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

namespace tiercache::proxy {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t kKeptScratch = std::size_t{64} * 1024;
constexpr std::size_t kKeptKeys = 1024;
constexpr std::size_t kStalledInput = std::size_t{64} * 1024;

resp::RequestLimits request_limits(const config::Limits& limits) {
  resp::RequestLimits out;
  out.max_request = limits.max_request;
  out.max_bulk = std::min(out.max_bulk, limits.max_request);
  out.max_inline = limits.max_inline;
  return out;
}

// As Redis writes it: 127.0.0.1:6379, [::1]:6379, /path:0.
std::string endpoint_name(const Socket::endpoint_type& endpoint) {
  if (endpoint.protocol().family() == AF_UNIX) {
    asio::local::stream_protocol::endpoint local;
    if (endpoint.size() > local.capacity()) {
      return "?:0";
    }
    std::memcpy(local.data(), endpoint.data(), endpoint.size());
    local.resize(endpoint.size());
    return local.path() + ":0";
  }
  asio::ip::tcp::endpoint tcp;
  if (endpoint.size() < sizeof(sockaddr_in) || endpoint.size() > tcp.capacity()) {
    return "?:0";
  }
  std::memcpy(tcp.data(), endpoint.data(), endpoint.size());
  tcp.resize(endpoint.size());
  const std::string host = tcp.address().to_string();
  return (tcp.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(tcp.port());
}

}  // namespace

Session::Session(Worker& worker, std::uint32_t id, std::uint64_t client_id)
    : worker_(worker),
      id_(id),
      client_id_(client_id),
      stream_(worker.io(), *this),
      parser_(request_limits(worker.config().limits)),
      user_(worker.hub().identities.anonymous()),
      lane_(&worker.home()) {
  spec_.user = user_->id();
}

Session::~Session() = default;

Time Session::now() const {
  return std::chrono::steady_clock::now();
}

void Session::start(Socket socket) {
  fd_ = socket.native_handle();
  error_code error;
  const auto local = socket.local_endpoint(error);
  unix_ = !error && local.protocol().family() == AF_UNIX;
  local_ = endpoint_name(local);
  peer_ = unix_ ? local_ : endpoint_name(socket.remote_endpoint(error));
  since_ = active_ = now();
  const int descriptor = socket.release(error);
  if (!error) {
    stream_.open(descriptor, error);
  }
  if (error) {
    close();
  }
}

bool Session::may_read() const noexcept {
  if (gone_ || eof_) {
    return false;
  }
  // What comes after the last request is read to see the client leave, and forgotten. One that may
  // be stalled for long is read for the same reason, while what it sends is little.
  const bool long_stall = ((stall_ == Stall::drain && pinned_) || stall_ == Stall::paused) &&
                          in_.view().size() < kStalledInput;
  return closing_ || ((stall_ == Stall::none || long_stall) && lost_.empty() &&
                      queue_.size() < worker_.config().limits.client_pending && !too_much_output());
}

bool Session::too_much_output() const noexcept {
  return out_.size() + queued_output_ > worker_.config().limits.client_output_pause;
}

// What the last read has left, or what was not to be read then.
void Session::read() {
  if (stream_.readable() && may_read()) {
    stream_.visit();
  }
}

void Session::on_readable() {
  if (!may_read()) {
    return;
  }
  const Input::Room room =
      in_.prepare(in_.empty() || closing_ || stall_ != Stall::none ? 0 : parser_.wanted());
  error_code error;
  const std::size_t size = stream_.receive(room.data, room.size, error);
  if (error == asio::error::would_block) {
    return;
  }
  const Time at = now();
  if (error && error != asio::error::eof) {
    close();
  } else if (error) {
    eof_ = true;
    // Nobody is left to be woken.
    if ((pinned_ && flow_->endless()) || stall_ == Stall::paused) {
      close();
    }
  } else {
    active_ = at;
    if (closing_) {
      in_.clear();
    } else {
      in_.commit(size);
    }
    worker_.count(stats::Counter::bytes_in, size);
  }
  pump(at);
}

void Session::pump() {
  pump(now());
}

// One look at the clock for all requests that lie here: each was sent before it, and is answered
// after it, so it is a moment at which each may have happened.
void Session::pump(Time at) {
  const Self keep = ref();
  time_ = at;
  if (doomed_) {
    close();
  }
  // A stream of large hits stops at the output limit and goes on when the client has taken it.
  while (process()) {
    write();
    if (gone_ || too_much_output()) {
      break;
    }
    time_ = now();
  }
  write();
  settle();
  read();
}

bool Session::process() {
  const bool more = process_requests();
  if (hits_ > 0) {
    end_hits();
  }
  return more;
}

bool Session::process_requests() {
  if (stall_ == Stall::drain && queue_.empty() && !frame_begun_) {
    stall_ = Stall::none;
  } else if (stall_ == Stall::unowed && coherence_.owed() == 0) {
    stall_ = Stall::none;
  }
  if (!lost_.empty()) {
    send_lost_again();
  }
  if (redirect_.target) {
    serve_redirect();
  }
  while (stall_ == Stall::none && lost_.empty() && !gone_ && !doomed_ && !closing_) {
    if (queue_.size() >= worker_.config().limits.client_pending) {
      return false;
    }
    if (too_much_output()) {
      return true;
    }
    // (Who answers a request past dispatch() has to look at Hub::newest_invalidation first.)
    if (hit_run()) {
      continue;
    }
    const std::string_view input = in_.view();
    const resp::ParseStatus status =
        input.empty() ? resp::ParseStatus::incomplete : parser_.parse(input);
    if (status == resp::ParseStatus::incomplete) {
      closing_ = eof_;
      return false;
    }
    if (status == resp::ParseStatus::error) {
      protocol_error();
      return false;
    }
    const std::size_t size = parser_.consumed();
    request_ = &parser_.request();
    const Step step = request_->args.empty() ? Step::next : dispatch(*request_);
    request_ = nullptr;
    if (step == Step::again) {
      return false;
    }
    fenced_by_ = 0;
    clean_.upto = 0;
    permission_asked_ = false;
    in_.consume(size);
  }
  return false;
}

void Session::protocol_error() {
  worker_.count(stats::Counter::protocol_errors);
  answer_error("ERR " + std::string(parser_.error()));
  closing_ = true;
}

void Session::write() {
  if (writing_ || gone_ || out_.empty() || holds_answers()) {
    return;
  }
  hold_.on_written();
  error_code error;
  std::size_t written = 0;
  const Output::Flush result = out_.flush(stream_, written, error);
  worker_.count(stats::Counter::bytes_out, written);
  if (out_.empty() && queue_.empty()) {
    largest_answer_ = 0;
  }
  if (result == Output::Flush::failed) {
    close();
  } else if (result == Output::Flush::blocked) {
    writing_ = true;
    stream_.await_writable();
  }
}

// Whether what could be written waits for answers of other nodes.
bool Session::holds_answers() {
  if (!worker_.clustered() || queue_.empty() || pinned_ || closing_ ||
      out_.size() > Hold::kMostBytes) {
    return false;
  }
  const Op& head = queue_.front();
  if (!head.timed || !hold_.keeps(head.begun, time_)) {
    return false;
  }
  worker_.hold(*this);
  return true;
}

void Session::on_writable() {
  writing_ = false;
  pump();
}

// After a wake-up: is anything over?
void Session::settle() {
  if (!gone_ && pinned_ && queue_.empty() && flow_->clean() && !redirect_.target &&
      stall_ != Stall::asked) {
    unpin();
    if (!in_.empty()) {
      worker_.touch(*this);  // requests that waited for a settled db or version
    }
  }
  if (!gone_ && closing_ && queue_.empty() && out_.empty()) {
    close();
  }
  if (pinned_ && own_) {
    // What waits behind an answer that is to come from there gets less by reading only.
    const bool awaited = !queue_.empty() && queue_.front().owed;
    const std::size_t waits = awaited ? out_.size() : out_.size() + queued_output_;
    const bool pause = waits > worker_.config().limits.client_output_pause;
    if (pause != paused_) {
      paused_ = pause;
      own_->pause_reading(pause);
      if (node_events_) {
        node_events_->pause_reading(pause);
      }
    }
  }
  if (scratch_.capacity() > kKeptScratch) {
    std::string().swap(scratch_);
  }
  if (keys_.capacity() > kKeptKeys) {
    std::vector<command::KeyRef>().swap(keys_);
  }
  if (queue_.empty()) {
    queue_.release();
    if (gone_) {
      worker_.remove(*this);
    }
  }
}

void Session::begin_drain() {
  closing_ = true;
  if (pinned_ && flow_->endless()) {
    close();
  }
  worker_.touch(*this);
}

void Session::close() {
  if (gone_) {
    return;
  }
  gone_ = true;
  end_pause();
  worker_.hub().clients.fetch_sub(1, std::memory_order_relaxed);
  stream_.close();
  out_.clear();
  in_.clear();
  fail_pinned("the client has gone");
  leave_own_link();
  tell_upstream_id(0);
  worker_.touch(*this);
}

void Session::forget_links() {
  node_events_.reset();
  link_.reset();
  links_.clear();
  own_.reset();
  for (std::uint64_t id = queue_.head_id(); id < queue_.next_id(); id++) {
    queue_.at(id).extra.reset();
  }
}

void Session::tick(Time time) {
  constexpr unsigned kParkedTicks = 3;
  if (!pinned_ && own_ && ++parked_ticks_ > kParkedTicks) {
    leave_own_link();
  }
  if (!redirect_.want_id.empty()) {
    worker_.touch(*this);
  }
  check_login();
  if (node_events_) {
    node_events_->tick();
  }
  queue_.tick();
  const auto timeout = worker_.config().listen.timeout;
  if (gone_ || stall_ == Stall::paused || timeout.count() == 0 || time - active_ < timeout ||
      !queue_.empty() || (pinned_ && flow_->endless())) {
    return;
  }
  close();
}

void Session::close_after_answers() {
  closing_ = true;
  worker_.touch(*this);
}

void Session::end_pause() {
  if (stall_ == Stall::paused) {
    worker_.hub().paused.fetch_sub(1, std::memory_order_relaxed);
    stall_ = Stall::none;
    worker_.touch(*this);
  }
}

}  // namespace tiercache::proxy
