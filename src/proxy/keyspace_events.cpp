#include "keyspace_events.hpp"

#include "tiercache/base/glob.hpp"
#include "tiercache/resp/reply_header.hpp"

#include <cstddef>

namespace tiercache::proxy {

namespace {

constexpr std::string_view kKeyspace = "__keyspace@";
constexpr std::string_view kKeyevent = "__keyevent@";

// The next bulk string; none: there is none, or not all of it.
std::optional<std::string_view> next_bulk(std::string_view& rest) noexcept {
  const resp::ReplyHeader header = resp::read_reply_header(rest);
  if (!header.ok || rest.front() != '$' || header.number < 0) {
    return std::nullopt;
  }
  const auto size = static_cast<std::size_t>(header.number);
  if (rest.size() < header.size + size + 2) {
    return std::nullopt;
  }
  const std::string_view bulk = rest.substr(header.size, size);
  rest.remove_prefix(header.size + size + 2);
  return bulk;
}

}  // namespace

bool may_bring_events(Subscription kind, std::string_view name) noexcept {
  const auto may = [&](std::string_view prefix) {
    return kind == Subscription::channel ? name.starts_with(prefix) : glob_may_begin(name, prefix);
  };
  return may(kKeyspace) || may(kKeyevent);
}

std::optional<std::string_view> key_of_event(std::string_view channel,
                                             std::string_view payload) noexcept {
  const bool keyspace = channel.starts_with(kKeyspace);
  if (!keyspace && !channel.starts_with(kKeyevent)) {
    return std::nullopt;
  }
  channel.remove_prefix(kKeyspace.size());
  const std::size_t digits = channel.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos) {
    return std::nullopt;
  }
  channel.remove_prefix(digits);
  if (!channel.starts_with("__:")) {
    return std::nullopt;
  }
  return keyspace ? channel.substr(3) : payload;
}

PubsubFrame read_pubsub(std::string_view frame) noexcept {
  PubsubFrame found;
  const std::size_t line = frame.find("\r\n");
  if (frame.empty() || (frame[0] != '*' && frame[0] != '>') || line == std::string_view::npos) {
    return found;
  }
  std::string_view rest = frame.substr(line + 2);
  auto word = next_bulk(rest);
  const auto name = word ? next_bulk(rest) : std::nullopt;
  if (!name) {
    return found;
  }
  if (word->starts_with('p')) {
    found.subscription = Subscription::pattern;
    word->remove_prefix(1);
  }
  found.name = *name;
  if (*word == "subscribe") {
    found.kind = PubsubFrame::Kind::subscribed;
  } else if (*word == "unsubscribe") {
    found.kind = PubsubFrame::Kind::unsubscribed;
  } else if (*word == "message") {
    const auto channel = found.subscription == Subscription::pattern ? next_bulk(rest) : name;
    const auto payload = channel ? next_bulk(rest) : std::nullopt;
    if (payload) {
      found.kind = PubsubFrame::Kind::message;
      found.channel = *channel;
      found.payload = *payload;
    }
  }
  return found;
}

}  // namespace tiercache::proxy
