#include "command_reply.hpp"

#include "words.hpp"

#include "tiercache/base/glob.hpp"
#include "tiercache/command/cache_docs.hpp"
#include "tiercache/command/table.hpp"
#include "tiercache/resp/reply_scanner.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace tiercache::admin {

namespace {

using command::ArgDoc;
using command::CommandDoc;
using resp::Version;

struct FlagName {
  command::Flag flag;
  std::string_view name;
};
constexpr FlagName kFlagNames[] = {
    {command::kReadonly, "readonly"}, {command::kAdmin, "admin"}, {command::kNoscript, "noscript"},
    {command::kLoading, "loading"},   {command::kStale, "stale"}, {command::kFast, "fast"},
};
constexpr std::string_view kCategory = "slow";

// The header of an aggregate: "<type><count>\r\n".
struct Aggregate {
  std::size_t count = 0;
  std::string_view body;
};
std::optional<Aggregate> aggregate(std::string_view reply, char type) {
  const std::size_t end = reply.find("\r\n");
  if (end == std::string_view::npos || reply[0] != type) {
    return std::nullopt;
  }
  Aggregate result;
  const auto [stop, error] = std::from_chars(reply.data() + 1, reply.data() + end, result.count);
  if (error != std::errc() || stop != reply.data() + end) {
    return std::nullopt;
  }
  result.body = reply.substr(end + 2);
  return result;
}

// The frames of a body; nothing if it is not exactly `count` of them.
std::optional<std::vector<std::string_view>> frames(std::string_view body, std::size_t count) {
  std::vector<std::string_view> result;
  resp::ReplyScanner scanner;
  while (!body.empty() && result.size() < count) {
    const resp::ReplyScanner::Step step = scanner.scan(body);
    if (step.status != resp::ParseStatus::complete) {
      return std::nullopt;
    }
    result.push_back(body.substr(0, step.consumed));
    body.remove_prefix(step.consumed);
  }
  if (!body.empty() || result.size() != count) {
    return std::nullopt;
  }
  return result;
}

void append_simple_set(std::string& out, std::span<const std::string_view> texts, Version version) {
  resp::append_set_header(out, texts.size(), version);
  for (const std::string_view text : texts) {
    resp::append_simple(out, text);
  }
}

// One entry of COMMAND: ten fields.
void append_info(std::string& out, std::string_view name, Version version) {
  const command::Command* command = command::Table::builtin()->find_name(name);
  if (command == nullptr) {
    resp::append_null_array(out, version);
    return;
  }
  resp::append_array_header(out, 10);
  resp::append_bulk(out, name);
  resp::append_integer(out, command->arity);
  std::vector<std::string_view> flags;
  for (const FlagName& flag : kFlagNames) {
    if ((command->flags & flag.flag) != 0) {
      flags.push_back(flag.name);
    }
  }
  append_simple_set(out, flags, version);
  resp::append_integer(out, 0);  // first key, last key, step: of Redis's keys it changes none
  resp::append_integer(out, 0);
  resp::append_integer(out, 0);
  const std::string category = std::string("@").append(kCategory);
  const std::string_view categories[] = {category};
  append_simple_set(out, categories, version);
  resp::append_set_header(out, 0, version);  // tips
  resp::append_set_header(out, 0, version);  // key specifications
  const auto subcommands = name == command::cache_doc().name ? command::cache_subcommand_docs()
                                                             : std::span<const CommandDoc>{};
  // Redis has a set where there are none, and an array where there are some.
  if (subcommands.empty()) {
    resp::append_set_header(out, 0, version);
  } else {
    resp::append_array_header(out, subcommands.size());
  }
  for (const CommandDoc& sub : subcommands) {
    append_info(out, sub.name, version);
  }
}

void append_argument(std::string& out, const ArgDoc& arg, Version version) {
  std::vector<std::string_view> flags;
  if (arg.optional) {
    flags.push_back("optional");
  }
  if (arg.multiple) {
    flags.push_back("multiple");
  }
  const std::size_t fields =
      2U + (arg.token.empty() ? 0 : 1) + (flags.empty() ? 0 : 1) + (arg.arguments.empty() ? 0 : 1);
  resp::append_map_header(out, fields, version);
  resp::append_bulk(out, "name");
  resp::append_bulk(out, arg.name);
  resp::append_bulk(out, "type");
  resp::append_bulk(out, command::arg_type_name(arg.type));
  if (!arg.token.empty()) {
    resp::append_bulk(out, "token");
    resp::append_bulk(out, arg.token);
  }
  if (!flags.empty()) {
    resp::append_bulk(out, "flags");
    append_simple_set(out, flags, version);
  }
  if (!arg.arguments.empty()) {
    resp::append_bulk(out, "arguments");
    resp::append_array_header(out, arg.arguments.size());
    for (const ArgDoc& inner : arg.arguments) {
      append_argument(out, inner, version);
    }
  }
}

// A name and its documentation: one pair of COMMAND DOCS.
void append_docs(std::string& out, const CommandDoc& doc, Version version) {
  const auto subcommands = doc.name == command::cache_doc().name ? command::cache_subcommand_docs()
                                                                 : std::span<const CommandDoc>{};
  resp::append_bulk(out, doc.name);
  const std::size_t fields = 3U + (doc.arguments.empty() ? 0 : 1) + (subcommands.empty() ? 0 : 1);
  resp::append_map_header(out, fields, version);
  resp::append_bulk(out, "summary");
  resp::append_bulk(out, doc.summary);
  resp::append_bulk(out, "since");
  resp::append_bulk(out, doc.since);
  resp::append_bulk(out, "group");
  resp::append_bulk(out, "server");
  if (!doc.arguments.empty()) {
    resp::append_bulk(out, "arguments");
    resp::append_array_header(out, doc.arguments.size());
    for (const ArgDoc& arg : doc.arguments) {
      append_argument(out, arg, version);
    }
  }
  if (!subcommands.empty()) {
    resp::append_bulk(out, "subcommands");
    resp::append_map_header(out, subcommands.size(), version);
    for (const CommandDoc& sub : subcommands) {
      append_docs(out, sub, version);
    }
  }
}

// "cache" or "cache|stats"; null if it is none of ours.
const CommandDoc* doc_of(std::string_view name) {
  const std::string lower = lower_case(name);
  if (lower == command::cache_doc().name) {
    return &command::cache_doc();
  }
  for (const CommandDoc& doc : command::cache_subcommand_docs()) {
    if (lower == doc.name) {
      return &doc;
    }
  }
  return nullptr;
}

std::string count(std::string upstream) {
  const auto header = aggregate(upstream, ':');
  if (!header || !header->body.empty()) {
    return upstream;
  }
  std::string out;
  resp::append_integer(out, static_cast<std::int64_t>(header->count) + 1);
  return out;
}

std::string info_of_all(std::string upstream, Version version) {
  const auto header = aggregate(upstream, '*');
  if (!header) {
    return upstream;
  }
  std::string out;
  out.reserve(upstream.size() + 2048);
  resp::append_array_header(out, header->count + 1);
  out.append(header->body);
  append_info(out, command::cache_doc().name, version);
  return out;
}

// Redis answers a null for a name that it does not know.
std::string info_of(command::Args names, std::string upstream, Version version) {
  const auto header = aggregate(upstream, '*');
  if (!header || header->count != names.size()) {
    return upstream;
  }
  const auto entries = frames(header->body, header->count);
  if (!entries) {
    return upstream;
  }
  std::string out;
  resp::append_array_header(out, names.size());
  for (std::size_t i = 0; i < names.size(); i++) {
    const CommandDoc* doc = doc_of(names[i]);
    if (doc != nullptr) {
      append_info(out, doc->name, version);
    } else {
      out.append((*entries)[i]);
    }
  }
  return out;
}

// Redis leaves out the names that it does not know; without names it lists all.
std::string docs_of(command::Args names, std::string upstream, Version version) {
  std::vector<const CommandDoc*> ours;
  if (names.empty()) {
    ours.push_back(&command::cache_doc());
  }
  for (const std::string_view name : names) {
    const CommandDoc* doc = doc_of(name);
    if (doc != nullptr && std::ranges::find(ours, doc) == ours.end()) {
      ours.push_back(doc);
    }
  }
  const bool map = version == Version::resp3;
  const auto header = aggregate(upstream, map ? '%' : '*');
  if (!header || ours.empty() || (!map && header->count % 2 != 0)) {
    return upstream;
  }
  std::string out;
  out.reserve(upstream.size() + 4096);
  resp::append_map_header(out, (map ? header->count : header->count / 2) + ours.size(), version);
  out.append(header->body);
  for (const CommandDoc* doc : ours) {
    append_docs(out, *doc, version);
  }
  return out;
}

// LIST names subcommands too.
std::string list_of(command::Args filter, std::string upstream) {
  const auto header = aggregate(upstream, '*');
  if (!header || (!filter.empty() && (filter.size() != 3 || lower_case(filter[0]) != "filterby"))) {
    return upstream;
  }
  std::vector<std::string_view> names{command::cache_doc().name};
  for (const CommandDoc& doc : command::cache_subcommand_docs()) {
    names.push_back(doc.name);
  }
  if (!filter.empty()) {
    const std::string by = lower_case(filter[1]);
    std::erase_if(names, [&](std::string_view name) {
      return by == "pattern"  ? !glob_match(filter[2], name, LetterCase::ignored)
             : by == "aclcat" ? lower_case(filter[2]) != kCategory
                              : true;
    });
  }
  if (names.empty()) {
    return upstream;
  }
  std::string out;
  resp::append_array_header(out, header->count + names.size());
  out.append(header->body);
  for (const std::string_view name : names) {
    resp::append_bulk(out, name);
  }
  return out;
}

}  // namespace

std::string with_cache_command(command::Args args, std::string upstream, resp::Version version) {
  if (args.size() < 2) {
    return info_of_all(std::move(upstream), version);
  }
  const std::string sub = lower_case(args[1]);
  const command::Args rest = args.subspan(2);
  if (sub == "count") {
    return count(std::move(upstream));
  }
  if (sub == "info") {
    return rest.empty() ? info_of_all(std::move(upstream), version)
                        : info_of(rest, std::move(upstream), version);
  }
  if (sub == "docs") {
    return docs_of(rest, std::move(upstream), version);
  }
  if (sub == "list") {
    return list_of(rest, std::move(upstream));
  }
  return upstream;
}

}  // namespace tiercache::admin
