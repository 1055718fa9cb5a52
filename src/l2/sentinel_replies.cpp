#include "sentinel_replies.hpp"

#include "transport.hpp"

#include <charconv>

namespace tiercache::l2 {

namespace {

using config::Endpoint;

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<Endpoint> endpoint_of(std::string_view host, std::string_view port) {
  const auto number = number_of<std::uint16_t>(port);
  if (host.empty() || host.size() > config::kMaxHost || !number || *number == 0) {
    return std::nullopt;
  }
  return Endpoint{config::EndpointKind::tcp, std::string(host), *number, ""};
}

// Of name, value, name, value; empty if there is none.
std::string_view field(const Reply& reply, std::string_view name) {
  for (std::size_t i = 0; i + 1 < reply.items.size(); i += 2) {
    if (reply.items[i].text == name) {
      return reply.items[i + 1].text;
    }
  }
  return {};
}

std::vector<Endpoint> endpoints_of(const Reply& list) {
  std::vector<Endpoint> all;
  for (const Reply& one : list.items) {
    if (auto endpoint = endpoint_of(field(one, "ip"), field(one, "port"))) {
      all.push_back(std::move(*endpoint));
    }
  }
  return all;
}

}  // namespace

std::vector<std::vector<std::string>> sentinel_commands(const std::string& master_name) {
  return {
      {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", master_name},
      {"SENTINEL", "MASTER", master_name},
      {"SENTINEL", "SENTINELS", master_name},
      {"SENTINEL", "REPLICAS", master_name},
  };
}

Result<topology::SentinelAnswer> read_sentinel_answer(const std::vector<Reply>& replies) {
  if (replies.size() != 4) {
    return Error{ErrorCode::internal, "not the replies of a sentinel"};
  }
  const Reply& address = replies[0];
  topology::SentinelAnswer answer;
  if (address.is_error()) {
    return Error{ErrorCode::refused, "-" + address.text};
  }
  if (address.kind == Reply::Kind::nil) {
    return answer;
  }
  if (address.items.size() == 2) {
    answer.master = endpoint_of(address.items[0].text, address.items[1].text);
  }
  if (!answer.master) {
    return Error{ErrorCode::invalid, "the sentinel's answer has no address"};
  }
  answer.epoch = number_of<std::uint64_t>(field(replies[1], "config-epoch"));
  answer.sentinels = endpoints_of(replies[2]);
  answer.replicas = endpoints_of(replies[3]);
  return answer;
}

Result<topology::Role> read_role(const Reply& reply) {
  if (reply.is_error()) {
    if (refused_for_good(reply.text)) {
      return topology::Role::unknown;
    }
    return Error{ErrorCode::refused, "ROLE: -" + reply.text};
  }
  if (reply.items.empty()) {
    return Error{ErrorCode::invalid, "the answer to ROLE has another shape than expected"};
  }
  return reply.items[0].text == "master" ? topology::Role::master : topology::Role::other;
}

bool names_master(std::string_view payload, std::string_view master_name) noexcept {
  return payload.substr(0, payload.find(' ')) == master_name;
}

}  // namespace tiercache::l2
