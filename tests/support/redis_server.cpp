#include "redis_server.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tiercache::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPatience{10000};
constexpr milliseconds kPollInterval{5};
constexpr int kPortAttempts = 10;

[[noreturn]] void fail_errno(const std::string& what) {
  throw std::runtime_error("redis server fixture: " + what + ": " + std::strerror(errno));
}

std::string program() {
  const char* named = std::getenv("TIERCACHE_REDIS_SERVER");
  return named != nullptr && *named != '\0' ? named : "redis-server";
}

std::filesystem::path make_directory() {
  std::string path = (std::filesystem::temp_directory_path() / "tiercache-redis-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) {
    fail_errno("mkdtemp");
  }
  return path;
}

}  // namespace

std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || ::bind(fd, generic, size) != 0 || ::getsockname(fd, generic, &size) != 0) {
    fail_errno("looking for a free port");
  }
  ::close(fd);
  return ntohs(address.sin_port);
}

RedisServer::RedisServer(std::vector<std::string> extra_args)
    : extra_args_(std::move(extra_args)), directory_(make_directory()) {
  launch();
}

RedisServer::RedisServer(const Sentinel& sentinel)
    : is_sentinel_(true), directory_(make_directory()) {
  std::ofstream(directory_ / "sentinel.conf") << sentinel.config;
  launch();
}

void RedisServer::launch() {
  std::string last_log;
  for (int attempt = 0; attempt < kPortAttempts; ++attempt) {
    port_ = free_port();
    spawn();
    if (wait_ready()) {
      return;
    }
    last_log = log();
    if (last_log.find("Address already in use") == std::string::npos) {
      break;
    }
  }
  kill9();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
  throw std::runtime_error(
      "redis-server does not start; its log ends:\n" +
      last_log.substr(last_log.size() - std::min<std::size_t>(last_log.size(), 2000)));
}

RedisServer::~RedisServer() {
  kill9();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

bool RedisServer::running() {
  return pid_ > 0 && !reap(milliseconds(0));
}

std::string RedisServer::log() const {
  std::string text;
  for (const char* name : {"stderr.log", "redis.log"}) {
    std::ifstream file(directory_ / name, std::ios::binary);
    text.append(std::istreambuf_iterator<char>(file), {});
  }
  return text;
}

void RedisServer::start() {
  if (running()) {
    throw std::runtime_error("redis server fixture: start() while it runs");
  }
  spawn();
  if (!wait_ready()) {
    throw std::runtime_error("redis-server does not start again:\n" + log());
  }
}

void RedisServer::stop() {
  if (pid_ > 0) {
    ::kill(pid_, SIGCONT);
    ::kill(pid_, SIGTERM);
    if (!reap(kPatience)) {
      kill9();
    }
  }
}

void RedisServer::kill9() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    if (!reap(kPatience)) {
      throw std::runtime_error("redis server fixture: the process does not die");
    }
  }
}

void RedisServer::pause() {
  // The signal is delivered when kill() returns, but the process stops a little later.
  if (pid_ <= 0 || ::kill(pid_, SIGSTOP) != 0) {
    fail_errno("pause");
  }
  int status = 0;
  while (::waitpid(pid_, &status, WUNTRACED) < 0 && errno == EINTR) {
  }
  if (!WIFSTOPPED(status)) {
    pid_ = -1;
    throw std::runtime_error("redis server fixture: it died instead of pausing");
  }
}

void RedisServer::resume() {
  if (pid_ <= 0 || ::kill(pid_, SIGCONT) != 0) {
    fail_errno("resume");
  }
}

void RedisServer::spawn() {
  const std::string log_file = (directory_ / "redis.log").string();
  const std::string error_file = (directory_ / "stderr.log").string();
  std::filesystem::remove(log_file);
  std::vector<std::string> args{program()};
  if (is_sentinel_) {
    args.push_back((directory_ / "sentinel.conf").string());
    args.emplace_back("--sentinel");
  }
  const std::vector<std::string> common{"--port",      std::to_string(port_),
                                        "--bind",      "127.0.0.1",
                                        "--dir",       directory_.string(),
                                        "--logfile",   log_file,
                                        "--daemonize", "no"};
  args.insert(args.end(), common.begin(), common.end());
  if (!is_sentinel_) {
    args.insert(args.end(), {"--save", "", "--appendonly", "no", "--enable-debug-command", "yes"});
  }
  args.insert(args.end(), extra_args_.begin(), extra_args_.end());
  std::vector<char*> argv;
  for (std::string& arg : args) {
    argv.push_back(arg.data());
  }
  argv.push_back(nullptr);

  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) {
    fail_errno("fork");
  }
  if (pid_ == 0) {
    // Only async-signal-safe calls from here: the test may have threads.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
      ::_exit(127);
    }
    const int null = ::open("/dev/null", O_RDONLY);
    const int errors = ::open(error_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(null, STDIN_FILENO);
    ::dup2(errors, STDOUT_FILENO);
    ::dup2(errors, STDERR_FILENO);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
}

bool RedisServer::wait_ready() {
  const auto deadline = steady_clock::now() + kPatience;
  while (running()) {
    // Redis binds before it logs; a stranger on the same port must not be taken for ours.
    if (log().find(is_sentinel_ ? "Sentinel ID is" : "Ready to accept connections") !=
        std::string::npos) {
      try {
        const Value reply = Client(port_, milliseconds(1000)).call("PING");
        if (reply.text == "PONG" || reply.text.starts_with("NOAUTH")) {
          return true;
        }
      } catch (const ClientError&) {
        // not yet
      }
    }
    if (steady_clock::now() > deadline) {
      kill9();
      return false;
    }
    ::poll(nullptr, 0, static_cast<int>(kPollInterval.count()));
  }
  return false;
}

bool RedisServer::reap(milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  while (pid_ > 0) {
    const pid_t got = ::waitpid(pid_, nullptr, WNOHANG);
    if (got == pid_ || (got < 0 && errno == ECHILD)) {
      pid_ = -1;
      break;
    }
    if (steady_clock::now() >= deadline) {
      return false;
    }
    ::poll(nullptr, 0, static_cast<int>(kPollInterval.count()));
  }
  return true;
}

}  // namespace tiercache::testing
