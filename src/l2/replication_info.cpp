#include "replication_info.hpp"

#include "server_info.hpp"

#include <charconv>

namespace tiercache::l2 {

namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

// Of "ip=10.0.0.2,port=6379,state=online,offset=14,lag=1". IPv6 addresses have no commas either.
std::string_view part(std::string_view line, std::string_view name) {
  while (!line.empty()) {
    const std::size_t end = line.find(',');
    const std::string_view one = line.substr(0, end);
    line = end == std::string_view::npos ? std::string_view() : line.substr(end + 1);
    if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=') {
      return one.substr(name.size() + 1);
    }
  }
  return {};
}

}  // namespace

std::optional<Replication> read_replication(std::string_view info) {
  Replication seen;
  const std::string_view role = info_field(info, "role");
  seen.master = role == "master";
  if (!seen.master && role != "slave") {
    return std::nullopt;
  }
  seen.linked = info_field(info, "master_link_status") == "up";
  seen.history = info_field(info, "master_replid");
  const auto offset =
      number(info_field(info, seen.master ? "master_repl_offset" : "slave_repl_offset"));
  if (!offset || seen.history.empty()) {
    return std::nullopt;
  }
  seen.offset = *offset;
  for (unsigned i = 0; seen.master; i++) {
    const std::string_view line = info_field(info, "slave" + std::to_string(i));
    if (line.empty()) {
      break;
    }
    const auto port = number(part(line, "port"));
    const std::string_view host = part(line, "ip");
    if (port && *port > 0 && *port <= 65535 && !host.empty()) {
      seen.replicas.push_back(
          {{config::EndpointKind::tcp, std::string(host), static_cast<std::uint16_t>(*port), ""},
           part(line, "state") == "online"});
    }
  }
  return seen;
}

bool has_caught_up(const Replication& replica, const Replication& master) {
  return master.master && (replica.master || replica.linked) && replica.history == master.history &&
         replica.offset >= master.offset;
}

}  // namespace tiercache::l2
