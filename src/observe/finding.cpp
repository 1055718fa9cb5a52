#include "finding.hpp"

#include "tiercache/base/hash.hpp"

#include <chrono>
#include <iterator>

#include <fmt/format.h>

namespace tiercache::observe {

namespace {

constexpr std::size_t kLongestKey = 128;

std::string printable(std::string_view key) {
  std::string text;
  for (const char c : key.substr(0, kLongestKey)) {
    if (c < ' ' || c > '~' || c == '"' || c == '\\') {
      fmt::format_to(std::back_inserter(text), "\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      text.push_back(c);
    }
  }
  if (key.size() > kLongestKey) {
    fmt::format_to(std::back_inserter(text), "... ({} bytes)", key.size());
  }
  return text;
}

std::int64_t milliseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

// The same bytes have the same digest in every log of every proxy.
std::string describe(std::string_view bytes) {
  return fmt::format("{} bytes (digest {:016x})", bytes.size(), KeyHasher(0)(0, bytes));
}

std::string describe(std::int64_t number) {
  return fmt::format("the number {}", number);
}

std::string describe(const l2::Reply& reply) {
  if (reply.is_error()) {
    return "an error: " + printable(reply.text);
  }
  return reply.kind == l2::Reply::Kind::integer ? describe(reply.integer) : describe(reply.text);
}

std::string text_of(const Finding& finding, Time now) {
  std::string text = fmt::format(
      "audit: a stale entry: db {} key \"{}\" {}: memory says {}, Redis said {} to {}; the entry "
      "is of ping {}{}, generation {}, and would have lived for {} ms; it was dropped. "
      "Transitions: ",
      finding.db, printable(finding.key), finding.command, finding.memory, finding.redis,
      finding.question, finding.seq, finding.fenced ? " (fenced)" : "", finding.generation,
      milliseconds(finding.left));
  if (finding.transitions.empty()) {
    return text + "none recorded";
  }
  const char* separator = "";
  for (const coherence::TraceRecord& record : finding.transitions) {
    fmt::format_to(std::back_inserter(text), "{}{}", separator, name(record.what));
    if (record.at != Time{}) {
      fmt::format_to(std::back_inserter(text), " {} ms ago", milliseconds(now - record.at));
    }
    fmt::format_to(std::back_inserter(text), " (ping {}, epoch {}, generation {})", record.ping,
                   record.epoch, record.generation);
    separator = ", ";
  }
  return text;
}

}  // namespace tiercache::observe
