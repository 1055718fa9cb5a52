#include "run.hpp"

#include "worker.hpp"

#include <algorithm>
#include <thread>
#include <vector>

namespace tiercache::load {
namespace {

constexpr std::size_t kFillPipeline = 128;

Result<Outcome> run_once(const Settings& settings) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (unsigned i = 0; i < settings.threads; ++i) {
    auto worker = Worker::create(settings, Part{i, settings.threads});
    if (!worker) {
      return std::move(worker).error();
    }
    workers.push_back(std::move(worker).value());
  }
  const auto start = Worker::Clock::now();
  std::vector<std::thread> threads;
  for (const auto& worker : workers) {
    threads.emplace_back([&worker, start] { worker->run(start); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  Outcome outcome{std::make_unique<Tally>(), 0};
  Time ended{0};
  for (const auto& worker : workers) {
    outcome.tally->merge(worker->tally());
    ended = std::max(ended, worker->ended());
  }
  outcome.seconds = std::chrono::duration<double>(ended).count();
  return outcome;
}

Settings fill_of(const Settings& settings) {
  Settings fill = settings;
  const std::uint64_t keys = settings.workload.keys.keys;
  fill.workload.command = CommandKind::set;
  fill.workload.keys = {KeyShape::sequence, keys, 0};
  fill.count = keys;
  fill.rate = 0;
  fill.connections = static_cast<std::size_t>(std::min<std::uint64_t>(settings.connections, keys));
  fill.threads = std::min(settings.threads, static_cast<unsigned>(fill.connections));
  fill.pipeline = settings.workload.values.largest() > 65536 ? 1 : kFillPipeline;
  return fill;
}

}  // namespace

Result<Outcome> run(const Settings& settings) {
  if (settings.fill == Fill::first) {
    auto filled = run_once(fill_of(settings));
    if (!filled) {
      return filled;
    }
    if (!filled->tally->good()) {
      return Error{ErrorCode::refused, "filling: " + filled->tally->first_error};
    }
  }
  return run_once(settings);
}

}  // namespace tiercache::load
