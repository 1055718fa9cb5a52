#include "worker.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace tiercache::load {
namespace {

constexpr std::size_t kReadSize = std::size_t{256} * 1024;
constexpr int kEvents = 256;

std::optional<Pace> pace_of(const Settings& settings, Part part) {
  if (settings.rate <= 0) {
    return std::nullopt;
  }
  return Pace(settings.rate / static_cast<double>(settings.pipeline), part);
}

Time duration_of(const Settings& settings) {
  return Time(static_cast<std::int64_t>(settings.seconds * 1e9));
}

}  // namespace

Worker::Worker(const Settings& settings, Part part)
    : settings_(settings),
      part_(part),
      writer_(settings.workload, part),
      pace_(pace_of(settings, part)),
      left_(settings.count > 0 ? part.share(settings.count)
                               : std::numeric_limits<std::uint64_t>::max()),
      buffer_(kReadSize) {
}

Worker::~Worker() {
  if (epoll_ >= 0) {
    ::close(epoll_);
  }
}

Result<std::unique_ptr<Worker>> Worker::create(const Settings& settings, Part part) {
  std::unique_ptr<Worker> worker(new Worker(settings, part));
  if (Status status = worker->connect(); !status) {
    return std::move(status).error();
  }
  return worker;
}

Status Worker::connect() {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) {
    return Error{ErrorCode::unavailable, "there is no epoll instance to be had"};
  }
  const std::uint64_t count = part_.share(settings_.connections);
  for (std::uint64_t i = 0; i < count; ++i) {
    auto socket = connect_to(settings_.target);
    if (!socket) {
      return std::move(socket).error();
    }
    connections_.push_back(std::make_unique<Connection>(*socket));
    watch(*connections_.back(), EPOLL_CTL_ADD);
  }
  open_ = connections_.size();
  return Unit{};
}

void Worker::run(Clock::time_point start) {
  start_ = start;
  // An open loop sleeps until the next request is due; the usual 50 us of slack would be latency.
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  if (!pace_) {
    // Whatever the clock says by now, so that the shortest run on the busiest machine asks
    // something.
    for (const auto& connection : connections_) {
      if (left_ > 0) {
        ask(*connection, now());
      }
    }
  }
  while (open_ > 0) {
    if (pace_) {
      ask_what_is_due();
    }
    if (unanswered_ > 0 ? now() - asked_ > kPatience : !more_to_ask()) {
      break;
    }
    wait();
  }
  for (const auto& connection : connections_) {
    if (connection->open() && connection->outstanding() > 0) {
      lose(*connection, "no reply for a long time");
    }
    const ReplyCounter& replies = connection->replies();
    tally_.errors += replies.errors();
    tally_.nulls += replies.nulls();
    if (tally_.first_error.empty()) {
      tally_.first_error = replies.first_error();
    }
  }
}

bool Worker::more_to_ask() const noexcept {
  return left_ > 0 &&
         (settings_.count > 0 || (pace_ ? pace_->due() : now()) < duration_of(settings_));
}

void Worker::ask(Connection& connection, Time since) {
  const std::uint64_t batch = std::min<std::uint64_t>(settings_.pipeline, left_);
  for (std::uint64_t i = 0; i < batch; ++i) {
    writer_.append(connection.output());
  }
  left_ -= batch;
  unanswered_ += batch;
  connection.begin_batch(static_cast<std::size_t>(batch), since);
  asked_ = now();
  if (!connection.flush()) {
    lose(connection, "the connection was lost");
  } else if (connection.has_output()) {
    watch(connection, EPOLL_CTL_MOD);
  }
}

void Worker::ask_what_is_due() {
  for (;;) {
    const Time due = pace_->due();
    const Time late = now() - due;
    if (late < Time{0} || !more_to_ask()) {
      return;
    }
    Connection* const connection = next_connection();
    if (connection == nullptr) {
      return;
    }
    tally_.late_ns = std::max(tally_.late_ns, static_cast<std::uint64_t>(late.count()));
    pace_->take();
    ask(*connection, due);
  }
}

Connection* Worker::next_connection() noexcept {
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    Connection& connection = *connections_[turn_];
    turn_ = (turn_ + 1) % connections_.size();
    if (connection.open() && connection.outstanding() < kMaxOutstanding) {
      return &connection;
    }
  }
  return nullptr;
}

std::optional<Time> Worker::next_wake() const noexcept {
  const Time current = now();
  std::optional<Time> wake;
  if (unanswered_ > 0) {
    wake = asked_ + kPatience + std::chrono::milliseconds(1) - current;
  }
  if (pace_ && more_to_ask()) {
    const Time due = pace_->due() - current;
    wake = wake ? std::min(*wake, due) : due;
  }
  return wake ? std::max(Time{0}, *wake) : wake;
}

void Worker::wait() {
  std::array<epoll_event, kEvents> events;
  timespec timeout{};
  const std::optional<Time> wake = next_wake();
  if (wake) {
    timeout.tv_sec = static_cast<time_t>(wake->count() / 1'000'000'000);
    timeout.tv_nsec = static_cast<long>(wake->count() % 1'000'000'000);
  }
  const int count =
      ::epoll_pwait2(epoll_, events.data(), kEvents, wake ? &timeout : nullptr, nullptr);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    on_event(*static_cast<Connection*>(event.data.ptr), event.events);
  }
}

void Worker::on_event(Connection& connection, std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    if (!connection.flush()) {
      lose(connection, "the connection was lost");
      return;
    }
    if (!connection.has_output()) {
      watch(connection, EPOLL_CTL_MOD);
    }
  }
  if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0) {
    return;
  }
  Time current{0};
  const bool alive = connection.receive(buffer_, [&](Time since, std::size_t replies) {
    if (current == Time{0}) {
      current = now();
    }
    for (std::size_t i = 0; i < replies; ++i) {
      tally_.latency.record(current - since);
    }
    tally_.replies += replies;
    unanswered_ -= replies;
  });
  ended_ = std::max(ended_, current);
  if (!alive) {
    lose(connection, "the connection was lost, or what came on it is not RESP");
  } else if (!pace_ && connection.outstanding() == 0 && more_to_ask()) {
    ask(connection, now());
  }
}

void Worker::watch(Connection& connection, int operation) const {
  epoll_event event{};
  event.events = EPOLLIN;
  if (connection.has_output()) {
    event.events |= EPOLLOUT;
  }
  event.data.ptr = &connection;
  ::epoll_ctl(epoll_, operation, connection.socket(), &event);
}

void Worker::lose(Connection& connection, const char* why) {
  tally_.unanswered += connection.outstanding();
  unanswered_ -= connection.outstanding();
  connection.close();
  --open_;
  if (tally_.first_error.empty()) {
    tally_.first_error = why;
  }
}

}  // namespace tiercache::load
