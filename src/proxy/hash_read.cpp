#include "hash_read.hpp"

#include "split_bulks.hpp"

#include "tiercache/resp/reply_header.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <unordered_map>
#include <utility>

namespace tiercache::proxy {

namespace {

using Kind = HashRead::Kind;

struct Name {
  std::string_view command;
  Kind kind;
};
constexpr Name kReads[] = {
    {"hget", Kind::field},        {"hmget", Kind::fields},         {"hgetall", Kind::all},
    {"hkeys", Kind::names},       {"hvals", Kind::values},         {"hlen", Kind::count},
    {"hexists", Kind::has_field}, {"hstrlen", Kind::field_length}, {"exists", Kind::exists},
    {"get", Kind::misfit},        {"strlen", Kind::misfit},        {"getrange", Kind::misfit},
    {"substr", Kind::misfit},
};

// Of the elements of an array or a map; none if it is neither.
std::optional<std::size_t> count_of(std::string_view reply) {
  std::size_t count = 0;
  const std::size_t end = reply.find("\r\n");
  if (reply.empty() || (reply[0] != '*' && reply[0] != '%') || end == reply.npos) {
    return std::nullopt;
  }
  const auto [stop, error] = std::from_chars(reply.data() + 1, reply.data() + end, count);
  return error == std::errc() && stop == reply.data() + end ? std::optional(count) : std::nullopt;
}

std::string_view content(std::string_view bulk) {
  const resp::ReplyHeader header = resp::read_reply_header(bulk);
  return bulk.substr(header.size, bulk.size() - header.size - 2);
}

// nil, 0, nothing, or nothing but nils.
bool is_empty(std::string_view reply) {
  if (const auto count = count_of(reply)) {
    const auto elements = split_bulks(reply, *count);
    return *count == 0 ||
           (!elements.empty() && std::ranges::all_of(elements, [](std::string_view one) {
             return resp::read_reply_header(one).number < 0;
           }));
  }
  const resp::ReplyHeader header = resp::read_reply_header(reply);
  return header.ok && (header.number < 0 || (header.number == 0 && reply[0] == ':'));
}

std::string several(std::span<const std::string_view> all, const HashRead& read) {
  std::unordered_map<std::string_view, std::string_view> values;
  for (std::size_t i = 0; i + 1 < all.size(); i += 2) {
    values.emplace(all[i], all[i + 1]);
  }
  std::string reply;
  resp::append_array_header(reply, read.fields.size());
  for (const std::string& name : read.fields) {
    const auto found = values.find(name);
    if (found != values.end()) {
      resp::append_bulk(reply, found->second);
    } else {
      resp::append_null(reply, read.version);
    }
  }
  return reply;
}

// A field's value; none: there is no such field.
std::optional<std::string_view> find(std::span<const std::string_view> fields,
                                     std::string_view name) {
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
    if (fields[i] == name) {
      return fields[i + 1];
    }
  }
  return std::nullopt;
}

std::string reply_of(std::span<const std::string_view> all, const HashRead& read) {
  const auto first = [&] {
    return find(all, read.fields.at(0));
  };
  std::string reply;
  switch (read.kind) {
    case Kind::field:
      if (const auto value = first()) {
        resp::append_bulk(reply, *value);
      } else {
        resp::append_null(reply, read.version);
      }
      break;
    case Kind::fields:
      return several(all, read);
    case Kind::all:
      resp::append_map_header(reply, all.size() / 2, read.version);
      for (const std::string_view one : all) {
        resp::append_bulk(reply, one);
      }
      break;
    case Kind::names:
    case Kind::values:
      resp::append_array_header(reply, all.size() / 2);
      for (std::size_t i = read.kind == Kind::names ? 0 : 1; i < all.size(); i += 2) {
        resp::append_bulk(reply, all[i]);
      }
      break;
    case Kind::count:
      resp::append_integer(reply, static_cast<std::int64_t>(all.size() / 2));
      break;
    case Kind::has_field:
      resp::append_integer(reply, first() ? 1 : 0);
      break;
    case Kind::field_length:
      resp::append_integer(reply, static_cast<std::int64_t>(first().value_or("").size()));
      break;
    case Kind::exists:
      resp::append_integer(reply, all.empty() ? 0 : 1);
      break;
    case Kind::misfit:
      break;
  }
  return reply;
}

}  // namespace

bool reads_hash(std::string_view command) {
  return std::ranges::find(kReads, command, &Name::command) != std::end(kReads);
}

HashRead hash_read(std::string_view command, std::vector<std::string> fields,
                   resp::Version version) {
  return {std::ranges::find(kReads, command, &Name::command)->kind, std::move(fields), version};
}

bool same_if_no_field(std::string_view command) {
  switch (std::ranges::find(kReads, command, &Name::command)->kind) {
    case Kind::field:
    case Kind::fields:
    case Kind::has_field:
    case Kind::field_length:
      return true;
    case Kind::misfit:  // of a string a part may be empty
      return command == "getrange" || command == "substr";
    default:
      return false;
  }
}

bool lacks_hash(std::string_view command, std::string_view reply, bool gone) {
  switch (std::ranges::find(kReads, command, &Name::command)->kind) {
    case Kind::field:
    case Kind::fields:
    case Kind::has_field:
    case Kind::field_length:
      return gone && is_empty(reply);
    case Kind::misfit:
      return is_empty(reply) || (gone && reply == "$0\r\n\r\n");
    default:  // of a hash there is always something
      return is_empty(reply);
  }
}

std::string answer(std::string_view hash_reply, const HashRead& read) {
  return reply_of(fields_of(hash_reply), read);
}

std::string answer_absent(const HashRead& read) {
  return read.kind == Kind::field ? std::string() : reply_of({}, read);
}

std::string hash_reply(std::span<const std::string> fields) {
  std::string reply;
  resp::append_array_header(reply, fields.size());
  for (const std::string& one : fields) {
    resp::append_bulk(reply, one);
  }
  return reply;
}

std::vector<std::string_view> fields_of(std::string_view hash_reply) {
  auto fields = split_bulks(hash_reply, count_of(hash_reply).value_or(0));
  for (std::string_view& one : fields) {
    if (resp::read_reply_header(one).number < 0) {
      return {};
    }
    one = content(one);
  }
  return fields;
}

}  // namespace tiercache::proxy
