// The differential fuzz: random command streams through tiercache and to a plain Redis, whose
// replies must be equal. See kUsage.
#include "command_line.hpp"
#include "pair.hpp"
#include "shrink.hpp"
#include "stream.hpp"

#include <chrono>
#include <cstdio>
#include <exception>
#include <random>
#include <string_view>

using namespace tiercache;
using namespace tiercache::twin;

namespace {

constexpr std::string_view kUsage =
    R"(usage: twin [options]

Sends random streams of commands through tiercache to one redis-server and straight to another, and
compares the replies. It starts all three, private ones, on free ports.

  --commands N      requests (20000)
  --seed S          the same streams again (0: a random one, which is printed)
  --protocol 2|3    the RESP version that clients begin with (2)
  --l1 on|off|tiny  as shipped, switched off, or with 1 MB (on)
  --round R         that round of the seed only
  --size K          steps in a round (400)
  --without-proxy 1 two plain servers: a difference is then one of the rules (tests/live/twin/rules.cpp)
  --planted 1       the twin is configured a little otherwise, and that must be noticed

Each round begins with fresh servers. On a difference the fewest steps that show it are printed,
with the seed and the round. Exit status: 0 none, 1 a difference, 2 it could not run or showed too little.
)";

struct Settings {
  std::uint64_t commands = 20'000;
  std::uint64_t seed = 0;
  std::uint64_t round = 0;
  bool one_round = false;
  std::uint64_t size = 400;
  Pair::Options pair;
};

constexpr tools::NumberOption<Settings, std::uint64_t> kNumbers[] = {
    {"--commands", 1, 1'000'000'000,
     [](Settings& s, std::uint64_t n) {
       s.commands = n;
     }},
    {"--seed", 0, UINT64_MAX,
     [](Settings& s, std::uint64_t n) {
       s.seed = n;
     }},
    {"--protocol", 2, 3,
     [](Settings& s, std::uint64_t n) {
       s.pair.version = static_cast<int>(n);
     }},
    {"--round", 0, UINT64_MAX,
     [](Settings& s, std::uint64_t n) {
       s.round = n;
       s.one_round = true;
     }},
    {"--size", 1, 1'000'000,
     [](Settings& s, std::uint64_t n) {
       s.size = n;
     }},
    {"--planted", 0, 1,
     [](Settings& s, std::uint64_t n) {
       s.pair.planted = n == 1;
     }},
    {"--without-proxy", 0, 1,
     [](Settings& s, std::uint64_t n) {
       s.pair.proxy = n == 0;
     }},
};

Status take(Settings& settings, std::string_view name, std::string_view value) {
  if (name != "--l1") {
    return tools::take_number(kNumbers, settings, name, value);
  }
  if (value != "on" && value != "off" && value != "tiny") {
    return tools::invalid("--l1 is on, off or tiny");
  }
  settings.pair.l1 = value == "on" ? L1::on : value == "off" ? L1::off : L1::tiny;
  return Unit{};
}

void report(const Difference& found) {
  std::printf("%s\n  expected: %s\n  actual:   %s\n", found.what.c_str(), found.expected.c_str(),
              found.actual.c_str());
}

void explain(Pair& pair, std::vector<Step> steps, const Difference& found) {
  std::printf("at step %zu of %zu: ", found.step, steps.size());
  report(found);
  steps.resize(std::min(steps.size(), found.step + 1));
  pair.set_patience(std::chrono::seconds(5));
  Difference last = found;
  const auto fails = [&](const std::vector<Step>& some) {
    const auto again = pair.run(some);
    last = again.value_or(last);
    return again.has_value();
  };
  if (!fails(steps)) {
    std::printf("the same steps again show no difference\n");
    return;
  }
  steps = shrink(std::move(steps), fails, std::chrono::seconds(120));
  std::printf("\nthe fewest steps that show a difference, %zu:\n", steps.size());
  for (const Step& step : steps) {
    std::printf("  %s\n", to_string(step).c_str());
  }
  report(last);
}

int run(const Settings& settings) {
  Pair pair(settings.pair);
  testing::CommandSamples samples(pair.twin_direct(), 1);
  pair.use(samples);
  Stream stream(samples, settings.pair.version);
  const auto begin = std::chrono::steady_clock::now();
  const std::int64_t hits = pair.hits();
  std::uint64_t rounds = 0;
  for (std::uint64_t r = settings.round; pair.tally().requests < settings.commands; ++r) {
    const std::vector<Step> steps = stream.round(settings.seed + (r << 32U), settings.size);
    if (const auto found = pair.run(steps)) {
      std::printf("a difference: --seed %ju --round %ju --protocol %d\n",
                  static_cast<std::uintmax_t>(settings.seed), static_cast<std::uintmax_t>(r),
                  settings.pair.version);
      explain(pair, steps, *found);
      return settings.pair.planted ? 0 : 1;
    }
    ++rounds;
    if (settings.one_round) {
      break;
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const Tally& tally = pair.tally();
  std::uint64_t done = 0;
  for (const auto& [name, count] : tally.commands) {
    done += count.done;
  }
  std::size_t unsent = 0;
  for (const std::string& name : stream.names()) {
    if (!tally.commands.contains(name)) {
      ++unsent;
      std::printf("not sent: %s\n", name.c_str());
    }
  }
  const std::int64_t new_hits = pair.hits() - hits;
  std::printf(
      "%ju requests in %ju rounds, %ju of them without an error, %zu of %zu commands, "
      "%jd from L1, %.1f s: no difference\n",
      static_cast<std::uintmax_t>(tally.requests), static_cast<std::uintmax_t>(rounds),
      static_cast<std::uintmax_t>(done), stream.names().size() - unsent, stream.names().size(),
      static_cast<std::intmax_t>(new_hits), took.count());
  if (settings.pair.planted) {
    return 1;
  }
  const bool hits_expected = settings.pair.proxy && settings.pair.l1 != L1::off;
  return done * 2 < tally.requests || (hits_expected && new_hits == 0) ? 2 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  Settings settings;
  const Status status = tools::read_options(
      words, [](std::string_view) { return false; },
      [&](std::string_view name, std::string_view value) { return take(settings, name, value); });
  if (!status) {
    std::fprintf(stderr, "twin: %s\n%.*s", status.error().detail.c_str(),
                 static_cast<int>(kUsage.size()), kUsage.data());
    return 2;
  }
  if (settings.seed == 0) {
    settings.seed = std::random_device()() % 1'000'000 + 1;
  }
  std::printf("seed %ju\n", static_cast<std::uintmax_t>(settings.seed));
  std::fflush(stdout);
  try {
    return run(settings);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "twin: %s\n", error.what());
    return 2;
  }
}
