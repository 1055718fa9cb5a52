#include "tiercache_process.hpp"

#include "redis_server.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tiercache::testing {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr milliseconds kPatience{10'000};
constexpr int kPortAttempts = 5;

fs::path make_directory() {
  std::string name = (fs::temp_directory_path() / "tiercache-test.XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error(std::string("tiercache fixture: mkdtemp: ") + std::strerror(errno));
  }
  return name;
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const char* program() {
  const char* named = std::getenv("TIERCACHE_PROGRAM");
  return named != nullptr && *named != '\0' ? named : TIERCACHE_PROGRAM;
}

pid_t spawn(const std::vector<std::string>& args, const fs::path& out, const fs::path& err) {
  std::vector<std::string> words{program()};
  words.insert(words.end(), args.begin(), args.end());
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; entry++) {
    if (!std::string_view(*entry).starts_with("TIERCACHE_")) {
      environment.push_back(*entry);
    }
  }
  environment.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    throw std::runtime_error("tiercache fixture: fork");
  }
  if (pid == 0) {
    // Only async-signal-safe calls from here: the test may have threads.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
      ::_exit(127);
    }
    ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(argv[0], argv.data(), environment.data());
    ::_exit(127);
  }
  return pid;
}

std::optional<int> reap(pid_t pid, milliseconds timeout) {
  int status = 0;
  const bool gone = eventually([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }, timeout);
  if (!gone) {
    return std::nullopt;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

void pause_briefly() {
  ::poll(nullptr, 0, 2);
}

ProgramRun run_tiercache(const std::vector<std::string>& args) {
  const fs::path directory = make_directory();
  const pid_t pid = spawn(args, directory / "out", directory / "err");
  ProgramRun run;
  if (const auto status = reap(pid, kPatience)) {
    run.status = *status;
  } else {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  run.out = text_of(directory / "out");
  run.err = text_of(directory / "err");
  std::error_code ignored;
  fs::remove_all(directory, ignored);
  return run;
}

TiercacheProcess::TiercacheProcess(std::uint16_t redis_port, std::vector<std::string> sets)
    : directory_(make_directory()) {
  start(redis_port, sets);
}

TiercacheProcess::TiercacheProcess(std::uint16_t redis_port, std::vector<std::string> sets,
                                   const std::string& config_text)
    : directory_(make_directory()) {
  std::ofstream(config_file()) << config_text;
  start(redis_port, sets);
}

TiercacheProcess::~TiercacheProcess() {
  if (pid_ > 0 && !status_) {
    ::kill(pid_, SIGKILL);
    reap(pid_, kPatience);
  }
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

void TiercacheProcess::start(std::uint16_t redis_port, const std::vector<std::string>& sets) {
  std::string last_log;
  for (int attempt = 0; attempt < kPortAttempts; attempt++) {
    port_ = free_port();
    std::vector<std::string> args;
    if (fs::exists(config_file())) {
      args = {"--config", config_file().string()};
    }
    const auto set = [&args](const std::string& assignment) {
      args.emplace_back("--set");
      args.push_back(assignment);
    };
    set("listen.port=" + std::to_string(port_));
    set("upstream.address=127.0.0.1:" + std::to_string(redis_port));
    set("threads=2");
    for (const std::string& assignment : sets) {
      set(assignment);
    }
    status_.reset();
    pid_ = spawn(args, directory_ / "out", directory_ / "log");
    if (wait_listening()) {
      return;
    }
    last_log = log();
    if (last_log.find("Address already in use") == std::string::npos) {
      break;
    }
  }
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
  throw std::runtime_error("tiercache does not start; its log:\n" + last_log);
}

// The line is written once the sockets listen, so a stranger on the port is not taken for ours.
bool TiercacheProcess::wait_listening() {
  eventually([&] {
    return log().find(" serves ") != std::string::npos || wait_exit(milliseconds(0)).has_value();
  });
  if (status_) {
    return false;
  }
  if (log().find(" serves ") != std::string::npos) {
    return true;
  }
  ::kill(pid_, SIGKILL);
  wait_exit(kPatience);
  return false;
}

std::string TiercacheProcess::log() const {
  return text_of(directory_ / "log");
}

void TiercacheProcess::signal(int number) {
  if (pid_ <= 0 || status_ || ::kill(pid_, number) != 0) {
    throw std::runtime_error("tiercache fixture: signal to a process that is gone");
  }
}

std::optional<int> TiercacheProcess::wait_exit(milliseconds timeout) {
  if (!status_) {
    status_ = reap(pid_, timeout);
  }
  return status_;
}

void TiercacheProcess::wait_live() {
  Client client(port_);
  const bool live = eventually([&] {
    const Value stats = client.call("CACHE", "STATS");
    const Value* state = stats.find("event_link_state");
    return state != nullptr && state->text == "live";
  });
  if (!live) {
    throw std::runtime_error("tiercache fixture: the event link does not come up:\n" + log());
  }
}

std::int64_t TiercacheProcess::stat(const std::string& name) {
  const Value stats = Client(port_).call("CACHE", "STATS");
  const Value* value = stats.find(name);
  if (value == nullptr || value->type != Value::Type::integer) {
    throw std::runtime_error("CACHE STATS has no number " + name);
  }
  return value->integer;
}

}  // namespace tiercache::testing
