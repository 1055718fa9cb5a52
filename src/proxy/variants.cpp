#include "variants.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/command/table.hpp"

#include <array>
#include <charconv>

namespace tiercache::proxy {

namespace {

std::uint16_t id_of(std::string_view name) {
  const command::Table& table = *command::Table::builtin();
  const command::Command* found = table.find_name(name);
  TC_CHECK(found != nullptr);
  return static_cast<std::uint16_t>(found - table.commands().data());
}

struct Answers {
  l1::Variant get_entry = variant_of(command_ids().get);
  l1::Variant strlen_entry = variant_of(command_ids().strlen);
  l1::Variant exists_entry = variant_of(command_ids().exists);
  l1::Variant mget_entry = variant_of(command_ids().mget);

  std::array<l1::Variant, 1> get{get_entry};
  std::array<l1::Variant, 2> strlen{strlen_entry, get_entry};
  std::array<l1::Variant, 2> exists{exists_entry, get_entry};
  std::array<l1::Variant, 2> mget{get_entry, mget_entry};
  std::array<l1::Variant, 3> ttl{get_entry, exists_entry, strlen_entry};
};

const Answers& answers() {
  static const Answers all;
  return all;
}

std::int64_t length_of(const l1::Reply& reply) {
  return reply.bulk() ? static_cast<std::int64_t>(reply.body().size())
                      : read_header(reply.body()).number;
}

}  // namespace

l1::Variant variant_of(std::uint16_t command) {
  l1::Variant variant;
  variant.command = command;  // replies that do not depend on the RESP version, or are made to
  return variant;
}

const CommandIds& command_ids() {
  static const CommandIds ids{id_of("get"), id_of("strlen"), id_of("exists"), id_of("mget")};
  return ids;
}

std::span<const l1::Variant> answers_to_get() {
  return answers().get;
}
std::span<const l1::Variant> answers_to_strlen() {
  return answers().strlen;
}
std::span<const l1::Variant> answers_to_exists() {
  return answers().exists;
}
std::span<const l1::Variant> answers_to_mget() {
  return answers().mget;
}
std::span<const l1::Variant> answers_to_ttl() {
  return answers().ttl;
}

Header read_header(std::string_view reply) {
  Header header;
  if (reply.starts_with('_')) {
    return {true, -1, reply.size()};
  }
  const std::size_t end = reply.find("\r\n");
  if (reply.empty() || (reply[0] != ':' && reply[0] != '$') || end == std::string_view::npos) {
    return header;
  }
  const auto [stop, error] = std::from_chars(reply.data() + 1, reply.data() + end, header.number);
  header.ok = error == std::errc() && stop == reply.data() + end;
  header.size = end + 2;
  return header;
}

void append_hit(std::string& out, std::uint16_t command, const l1::Entry& entry,
                resp::Version version) {
  const CommandIds& ids = command_ids();
  const l1::Reply reply = entry.reply();
  const bool nil = reply == kNil;
  if (command == ids.get || command == ids.mget) {
    if (nil) {
      resp::append_null(out, version);
    } else {
      reply.append_to(out);
    }
  } else if (entry.command() != ids.get) {
    reply.append_to(out);  // STRLEN's or EXISTS's own
  } else if (command == ids.exists) {
    resp::append_integer(out, nil ? 0 : 1);
  } else {
    resp::append_integer(out, nil ? 0 : length_of(reply));
  }
}

}  // namespace tiercache::proxy
