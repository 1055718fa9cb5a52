#include "tiercache/l3/listener.hpp"

#include "pq_session.hpp"

#include "tiercache/base/backoff.hpp"

#include <atomic>
#include <cerrno>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace tiercache::l3 {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

Time now() {
  return std::chrono::steady_clock::now();
}

class PqListener final : public Listener {
 public:
  PqListener(ListenerConfig config, ListenerHandlers handlers)
      : config_(std::move(config)),
        handlers_(std::move(handlers)),
        session_(config_.dsn, "SET default_transaction_read_only = on"),
        stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (stop_ < 0) {
      throw std::system_error(errno, std::generic_category(), "eventfd");
    }
    session_.stop_by(stopping_);
    thread_ = std::thread([this] {
      ::pthread_setname_np(::pthread_self(), "tiercache-listen");
      work();
    });
  }
  ~PqListener() override {
    stopping_ = true;
    ::eventfd_write(stop_, 1);
    thread_.join();
    ::close(stop_);
  }

 private:
  enum class Woken : bool { yes, stopped };

  void work() {
    Backoff backoff(100ms, 5s);
    std::minstd_rand random(std::random_device{}());
    for (;;) {
      PqProblem problem = listen();
      if (problem.kind == PqProblem::Kind::none) {
        backoff.reset();
        handlers_.on_listening();
        if (hear(problem) == Woken::stopped) {
          return;
        }
      }
      session_.close();
      handlers_.on_lost(problem.why);
      const Duration pause = backoff.next(random());
      if (wait(-1, std::chrono::duration_cast<milliseconds>(pause)) == Woken::stopped) {
        return;
      }
    }
  }

  PqProblem listen() {
    if (PqProblem problem = session_.connect(now() + kTimeout);
        problem.kind != PqProblem::Kind::none) {
      return problem;
    }
    char* name = PQescapeIdentifier(session_.get(), config_.channel.data(), config_.channel.size());
    if (name == nullptr) {
      return {PqProblem::Kind::query, "the channel is no name"};
    }
    const std::string command = std::string("LISTEN ") + name;
    PQfreemem(name);
    PqRows rows;
    return session_.result(PQsendQuery(session_.get(), command.c_str()), PGRES_COMMAND_OK,
                           now() + kTimeout, rows);
  }

  // Until the connection is lost, or the end.
  Woken hear(PqProblem& problem) {
    for (;;) {
      tell();
      bool readable = false;
      if (wait(PQsocket(session_.get()), kHeartbeat, &readable) == Woken::stopped) {
        return Woken::stopped;
      }
      if (readable) {
        if (PQconsumeInput(session_.get()) == 0) {
          problem = {PqProblem::Kind::lost, "the connection was lost"};
          return Woken::yes;
        }
        continue;
      }
      PqRows rows;
      problem = session_.result(PQsendQuery(session_.get(), "SELECT 1"), PGRES_TUPLES_OK,
                                now() + kTimeout, rows);
      if (problem.kind != PqProblem::Kind::none) {
        return Woken::yes;
      }
    }
  }

  void tell() {
    while (PGnotify* notice = PQnotifies(session_.get())) {
      std::string payload(notice->extra);
      PQfreemem(notice);
      handlers_.on_notice(std::move(payload));
    }
  }

  // For so long, or until there is something to read.
  Woken wait(int socket, milliseconds time, bool* readable = nullptr) const {
    pollfd polls[] = {{stop_, POLLIN, 0}, {socket, POLLIN, 0}};
    ::poll(polls, 2, static_cast<int>(time.count()));
    if (readable != nullptr) {
      *readable = polls[1].revents != 0;
    }
    return polls[0].revents != 0 ? Woken::stopped : Woken::yes;
  }

  const ListenerConfig config_;
  const ListenerHandlers handlers_;
  PqSession session_;
  const int stop_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Listener> make_listener(ListenerConfig config, ListenerHandlers handlers) {
  return std::make_unique<PqListener>(std::move(config), std::move(handlers));
}

}  // namespace tiercache::l3
