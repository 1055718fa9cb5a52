#include "tiercache/io/poller.hpp"

#include "tiercache/base/check.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <boost/asio/defer.hpp>
#include <boost/asio/detail/reactor.hpp>
#include <boost/asio/detail/reactor_op.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <sys/epoll.h>
#include <unistd.h>

namespace tiercache::io {

namespace asio = boost::asio;

boost::asio::execution_context::id Poller::id;

namespace {

constexpr std::uint32_t kAlways = EPOLLIN | EPOLLRDHUP | EPOLLET;
constexpr std::uint32_t kEnd = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

}  // namespace

// The epoll instance as a descriptor of Asio's: an operation that is never done, as Asio's own for
// signals is. async_wait() would do too, at the price of one more system call a turn.
class Poller::Watch : public asio::detail::reactor_op {
 public:
  Watch(Poller& poller, asio::io_context& io)
      : reactor_op({}, &Watch::perform, &Watch::complete),
        poller_(poller),
        reactor_(asio::use_service<asio::detail::reactor>(io)) {
    reactor_.init_task();
  }
  bool start() {
    return reactor_.register_internal_descriptor(asio::detail::reactor::read_op, poller_.epoll_,
                                                 data_, this) == 0;
  }
  void stop() {
    reactor_.deregister_internal_descriptor(poller_.epoll_, data_);
    reactor_.cleanup_descriptor_data(data_);
  }

 private:
  static status perform(reactor_op* op) {
    static_cast<Watch*>(op)->poller_.turn();
    return not_done;
  }
  static void complete(void* /*owner*/, asio::detail::operation* /*op*/,
                       const error_code& /*error*/, std::size_t /*size*/) {
  }

  Poller& poller_;
  asio::detail::reactor& reactor_;
  asio::detail::reactor::per_descriptor_data data_{};
};

Poller::Poller(asio::io_context& io)
    : asio::execution_context::service(io),
      io_(io),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      watch_(std::make_unique<Watch>(*this, io)) {
  if (epoll_ < 0 || !watch_->start()) {
    const error_code error(errno, boost::system::system_category());
    if (epoll_ >= 0) {
      ::close(epoll_);
    }
    throw boost::system::system_error(error, "epoll");
  }
}

Poller::~Poller() = default;

Poller& Poller::of(asio::io_context& io) {
  return asio::use_service<Poller>(io);
}

void Poller::shutdown() {
  while (!streams_.empty()) {
    Stream& stream = streams_.front();
    stream.close();
    stream.user_.on_detached();
  }
  watch_->stop();
  ::close(std::exchange(epoll_, -1));
}

bool Poller::add(Stream& stream) noexcept {
  epoll_event event{};
  event.events = kAlways;
  event.data.ptr = &stream;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, stream.descriptor_, &event) != 0) {
    return false;
  }
  streams_.push_back(stream);
  return true;
}

// It is told at once if it takes something already.
void Poller::await_writable(Stream& stream) noexcept {
  epoll_event event{};
  event.events = kAlways | EPOLLOUT;
  event.data.ptr = &stream;
  TC_CHECK(::epoll_ctl(epoll_, EPOLL_CTL_MOD, stream.descriptor_, &event) == 0);
}

void Poller::forget(Stream& stream) noexcept {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, stream.descriptor_, nullptr);
  stream.Hook<EveryStream>::unlink();
  if (stream.Hook<StreamsToVisit>::is_linked()) {
    stream.Hook<StreamsToVisit>::unlink();
  }
  for (int i = 0; i < count_; i++) {
    if (events_[i].data.ptr == &stream) {
      events_[i].data.ptr = nullptr;
    }
  }
}

void Poller::turn() {
  std::array<epoll_event, kMostAtOnce> events;
  const int count = ::epoll_wait(epoll_, events.data(), kMostAtOnce, 0);
  if (count <= 0) {
    return;
  }
  events_ = events.data();
  count_ = count;
  for (int i = 0; i < count; i++) {
    tell(events[static_cast<std::size_t>(i)]);
  }
  events_ = nullptr;
  count_ = 0;
  run_turn_ends();
  if (count == kMostAtOnce) {
    // No edge tells of those that are ready besides.
    asio::post(io_, [this] { turn(); });
  }
}

void Poller::tell(epoll_event& event) {
  // Each callback may be the end of any stream; forget() then takes it out of the event.
  const auto stream = [&event] {
    return static_cast<Stream*>(event.data.ptr);
  };
  if (stream() != nullptr && (event.events & (EPOLLIN | kEnd)) != 0) {
    stream()->ended_ = stream()->ended_ || (event.events & kEnd) != 0;
    stream()->readable_ = true;
    stream()->user_.on_readable();
  }
  if (stream() != nullptr && (event.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0 &&
      std::exchange(stream()->awaits_writable_, false)) {
    stream()->user_.on_writable();
  }
}

void Poller::visit(Stream& stream) {
  if (stream.Hook<StreamsToVisit>::is_linked()) {
    return;
  }
  visits_.push_back(stream);
  if (!std::exchange(visits_posted_, true)) {
    asio::post(io_, [this] { run_visits(); });
  }
}

void Poller::run_visits() {
  visits_posted_ = false;
  // Those who come back meanwhile wait for the next time.
  List<Stream, StreamsToVisit> now;
  now.swap(visits_);
  while (!now.empty()) {
    Stream& stream = now.front();
    now.pop_front();
    if (stream.readable_) {
      stream.user_.on_readable();
    }
  }
}

void Poller::at_turn_end(AtTurnEnd& work, TurnEnd part) {
  if (work.is_linked()) {
    return;
  }
  turn_ends_[static_cast<std::size_t>(part)].push_back(work);
  if (events_ == nullptr && !in_turn_ends_) {
    post_turn_ends();
  }
}

void Poller::post_turn_ends() {
  if (!std::exchange(ends_posted_, true)) {
    asio::defer(io_, [this] {
      ends_posted_ = false;
      run_turn_ends();
    });
  }
}

// What comes back to a part that is over waits: nobody keeps the loop from its other work.
void Poller::run_turn_ends() {
  in_turn_ends_ = true;
  for (auto& part : turn_ends_) {
    List<AtTurnEnd, TurnEnds> now;
    now.swap(part);
    while (!now.empty()) {
      AtTurnEnd& work = now.front();
      now.pop_front();
      work.on_turn_end();
    }
  }
  in_turn_ends_ = false;
  if (!std::ranges::all_of(turn_ends_, [](const auto& part) { return part.empty(); })) {
    post_turn_ends();
  }
}

}  // namespace tiercache::io
