#include "tiercache/proxy/client_facts.hpp"

#include <utility>

namespace tiercache::proxy {

namespace {

std::string flags_of(const ClientFacts& client) {
  const std::pair<bool, char> letters[] = {
      {client.monitor, 'O'},     {client.type() == ClientType::pubsub, 'P'},
      {client.queued >= 0, 'x'}, {client.blocked, 'b'},
      {client.tracking, 't'},    {client.broadcast, 'B'},
      {client.closing, 'c'},     {client.unix_socket, 'U'},
      {client.no_evict, 'e'},
  };
  std::string flags;
  for (const auto& [on, letter] : letters) {
    if (on) {
      flags.push_back(letter);
    }
  }
  return flags.empty() ? "N" : flags;
}

class Line {
 public:
  Line& add(std::string_view name, std::string_view value) {
    text_.append(text_.empty() ? "" : " ").append(name).append("=").append(value);
    return *this;
  }
  template <class Number>
  Line& add_number(std::string_view name, Number value) {
    return add(name, std::to_string(value));
  }
  std::string take() {
    return std::move(text_);
  }

 private:
  std::string text_;
};

}  // namespace

std::string client_line(const ClientFacts& client) {
  Line line;
  line.add_number("id", client.id)
      .add("addr", client.peer)
      .add("laddr", client.local)
      .add_number("fd", client.fd)
      .add("name", client.name)
      .add_number("age", client.age.count())
      .add_number("idle", client.idle.count())
      .add("flags", flags_of(client))
      .add_number("db", client.db)
      .add_number("sub", client.channels)
      .add_number("psub", client.patterns)
      .add_number("ssub", client.shard_channels)
      .add_number("multi", client.queued)
      .add_number("qbuf", client.input)
      .add_number("qbuf-free", client.input_free)
      .add_number("argv-mem", 0)   // requests are passed on, not kept
      .add_number("multi-mem", 0)  // nor are queued ones: Redis has them
      .add_number("rbs", client.buffer)
      .add_number("rbp", client.output)
      .add_number("obl", client.output)
      .add_number("oll", client.queued_output > 0 ? 1 : 0)
      .add_number("omem", client.queued_output)
      .add_number("tot-mem", client.memory)
      .add("events", client.writable_wanted ? "rw" : "r")
      .add("cmd", client.command.empty() ? "NULL" : std::string_view(client.command))
      .add("user", client.user)
      .add_number("redir", client.redirect)
      .add_number("resp", static_cast<int>(client.version));
  if (!client.library.empty() || !client.library_version.empty()) {
    line.add("lib-name", client.library).add("lib-ver", client.library_version);
  }
  return line.take();
}

}  // namespace tiercache::proxy
