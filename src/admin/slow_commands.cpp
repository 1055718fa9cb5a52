// CACHE SLOWLOG and CACHE LATENCY: what the proxy itself has measured.
#include "admin_impl.hpp"
#include "replies.hpp"
#include "words.hpp"

#include "tiercache/proxy/gather.hpp"
#include "tiercache/stats/latency.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace tiercache::admin {

namespace {

using Entries = std::vector<proxy::SlowEntry>;

Entries entries_of(const proxy::Worker& worker) {
  const auto& entries = worker.slow_log().entries();
  return {entries.begin(), entries.end()};
}

// Newest first; as if there were one ring for all threads.
Entries newest(std::vector<Entries> parts, std::size_t most) {
  Entries all;
  for (Entries& part : parts) {
    std::move(part.begin(), part.end(), std::back_inserter(all));
  }
  std::ranges::sort(all, std::ranges::greater(), &proxy::SlowEntry::id);
  all.resize(std::min(all.size(), most));
  return all;
}

std::int64_t unix_seconds(Time at) {
  const auto then = std::chrono::system_clock::now() - (std::chrono::steady_clock::now() - at);
  return std::chrono::duration_cast<std::chrono::seconds>(then.time_since_epoch()).count();
}

// Redis's six fields, and who answered.
void append_entry(std::string& out, const proxy::SlowEntry& entry) {
  resp::append_array_header(out, 7);
  resp::append_integer(out, static_cast<std::int64_t>(entry.id));
  resp::append_integer(out, unix_seconds(entry.ended));
  resp::append_integer(out, entry.took.count());
  const std::vector<std::string> words = words_of(entry);
  resp::append_array_header(out, words.size());
  for (const std::string& arg : words) {
    resp::append_bulk(out, arg);
  }
  resp::append_bulk(out, entry.peer);
  resp::append_bulk(out, entry.name);
  resp::append_bulk(out, stats::kAnsweredNames[static_cast<std::size_t>(entry.by)]);
}

// Of CACHE SLOWLOG GET; -1: all.
std::optional<std::size_t> count_of(std::string_view word) {
  std::int64_t count = 0;
  const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), count);
  if (error != std::errc() || stop != word.data() + word.size() || count < -1) {
    return std::nullopt;
  }
  return count < 0 ? SIZE_MAX : static_cast<std::size_t>(count);
}

double microseconds(std::uint64_t nanoseconds) {
  return std::round(static_cast<double>(nanoseconds)) / 1000;
}

void append_latency(std::string& out, const stats::Histogram& histogram, resp::Version version) {
  const std::uint64_t count = histogram.count();
  const std::uint64_t mean = count > 0 ? histogram.sum() / count : 0;
  const std::pair<std::string_view, std::uint64_t> values[] = {
      {"mean_us", mean},
      {"p50_us", histogram.quantile(0.5)},
      {"p99_us", histogram.quantile(0.99)},
      {"p999_us", histogram.quantile(0.999)},
      {"max_us", histogram.max()},
  };
  resp::append_map_header(out, std::size(values) + 1, version);
  resp::append_bulk(out, "count");
  resp::append_integer(out, static_cast<std::int64_t>(count));
  for (const auto& value : values) {
    resp::append_bulk(out, value.first);
    resp::append_double(out, microseconds(value.second), version);
  }
}

}  // namespace

const Admin::Subcommand Admin::kSlowlogActions[] = {
    {"get", &Admin::slowlog_get},
    {"len", &Admin::slowlog_len},
    {"reset", &Admin::slowlog_reset},
};

void Admin::slowlog(const Request& request, proxy::Responder responder) {
  act(kSlowlogActions, request, std::move(responder));
}

void Admin::slowlog_get(const Request& request, proxy::Responder responder) {
  constexpr std::size_t kUsual = 10;
  if (request.args.size() > 4) {
    responder.reply(wrong_arguments("cache|slowlog"));
    return;
  }
  const auto count = request.args.size() == 4 ? count_of(request.args[3]) : kUsual;
  if (!count) {
    responder.reply(error_reply("ERR count should be greater than or equal to -1"));
    return;
  }
  const std::size_t most = std::min<std::size_t>(*count, parts_.settings.get()->slowlog.max_len);
  const std::uint64_t number = owed_.add(std::move(responder));
  proxy::gather<Entries>(parts_.hub, entries_of, [this, number, most](std::vector<Entries> parts) {
    const Entries entries = newest(std::move(parts), most);
    std::string out;
    resp::append_array_header(out, entries.size());
    for (const proxy::SlowEntry& entry : entries) {
      append_entry(out, entry);
    }
    owed_.reply(number, std::move(out));
  });
}

void Admin::slowlog_len(const Request& request, proxy::Responder responder) {
  if (request.args.size() > 3) {
    responder.reply(wrong_arguments("cache|slowlog"));
    return;
  }
  const std::size_t most = parts_.settings.get()->slowlog.max_len;
  const std::uint64_t number = owed_.add(std::move(responder));
  proxy::gather<std::size_t>(
      parts_.hub, [](const proxy::Worker& worker) { return worker.slow_log().entries().size(); },
      [this, number, most](const std::vector<std::size_t>& parts) {
        std::size_t all = 0;
        for (const std::size_t part : parts) {
          all += part;
        }
        std::string out;
        resp::append_integer(out, static_cast<std::int64_t>(std::min(all, most)));
        owed_.reply(number, std::move(out));
      });
}

void Admin::slowlog_reset(const Request& request, proxy::Responder responder) {
  if (request.args.size() > 3) {
    responder.reply(wrong_arguments("cache|slowlog"));
    return;
  }
  on_workers(std::move(responder), [](proxy::Worker& worker) { worker.slow_log().clear(); });
}

void Admin::latency(const Request& request, proxy::Responder responder) {
  if (request.args.size() > 3) {
    responder.reply(wrong_arguments("cache|latency"));
    return;
  }
  if (request.args.size() == 3) {
    if (lower_case(request.args[2]) != "reset") {
      responder.reply(unknown_subcommand(request.args[2]));
      return;
    }
    on_workers(std::move(responder), [](proxy::Worker& worker) { worker.latencies().reset(); });
    return;
  }
  // 8 KiB each: not for the stack.
  const auto sum = std::make_unique<std::array<stats::Histogram, stats::kAnswered>>();
  for (const proxy::Worker* worker : parts_.hub.workers) {
    for (std::size_t by = 0; by < stats::kAnswered; by++) {
      (*sum)[by].merge(worker->latencies().of(static_cast<stats::Answered>(by)));
    }
  }
  const resp::Version version = request.asker.version;
  std::string out;
  resp::append_map_header(out, stats::kAnswered, version);
  for (std::size_t by = 0; by < stats::kAnswered; by++) {
    resp::append_bulk(out, stats::kAnsweredNames[by]);
    append_latency(out, (*sum)[by], version);
  }
  responder.reply(std::move(out));
}

// OK when each worker has done it.
void Admin::on_workers(proxy::Responder responder, std::function<void(proxy::Worker&)> work) {
  const std::uint64_t number = owed_.add(std::move(responder));
  proxy::gather<Unit>(
      parts_.hub,
      [work = std::move(work)](proxy::Worker& worker) {
        work(worker);
        return Unit{};
      },
      [this, number](const std::vector<Unit>&) { owed_.reply(number, "+OK\r\n"); });
}

}  // namespace tiercache::admin
