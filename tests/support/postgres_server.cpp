#include "postgres_server.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tiercache::testing {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{60};

std::string program(const char* name) {
  return std::string(TIERCACHE_POSTGRES_BIN) + "/" + name;
}

[[noreturn]] void fail(const std::string& what, const std::filesystem::path& log) {
  std::ifstream file(log, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  throw std::runtime_error("PostgreSQL fixture: " + what + "\n" + text);
}

void wait_for_end(pid_t pid, int& status) {
  const auto deadline = steady_clock::now() + kPatience;
  while (::waitpid(pid, &status, WNOHANG) == 0) {
    if (steady_clock::now() > deadline) {
      ::kill(pid, SIGKILL);
    }
    ::poll(nullptr, 0, 5);
  }
}

}  // namespace

PostgresServer::PostgresServer() {
  std::string path =
      (std::filesystem::temp_directory_path() / "tiercache-postgres-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) {
    throw std::runtime_error("PostgreSQL fixture: mkdtemp");
  }
  directory_ = path;
  if (::getuid() == 0) {
    const passwd* user = ::getpwnam("postgres");
    if (user == nullptr || ::chown(path.c_str(), user->pw_uid, user->pw_gid) != 0) {
      remove();
      throw std::runtime_error("PostgreSQL fixture: there is no user postgres");
    }
  }
  const std::string data = (directory_ / "data").string();
  const auto log = directory_ / "initdb.log";
  int status = 0;
  wait_for_end(spawn({program("initdb"), "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8",
                      "--no-locale", "--no-sync"},
                     log.string()),
               status);
  try {
    if (status != 0) {
      fail("initdb", log);
    }
    start();
  } catch (...) {
    remove();
    throw;
  }
}

PostgresServer::~PostgresServer() {
  crash();
  remove();
}

void PostgresServer::remove() noexcept {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string PostgresServer::dsn() const {
  return "host=" + directory_.string() + " dbname=postgres user=test";
}

std::string PostgresServer::run(const std::string& sql) const {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(dsn().c_str()),
                                                                &PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()),
                                                             &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    throw std::runtime_error(PQerrorMessage(connection.get()));
  }
  return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

void PostgresServer::start() {
  const auto log = directory_ / "postgres.log";
  pid_ = spawn({program("postgres"), "-D", (directory_ / "data").string(), "-k",
                directory_.string(), "-c", "listen_addresses=", "-c", "fsync=off", "-c",
                "max_connections=50", "-c", "shared_buffers=16MB"},
               log.string());
  const auto deadline = steady_clock::now() + kPatience;
  while (PQping(dsn().c_str()) != PQPING_OK) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      fail("it has ended", log);
    }
    if (steady_clock::now() > deadline) {
      crash();
      fail("it does not answer", log);
    }
    ::poll(nullptr, 0, 5);
  }
}

// Its processes end when they see that the first of them has gone; SIGQUIT makes them at once.
void PostgresServer::crash() {
  if (pid_ > 0) {
    int status = 0;
    ::kill(pid_, SIGQUIT);
    wait_for_end(pid_, status);
    pid_ = -1;
  }
}

pid_t PostgresServer::spawn(const std::vector<std::string>& args, const std::string& log) const {
  std::vector<std::string> words = args;
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  const passwd* user = ::getuid() == 0 ? ::getpwnam("postgres") : nullptr;
  const uid_t uid = user == nullptr ? 0 : user->pw_uid;
  const gid_t gid = user == nullptr ? 0 : user->pw_gid;
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    throw std::runtime_error("PostgreSQL fixture: fork");
  }
  if (pid == 0) {
    // Only async-signal-safe calls from here: the test may have threads.
    const int null = ::open("/dev/null", O_RDONLY);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(null, STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    if (uid != 0 && (::setgroups(0, nullptr) != 0 || ::setgid(gid) != 0 || ::setuid(uid) != 0)) {
      ::_exit(127);
    }
    // After the change of the user, which clears it.
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (::getppid() != parent || ::chdir("/") != 0) {
      ::_exit(127);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  return pid;
}

}  // namespace tiercache::testing
