#include "tiercache/topology/cluster_nodes.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace tiercache::topology {

namespace {

using config::Endpoint;

// Cuts the text before the first separator off, and the separator.
std::string_view next(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return word;
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

bool has_flag(std::string_view flags, std::string_view wanted) {
  while (!flags.empty()) {
    if (next(flags, ',') == wanted) {
      return true;
    }
  }
  return false;
}

// What follows the first comma, up to the next.
std::string_view name_of(std::string_view address) {
  next(address, ',');
  const std::string_view name = next(address, ',');
  return name.size() <= config::kMaxHost && name.find('=') == name.npos ? name : "";
}

// host:port@bus,name
std::optional<Endpoint> endpoint_of(std::string_view text, const Endpoint& from) {
  const std::string_view address = text.substr(0, text.find_first_of("@,"));
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  const auto port = number_of<std::uint16_t>(address.substr(colon + 1));
  Endpoint endpoint;
  endpoint.host = colon == 0 ? from.host : std::string(address.substr(0, colon));
  if (!port || *port == 0 || endpoint.host.size() > config::kMaxHost) {
    return std::nullopt;
  }
  endpoint.port = *port;
  return endpoint;
}

// "0-5460" or "7"; slots that are moving, "[93-<-id]", are none.
std::optional<SlotRange> range_of(std::string_view text) {
  const std::string_view first = next(text, '-');
  const auto from = number_of<Slot>(first);
  const auto to = text.empty() ? from : number_of<Slot>(text);
  if (!from || !to || *from > *to || *to >= kSlots) {
    return std::nullopt;
  }
  return SlotRange{*from, *to};
}

}  // namespace

Result<ClusterServers> read_cluster_nodes(std::string_view text, const Endpoint& from) {
  ClusterServers servers;
  bool myself = false;
  while (!text.empty()) {
    std::string_view line = next(text, '\n');
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty()) {
      continue;
    }
    next(line, ' ');  // its id
    const std::string_view address = next(line, ' ');
    const std::string_view flags = next(line, ' ');
    next(line, ' ');  // its master
    next(line, ' ');  // last PING
    next(line, ' ');  // last PONG
    const auto epoch = number_of<std::uint64_t>(next(line, ' '));
    const std::string_view link = next(line, ' ');
    if (!epoch || (link != "connected" && link != "disconnected")) {
      return Error{ErrorCode::invalid, "the answer to CLUSTER NODES has another shape"};
    }
    const auto endpoint = endpoint_of(address, from);
    myself = myself || has_flag(flags, "myself");
    if (!endpoint || has_flag(flags, "noaddr") || has_flag(flags, "handshake")) {
      continue;
    }
    ClusterServer& server = servers.emplace_back();
    server.endpoint = *endpoint;
    server.master = has_flag(flags, "master");
    server.failed = has_flag(flags, "fail");
    server.epoch = *epoch;
    server.name = name_of(address);
    while (!line.empty()) {
      const std::string_view slots = next(line, ' ');
      if (slots.empty() || slots.starts_with('[')) {
        continue;
      }
      const auto range = range_of(slots);
      if (!range) {
        return Error{ErrorCode::invalid, "the answer to CLUSTER NODES has a strange slot"};
      }
      server.slots.push_back(*range);
    }
  }
  if (!myself) {
    return Error{ErrorCode::invalid, "the answer to CLUSTER NODES does not name who gave it"};
  }
  // Each server has its own order.
  std::sort(servers.begin(), servers.end(), [](const ClusterServer& a, const ClusterServer& b) {
    return a.endpoint.host != b.endpoint.host ? a.endpoint.host < b.endpoint.host
                                              : a.endpoint.port < b.endpoint.port;
  });
  return servers;
}

std::string to_string(const std::vector<SlotRange>& slots) {
  std::string text;
  for (const SlotRange& range : slots) {
    text += (text.empty() ? "" : " ") + std::to_string(range.first);
    if (range.last != range.first) {
      text += "-" + std::to_string(range.last);
    }
  }
  return text;
}

}  // namespace tiercache::topology
