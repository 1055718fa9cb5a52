#include "command_samples.hpp"

#include <algorithm>

namespace tiercache::testing {
namespace {

bool has(const Value& argument, std::string_view flag) {
  const Value* flags = argument.find("flags");
  return flags != nullptr &&
         std::ranges::find(flags->items, flag, &Value::text) != flags->items.end();
}

std::string_view text_of(const Value& map, std::string_view field) {
  const Value* value = map.find(field);
  return value == nullptr ? std::string_view{} : std::string_view(value->text);
}

void add_command(const Value& entry, std::vector<ServerCommand>& out) {
  ServerCommand command;
  command.name = entry.items.at(0).text;
  command.arity = entry.items.at(1).integer;
  for (const Value& flag : entry.items.at(2).items) {
    command.flags.push_back(flag.text);
  }
  command.first_key = entry.items.at(3).integer;
  command.last_key = entry.items.at(4).integer;
  command.step = entry.items.at(5).integer;
  for (const Value& spec : entry.items.at(8).items) {
    const Value* flags = spec.find("flags");
    command.has_keys =
        command.has_keys || flags == nullptr ||
        std::ranges::find(flags->items, "not_key", &Value::text) == flags->items.end();
  }
  out.push_back(std::move(command));
  for (const Value& sub : entry.items.at(9).items) {
    add_command(sub, out);
  }
}

}  // namespace

std::vector<ServerCommand> read_commands(Client& client) {
  std::vector<ServerCommand> out;
  for (const Value& entry : client.call("COMMAND").items) {
    add_command(entry, out);
  }
  // The server's order is that of a hash table with a random seed.
  std::ranges::sort(out, {}, &ServerCommand::name);
  return out;
}

CommandSamples::CommandSamples(Client& client, std::uint64_t seed) : state_(seed) {
  add_docs(client.call("COMMAND", "DOCS"));
  for (const char* type : {"s", "l", "h", "S", "z", "x", "g", "p", "none"}) {
    for (const char* number : {"1", "2", "3"}) {
      pool_.push_back(std::string(type) + number);
    }
  }
  for (const char* word : {"STORE", "streams", "BLOCK", "KEYS", "2", "GET", "db"}) {
    pool_.emplace_back(word);
  }
  script_sha_ = client.call("SCRIPT", "LOAD", "return 1").text;
  client.call("FUNCTION", "LOAD", "REPLACE",
              "#!lua name=samples\n"
              "redis.register_function{function_name='f1', callback=function() return 1 end,"
              " flags={'no-writes'}}");
  client.call("SET", "s1", "payload");
  payload_ = client.call("DUMP", "s1").text;
}

void CommandSamples::add_docs(const Value& docs) {
  for (std::size_t i = 0; i + 1 < docs.items.size(); i += 2) {
    const Value& entry = docs.items[i + 1];
    Doc& doc = docs_[docs.items[i].text];
    doc.group = text_of(entry, "group");
    if (const Value* arguments = entry.find("arguments")) {
      doc.arguments = *arguments;
    }
    if (const Value* subcommands = entry.find("subcommands")) {
      add_docs(*subcommands);
    }
  }
}

std::vector<std::string> CommandSamples::make(const std::string& name) {
  const Doc& doc = docs_.at(name);
  Context context;
  context.group = doc.group;
  context.command = name;
  const std::size_t bar = name.find('|');
  context.out.push_back(name.substr(0, bar));
  if (bar != std::string::npos) {
    context.out.push_back(name.substr(bar + 1));
  }
  add_all(doc.arguments, context);
  return std::move(context.out);
}

void CommandSamples::add_all(const Value& arguments, Context& context) {
  for (const Value& argument : arguments.items) {
    add(argument, context);
  }
}

void CommandSamples::add(const Value& argument, Context& context) {
  const bool is_key = text_of(argument, "type") == "key";
  std::uint64_t times = 1;
  if (is_key && context.announced && has(argument, "multiple")) {
    times = context.keys_to_come;
    context.announced = false;
  } else if (has(argument, "multiple") && text_of(argument, "name") == "id" && context.run > 0) {
    times = context.run;
  } else {
    // MIGRATE's list of keys goes with an empty key, and hardly ever without.
    const bool lists_keys = text_of(argument, "token") == "KEYS";
    if (lists_keys ? context.out.at(3).empty() == (random(8) == 0)
                   : has(argument, "optional") && random(2) == 0) {
      return;
    }
    times = has(argument, "multiple") ? 1 + random(3) : 1;
  }
  context.run = is_key && has(argument, "multiple") ? times : 0;
  const Value* token = argument.find("token");
  const bool token_each = has(argument, "multiple_token");
  for (std::uint64_t i = 0; i < times; ++i) {
    if (token != nullptr && (i == 0 || token_each)) {
      context.out.push_back(token->text == "\"\"" ? "" : token->text);
    }
    add_one(argument, context);
  }
}

void CommandSamples::add_one(const Value& argument, Context& context) {
  const std::string_view type = text_of(argument, "type");
  const Value* children = argument.find("arguments");
  if (type == "pure-token") {
    return;
  }
  if (type == "oneof" && children != nullptr) {
    const Value& choice = children->items.at(random(children->items.size()));
    const std::uint64_t run = context.run;
    add(choice, context);
    context.run = run;
  } else if (type == "block" && children != nullptr) {
    add_all(*children, context);
  } else {
    context.out.push_back(value_of(argument, context));
  }
}

std::string CommandSamples::value_of(const Value& argument, Context& context) {
  const std::string_view type = text_of(argument, "type");
  const std::string_view name = text_of(argument, "name");
  if (chooser_) {
    if (std::optional<std::string> chosen = chooser_(context.command, name, type)) {
      return std::move(*chosen);
    }
  }
  if (type == "key") {
    return key_for(context);
  }
  if (name == "numkeys") {
    const bool none = context.group == "scripting" && random(4) == 0;
    context.keys_to_come = none ? 0 : 1 + random(3);
    context.announced = true;
    return std::to_string(context.keys_to_come);
  }
  if (type == "integer" || type == "double") {
    if (name == "db" || name == "destination-db") {
      return "1";
    }
    if (name == "cursor" || name == "offset" || name == "timeout") {
      return "0";
    }
    return std::to_string(1 + random(name == "bit" ? 1 : 3));
  }
  if (type == "unix-time") {
    return pick({"99999999999", "1", "1999999999000"});
  }
  if (type == "pattern") {
    return pick({"*", "nosort", "w_*", "#"});
  }
  return string_named(name, context);
}

std::string CommandSamples::string_named(std::string_view name, const Context& context) {
  if (context.group == "stream") {
    if (name.starts_with("group")) {
      return "g1";
    }
    if (name == "consumer" || name == "consumername") {
      return pick({"c1", "c2"});
    }
    if (name == "id" && context.command == "xadd") {
      return pick({"9-1", "9-2", "*"});
    }
    if (name == "id" && context.command == "xreadgroup") {
      return pick({">", "0"});
    }
    if (name == "min-idle-time") {
      return "0";
    }
    if (name == "start" || name == "end" || name.find("id") != std::string_view::npos) {
      return pick({"1-1", "0-0", "1-2", "9-9"});
    }
    if (name == "threshold") {
      return "1";
    }
  }
  if (name == "min" || name == "max" || name == "start" || name == "stop") {
    if (context.command.ends_with("lex") || context.command == "zlexcount") {
      return name == "min" || name == "start" ? pick({"-", "[a"}) : pick({"+", "(c"});
    }
    return name == "min" || name == "start" ? pick({"0", "1", "(1", "-"}) : pick({"2", "-1", "+"});
  }
  if (name == "encoding") {
    return pick({"u8", "i4"});
  }
  if (name == "operation") {
    return pick({"AND", "or", "XOR", "NOT"});
  }
  if (name == "subcommand") {
    return pick({"TODENSE", "ENCODING", "GETREG", "DECODE"});
  }
  if (name == "script") {
    return "return 1";
  }
  if (name == "sha1") {
    return script_sha_;
  }
  if (name == "function") {
    return "f1";
  }
  if (name == "host") {
    return "127.0.0.1";
  }
  if (name == "serialized-value") {
    return payload_;
  }
  return pick({"a", "b", "3", "STORE"});
}

std::string CommandSamples::key_for(const Context& context) {
  static const std::map<std::string_view, std::string_view> kPrefix{
      {"string", "s"},     {"bitmap", "s"}, {"list", "l"}, {"hash", "h"},       {"set", "S"},
      {"sorted-set", "z"}, {"stream", "x"}, {"geo", "g"},  {"hyperloglog", "p"}};
  const auto prefix = kPrefix.find(context.group);
  if (prefix == kPrefix.end() || random(6) == 0) {
    return pool_.at(random(pool_.size()));
  }
  return std::string(prefix->second) + std::to_string(1 + random(3));
}

std::uint64_t CommandSamples::random(std::uint64_t bound) {
  state_ += 0x9E3779B97F4A7C15ULL;
  std::uint64_t mixed = state_;
  mixed = (mixed ^ mixed >> 30U) * 0xBF58476D1CE4E5B9ULL;
  mixed = (mixed ^ mixed >> 27U) * 0x94D049BB133111EBULL;
  return (mixed ^ mixed >> 31U) % bound;
}

std::string CommandSamples::pick(std::initializer_list<std::string_view> choices) {
  return std::string(choices.begin()[random(choices.size())]);
}

const std::vector<std::vector<std::string>>& CommandSamples::pool_commands() {
  static const std::vector<std::vector<std::string>> kOnce{
      {"SET", "s1", "5"},
      {"SET", "s2", "abc", "EX", "100000"},
      {"RPUSH", "l1", "3", "1", "2"},
      {"RPUSH", "l2", "a", "b", "STORE"},
      {"HSET", "h1", "a", "1", "b", "x"},
      {"HSET", "h2", "3", "3"},
      {"SADD", "S1", "a", "b", "3"},
      {"SADD", "S2", "b", "c"},
      {"ZADD", "z1", "1", "a", "2", "b", "3", "3"},
      {"ZADD", "z2", "1", "b", "1", "c"},
      {"XADD", "x1", "1-1", "f", "v"},
      {"XADD", "x1", "1-2", "f", "v"},
      {"XGROUP", "CREATE", "x1", "g1", "0"},
      {"XREADGROUP", "GROUP", "g1", "c1", "COUNT", "1", "STREAMS", "x1", ">"},
      {"XADD", "x2", "1-1", "f", "v"},
      {"XGROUP", "CREATE", "x2", "g1", "0"},
      {"GEOADD", "g1", "2", "2", "a", "2.0001", "2.0001", "b"},
      {"GEOADD", "g2", "1", "1", "a"},
      {"PFADD", "p1", "a", "b"},
      {"PFADD", "p2", "c"},
      {"SET", "STORE", "1"},
      {"SET", "KEYS", "1", "PX", "99999999"},
      {"RPUSH", "BLOCK", "1"},
      {"ZADD", "GET", "1", "a"},
  };
  return kOnce;
}

void CommandSamples::populate(Client& client) const {
  client.send("FLUSHALL");
  for (const std::vector<std::string>& command : pool_commands()) {
    client.send(command);
  }
  if (const Value reply = client.read(); reply.is_error()) {
    throw ClientError("populate: FLUSHALL: " + reply.text);
  }
  for (const std::vector<std::string>& command : pool_commands()) {
    if (const Value reply = client.read(); reply.is_error()) {
      throw ClientError("populate: " + command.front() + ": " + reply.text);
    }
  }
}

}  // namespace tiercache::testing
