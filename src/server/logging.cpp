#include "logging.hpp"

#include "tiercache/server/server.hpp"

#include <memory>

#include <fmt/format.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace tiercache::server {

Status start_logging(const config::Log& log) {
  spdlog::sink_ptr sink;
  if (log.file.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    try {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(log.file);
    } catch (const spdlog::spdlog_ex& error) {
      return Error{ErrorCode::unavailable, std::string("log.file: ") + error.what()};
    }
  }
  auto logger = std::make_shared<spdlog::logger>("tiercache", std::move(sink));
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %P %l: %v");
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
  set_log_level(log.level);
  return Unit{};
}

void log_serving(const config::Config& config, const Serving& serving) {
  std::string where;
  if (config.listen.port != 0) {
    where = fmt::format("{}:{}", config.listen.address, serving.port);
  }
  if (!config.listen.unix_socket.empty()) {
    where += (where.empty() ? "" : " and ") + config.listen.unix_socket;
  }
  spdlog::info("tiercache {} serves {} with {} threads, Redis is {}", version(), where,
               serving.threads, serving.redis);
  spdlog::info("L1: {} bytes in {} shards{}", config.l1.max_memory, serving.shards,
               config.l1.enabled ? "" : ", not enabled");
}

void set_log_level(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::trace:
      return spdlog::set_level(spdlog::level::trace);
    case config::LogLevel::debug:
      return spdlog::set_level(spdlog::level::debug);
    case config::LogLevel::info:
      return spdlog::set_level(spdlog::level::info);
    case config::LogLevel::warn:
      return spdlog::set_level(spdlog::level::warn);
    case config::LogLevel::error:
      return spdlog::set_level(spdlog::level::err);
    case config::LogLevel::off:
      return spdlog::set_level(spdlog::level::off);
  }
}

}  // namespace tiercache::server
