#include "process.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <spdlog/spdlog.h>
#include <sys/resource.h>

namespace tiercache::server {

void ignore_sigpipe() {
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

void raise_descriptor_limit(const config::Config& config) {
  // Log, listeners, epoll, event link, and a few links for each thread.
  constexpr rlim_t kOurs = 128;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return;
  }
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) {
      limit = raised;
    }
  }
  const rlim_t wanted = rlim_t{config.listen.max_clients} + kOurs;
  if (limit.rlim_cur < wanted) {
    spdlog::warn(
        "only {} file descriptors are allowed (ulimit -n), listen.max_clients = {} needs {}; "
        "further clients will wait",
        limit.rlim_cur, config.listen.max_clients, wanted);
  }
}

void hurry_this_thread() {
  constexpr int kNicer = 10;
  errno = 0;
  const int now = ::getpriority(PRIO_PROCESS, 0);
  if (errno != 0 || ::setpriority(PRIO_PROCESS, 0, now - kNicer) != 0) {
    spdlog::debug("the thread of the event link is scheduled like any other: {}",
                  std::strerror(errno));
  }
}

}  // namespace tiercache::server
