#include "variants.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/command/table.hpp"
#include "tiercache/resp/reply_header.hpp"

#include <array>

namespace tiercache::proxy {

namespace {

std::uint16_t id_of(std::string_view name) {
  const command::Table& table = *command::Table::builtin();
  const command::Command* found = table.find_name(name);
  TC_CHECK(found != nullptr);
  return static_cast<std::uint16_t>(found - table.commands().data());
}

// Made before main: a look-up need not ask whether they are there yet.
const CommandIds kIds{id_of("get"), id_of("strlen"), id_of("exists"), id_of("mget")};

struct Shared {
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

const Shared kShared;

std::int64_t length_of(const l1::Reply& reply) {
  return reply.bulk() ? static_cast<std::int64_t>(reply.body().size())
                      : resp::read_reply_header(reply.body()).number;
}

// In front of a list of arguments, each with its size.
constexpr char kList = '\xff';

// Different lists give different bytes, whatever they hold: a single argument stands as it is
// unless it could be taken for no argument or for a list. False if they are too long.
bool name_args(command::Args args, OwnName& own) {
  if (args.empty()) {
    return true;
  }
  if (args.size() == 1 && !args[0].empty() && args[0].front() != kList) {
    own.variant.args = args[0];
    return args[0].size() <= kMaxArgs;
  }
  std::size_t total = 0;
  for (const std::string_view arg : args) {
    total += arg.size() + 2;
    if (total > kMaxArgs) {
      return false;
    }
  }
  own.args.assign(1, kList);
  for (const std::string_view arg : args) {
    own.args.push_back(static_cast<char>(arg.size() & 0xff));
    own.args.push_back(static_cast<char>(arg.size() >> 8));
    own.args.append(arg);
  }
  own.variant.args = own.args;
  return true;
}

}  // namespace

l1::Variant variant_of(std::uint16_t command) {
  l1::Variant variant;
  variant.command = command;  // replies that do not depend on the RESP version, or are made to
  return variant;
}

const CommandIds& command_ids() {
  return kIds;
}

std::span<const l1::Variant> answers_to(const command::Command& command, std::uint16_t id,
                                        command::Args args, resp::Version version, OwnName& own) {
  const CommandIds& ids = kIds;
  if (id == ids.get) {
    return kShared.get;
  }
  if (id == ids.strlen) {
    return kShared.strlen;
  }
  if (id == ids.exists) {
    return kShared.exists;
  }
  if (!name_args(args.subspan(2), own)) {
    return {};
  }
  own.variant.command = id;
  if (command.reply == command::Reply::by_version) {
    own.variant.resp = version == resp::Version::resp3 ? 3 : 2;
  }
  return {&own.variant, 1};
}

std::span<const l1::Variant> answers_to_get() {
  return kShared.get;
}
std::span<const l1::Variant> answers_to_exists() {
  return kShared.exists;
}
std::span<const l1::Variant> answers_to_mget() {
  return kShared.mget;
}
std::span<const l1::Variant> answers_to_ttl() {
  return kShared.ttl;
}

Verdict judge(std::string_view reply, std::size_t max_value) {
  switch (reply[0]) {
    case ':':
    case '_':
    case '+':
    case ',':
      return Verdict::keep;
    case '*':
    case '%':
    case '~':
      return reply.size() <= max_value ? Verdict::keep : Verdict::stream;
    case '$':
      break;
    default:
      return Verdict::stream;
  }
  const resp::ReplyHeader header = resp::read_reply_header(reply);
  if (!header.ok) {
    return reply.size() < resp::kLongestReplyHeader ? Verdict::more : Verdict::stream;
  }
  const bool fits = header.number < 0 || static_cast<std::uint64_t>(header.number) <= max_value;
  return fits ? Verdict::keep : Verdict::stream;
}

Heard hear(std::uint16_t command, std::string_view reply, std::int64_t pttl) {
  const CommandIds& ids = kIds;
  Heard heard;
  if (command != ids.get && command != ids.strlen && command != ids.exists) {
    // The reply to a missing key is also that to an empty range or an absent field, so PTTL alone
    // can tell. If the key came or went between the two, an event is on its way that drops the
    // entry, and nobody is told the entry's TTL before that.
    heard.consistent = true;
    heard.missing = pttl == kNoKey;
    return heard;
  }
  const resp::ReplyHeader header = resp::read_reply_header(reply);
  heard.consistent = header.ok;
  heard.nil = header.number < 0;
  // STRLEN of an empty string is 0 as well; there PTTL alone can tell.
  heard.missing = command == ids.get      ? heard.nil
                  : command == ids.exists ? header.number == 0
                                          : header.number == 0 && pttl == kNoKey;
  return heard;
}

void append_hit(std::string& out, std::uint16_t command, const l1::Entry& entry,
                resp::Version version) {
  const CommandIds& ids = kIds;
  const l1::Reply reply = entry.reply();
  const bool nil = reply == kNil;
  if (command == ids.get || command == ids.mget) {
    if (nil) {
      resp::append_null(out, version);
    } else {
      reply.append_to(out);
    }
  } else if (entry.command() != ids.get) {
    reply.append_to(out);  // the command's own
  } else if (command == ids.exists) {
    resp::append_integer(out, nil ? 0 : 1);
  } else {
    resp::append_integer(out, nil ? 0 : length_of(reply));
  }
}

}  // namespace tiercache::proxy
