// A private PostgreSQL for live tests: on a Unix socket in a directory of its own, which is removed
// when the object goes; killed by the kernel should the test die. Where the test runs as root,
// which PostgreSQL refuses, it runs as the user postgres.
//
// Owner: the test. One thread at a time; the thread that starts it must outlive it. Every wait is
// bounded (60 s); what fails throws std::runtime_error.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace tiercache::testing {

class PostgresServer {
 public:
  PostgresServer();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // What libpq connects to.
  std::string dsn() const;
  // Over a connection of its own; the first column of the first row, if there is one.
  std::string run(const std::string& sql) const;

  // On the same directory.
  void start();
  // As if the machine had failed: connections break, nobody listens.
  void crash();

 private:
  pid_t spawn(const std::vector<std::string>& args, const std::string& log) const;
  void remove() noexcept;

  std::filesystem::path directory_;
  pid_t pid_ = -1;
};

}  // namespace tiercache::testing
