#include "trace.hpp"

#include <algorithm>
#include <cstdio>

namespace tiercache::verify {
namespace {

constexpr std::size_t kAfter = 3;

bool is_repetition(const TraceLine& a, const TraceLine& b) {
  const auto same = [](const Step& x, const Step& y) {
    return x.sent == y.sent && x.replied == y.replied && x.key == y.key && x.version == y.version &&
           x.kind == y.kind && x.result == y.result && x.seen == y.seen;
  };
  return a.who == b.who && same(a.step, b.step);
}

void join_repetitions(std::vector<TraceLine>& lines) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (kept > 0 && is_repetition(lines[kept - 1], lines[i])) {
      lines[kept - 1].times += lines[i].times;
    } else {
      if (kept != i) {
        lines[kept] = std::move(lines[i]);
      }
      ++kept;
    }
  }
  lines.resize(kept);
}

}  // namespace

std::string describe(const Step& step) {
  const std::string number = std::to_string(number_of(step.version));
  switch (step.result) {
    case Step::Result::written:
      return "wrote " + number;
    case Step::Result::failed:
      return "failed, state " + number;
    case Step::Result::seen:
      break;
  }
  switch (step.seen) {
    case Seen::Kind::value:
      return "saw " + number;
    case Seen::Kind::absent:
      return "saw nil";
    case Seen::Kind::present:
      return "saw it exist";
    case Seen::Kind::length:
      return "saw length " + number;
    case Seen::Kind::member:
      return "saw the record of " + number + " in it";
    case Seen::Kind::outsider:
      return "saw no record of " + number + " in it";
    case Seen::Kind::corrupt:
      return "saw broken bytes";
    case Seen::Kind::mistyped:
      return "got a reply of the wrong type";
  }
  return {};
}

void arrange(std::vector<TraceLine>& lines, Nanos at, std::size_t before) {
  std::stable_sort(lines.begin(), lines.end(), [](const TraceLine& a, const TraceLine& b) {
    return a.step.replied != b.step.replied ? a.step.replied < b.step.replied : a.who < b.who;
  });
  join_repetitions(lines);
  const auto after = std::find_if(lines.begin(), lines.end(),
                                  [&](const TraceLine& line) { return line.step.replied > at; });
  const auto kept_after = std::min<std::ptrdiff_t>(kAfter, lines.end() - after);
  lines.erase(after + kept_after, lines.end());
  const auto kept = before + static_cast<std::size_t>(kept_after);
  if (lines.size() > kept) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(kept));
  }
}

std::string to_text(const TraceLine& line, Nanos origin) {
  const auto micros = [&](Nanos at) {
    return static_cast<double>(at - origin) / 1000.0;
  };
  char head[128];
  std::snprintf(head, sizeof head, "%12.1f ..%12.1f us  %-24s %-11s ", micros(line.step.sent),
                micros(line.step.replied), line.who.c_str(),
                std::string(name_of(line.step.kind)).c_str());
  std::string text = head + describe(line.step);
  if (line.times > 1) {
    text += ", " + std::to_string(line.times) + " times";
  }
  return text;
}

}  // namespace tiercache::verify
