// The command table against a real server: what COMMAND says, what COMMAND GETKEYSANDFLAGS says,
// and what happens to the keys when the commands run.
#include "client.hpp"
#include "command_samples.hpp"
#include "redis_server.hpp"

#include "tiercache/command/table.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::command {
namespace {

using testing::Client;
using testing::CommandSamples;
using testing::RedisServer;
using testing::ServerCommand;
using testing::Value;
using Names = std::set<std::string>;

constexpr int kSamples = 40;
constexpr int kMoreSamples = 400;
constexpr std::uint64_t kSeed = 20230117;

std::vector<std::string_view> views_of(const std::vector<std::string>& args) {
  return {args.begin(), args.end()};
}

std::string line_of(const std::vector<std::string>& args) {
  std::string line;
  for (const std::string& arg : args) {
    line.append(line.empty() ? "" : " ").append(arg.empty() ? "\"\"" : arg);
  }
  return line;
}

// Sets of names are compared as text, so that a failure shows them.
std::string listed(const Names& names) {
  return line_of({names.begin(), names.end()});
}

std::vector<LearntCommand> learnt_from(const std::vector<ServerCommand>& commands) {
  std::vector<LearntCommand> out;
  for (const ServerCommand& command : commands) {
    out.push_back({command.name, static_cast<std::int32_t>(command.arity), command.flags,
                   static_cast<std::int32_t>(command.first_key),
                   static_cast<std::int32_t>(command.last_key),
                   static_cast<std::int32_t>(command.step)});
  }
  return out;
}

bool is_read_kind(Kind kind) {
  return kind == Kind::cacheable_read || kind == Kind::multi_read || kind == Kind::ttl_read ||
         kind == Kind::read;
}

// What we say of one line.
struct Ours {
  explicit Ours(const std::vector<std::string>& args) {
    const auto views = views_of(args);
    command = find(views);
    REQUIRE(command != nullptr);
    classified = classify(*command, views);
    well_formed = keys(*command, views, refs);
    for (const KeyRef& ref : refs) {
      // MOVE names one key twice: in two dbs.
      if (ref.db < 0 || &ref == refs.data() || ref.index != (&ref - 1)->index) {
        key_names.insert(args.at(ref.index));
        access.insert(args.at(ref.index) + (ref.access == Access::read ? " read" : " write"));
      }
    }
  }

  const Command* command = nullptr;
  Classified classified{};
  bool well_formed = false;
  std::vector<KeyRef> refs{};
  std::multiset<std::string> key_names{};
  std::multiset<std::string> access{};
};

// What the server says of it; `error` if it declines.
struct Theirs {
  Theirs(Client& client, const std::vector<std::string>& args) {
    std::vector<std::string> question{"COMMAND", "GETKEYSANDFLAGS"};
    question.insert(question.end(), args.begin(), args.end());
    const Value reply = client.call(question);
    if (reply.is_error()) {
      error = reply.text;
      return;
    }
    for (const Value& key : reply.items) {
      const std::string& name = key.items.at(0).text;
      const std::string& mode = key.items.at(1).items.at(0).text;
      key_names.insert(name);
      access.insert(name + (mode == "RO" ? " read" : " write"));
    }
  }

  std::string error{};
  std::multiset<std::string> key_names{};
  std::multiset<std::string> access{};
};

// Every command with keys, a number of samples of each.
template <class Function>
void for_each_sample(Client& client, CommandSamples& samples, Function function) {
  for (const ServerCommand& command : testing::read_commands(client)) {
    for (int i = 0; command.has_keys && i < kSamples; ++i) {
      function(command.name, samples.make(command.name));
    }
  }
}

// The same with one thing wrong.
std::vector<std::string> spoiled(std::vector<std::string> args, int how) {
  // MIGRATE's host stays: the tests talk to nobody but this machine.
  const std::size_t name = args.front() == "migrate" ? 2 : args.size() > 1 ? 1 : 0;
  const std::size_t place = name + static_cast<std::size_t>(how) % (args.size() - name);
  static const char* const kJunk[] = {"-1", "", "01", "x", "99", "+1", " 1", "1.5", "STORE", "0"};
  if (place == 0) {
    args.emplace_back("x");
  } else if (how % 11 == 10) {
    args.resize(std::max<std::size_t>(place, 2));
  } else {
    args[place] = kJunk[how % 11];
  }
  return args;
}

using State = std::map<std::string, std::string>;  // "db key" -> DUMP and expiry

State state_of(Client& client, const std::set<std::string>& names) {
  for (const char* db : {"0", "1"}) {
    client.send("SELECT", db);
    for (const std::string& name : names) {
      client.send("DUMP", name);
      client.send("PEXPIRETIME", name);
    }
  }
  client.send("SELECT", "0");
  State state;
  for (const char* db : {"0 ", "1 "}) {
    client.read();
    for (const std::string& name : names) {
      const Value dump = client.read();
      const Value expiry = client.read();
      state[db + name] = dump.is_nil() ? "" : std::to_string(expiry.integer) + " " + dump.text;
    }
  }
  client.read();
  return state;
}

Names changed(const State& before, const State& after) {
  Names out;
  for (const auto& [key, value] : after) {
    const auto old = before.find(key);
    if (value != (old == before.end() ? std::string() : old->second)) {
      out.insert(key);
    }
  }
  return out;
}

Names written(const Ours& ours, const std::vector<std::string>& args) {
  Names out;
  for (const KeyRef& ref : ours.refs) {
    if (ref.access == Access::write) {
      out.insert(std::to_string(std::max(ref.db, 0)) + " " + args.at(ref.index));
    }
  }
  return out;
}

// In a transaction nothing blocks.
Value run_in_multi(Client& client, const std::vector<std::string>& args) {
  client.call("MULTI");
  const Value queued = client.call(args);
  const Value result = client.call("EXEC");
  return queued.is_error() || result.items.empty() ? queued : result.items.front();
}

}  // namespace

TEST_CASE("every command of the server is in the table, with its arity and flags") {
  RedisServer server;
  Client client(server.port());
  const Table& table = *Table::builtin();
  Names theirs;
  for (const ServerCommand& command : testing::read_commands(client)) {
    CAPTURE(command.name);
    theirs.insert(command.name);
    const Command* ours = table.find_name(command.name);
    REQUIRE(ours != nullptr);
    CHECK(ours->arity == command.arity);
    std::uint32_t flags = 0;
    for (const std::string& flag : command.flags) {
      CAPTURE(flag);
      CHECK(flag_from_name(flag) != 0);
      flags |= flag_from_name(flag);
    }
    CHECK(ours->flags == flags);
    if ((flags & kWrite) != 0) {
      CHECK_FALSE(is_read_kind(ours->kind));
    }
    if ((flags & kReadonly) != 0 && command.name != "pfcount") {
      CHECK_FALSE(ours->kind == Kind::write);
    }
    CHECK_MESSAGE(((flags & kBlocking) == 0 || ours->route == Route::blocking ||
                   ours->syntax == Syntax::streams),
                  "a blocking command on a shared link");
    const bool keyed = ours->key_specs[0].find != KeySpec::Find::none ||
                       (ours->syntax != Syntax::plain && ours->syntax != Syntax::ping &&
                        ours->syntax != Syntax::debug);
    CHECK(keyed == command.has_keys);
  }
  Names only_ours;
  for (const Command& command : table.commands()) {
    if (!theirs.contains(std::string(command.name)) && !command.name.starts_with("cache")) {
      only_ours.insert(std::string(command.name));
    }
  }
  CHECK(listed(only_ours) == "client|setinfo");
}

TEST_CASE("a server of our version has nothing to teach") {
  RedisServer server;
  Client client(server.port());
  const auto table = Table::with(learnt_from(testing::read_commands(client)));
  REQUIRE(table->commands().size() == Table::builtin()->commands().size());
  for (const Command& command : table->commands()) {
    const Command* before = Table::builtin()->find_name(command.name);
    REQUIRE(before != nullptr);
    CHECK(command.arity == before->arity);
    CHECK(command.flags == before->flags);
    CHECK_FALSE(command.learnt);
  }
}

TEST_CASE("our keys are those of COMMAND GETKEYSANDFLAGS") {
  RedisServer server;
  Client client(server.port());
  CommandSamples samples(client, kSeed);
  Names other_access;
  Names they_decline;  // though we find keys
  Names we_decline;    // though they find keys
  std::map<std::string, Names> variants;
  std::map<std::string, int> compared;
  for_each_sample(client, samples, [&](const std::string& name, const auto& args) {
    const Ours ours(args);
    const Theirs theirs(client, args);
    CAPTURE(line_of(args));
    CHECK(ours.command->name == name);
    variants[name].insert(line_of(args));
    compared[name] += 0;
    if (!theirs.error.empty()) {
      CAPTURE(theirs.error);
      if (ours.well_formed && !ours.refs.empty()) {
        they_decline.insert(name);
      }
    } else if (!ours.well_formed) {
      we_decline.insert(name);
    } else {
      CHECK(ours.key_names == theirs.key_names);
      compared[name] += ours.key_names.empty() ? 0 : 1;
      if (ours.access != theirs.access) {
        other_access.insert(name);
      }
    }
  });
  // GETEX without options and all but PFCOUNT's first key are only read; XREADGROUP changes the
  // group inside the key, which the server calls an access.
  CHECK(listed(other_access) == "getex pfcount xreadgroup");
  CHECK(listed(they_decline) == "");
  CHECK(listed(we_decline) == "");
  for (const auto& entry : compared) {
    const std::string& name = entry.first;
    const int count = entry.second;
    CAPTURE(name);
    CHECK(count >= kSamples / 3);
    CHECK(variants[name].size() >= 3);
  }
  CHECK(compared.size() > 150);
}

TEST_CASE("where we find no keys the server finds none") {
  RedisServer server;
  Client client(server.port());
  CommandSamples samples(client, kSeed);
  Names unasked;  // GETKEYS wants an argument, which these do not take
  Names other_answer;
  for (const ServerCommand& command : testing::read_commands(client)) {
    for (int i = 0; !command.has_keys && i < 5; ++i) {
      std::vector<std::string> args = samples.make(command.name);
      if (args.size() == 1 && command.arity < 0) {
        args.emplace_back("x");  // any argument, or for a container an unknown subcommand
      }
      if (args.size() == 1) {
        unasked.insert(command.name);
        continue;
      }
      CAPTURE(line_of(args));
      CHECK(Ours(args).refs.empty());
      const std::string error = Theirs(client, args).error;
      const bool is_container = find(views_of(args))->container;
      if (error != (is_container ? "ERR Invalid command specified"
                                 : "ERR The command has no key arguments")) {
        other_answer.insert(command.name + ": " + error);
      }
    }
  }
  CHECK(listed(other_answer) == "");
  CHECK(listed(unasked) ==
        "asking bgrewriteaof dbsize discard exec lastsave monitor multi pfselftest randomkey "
        "readonly readwrite reset role save sync time unwatch");
}

TEST_CASE("what we call malformed the server refuses") {
  RedisServer server;
  Client client(server.port());
  CommandSamples samples(client, kSeed + 1);
  samples.populate(client);
  int malformed = 0;
  int how = 0;
  for_each_sample(client, samples, [&](const std::string& name, const auto& args) {
    const std::vector<std::string> bad = spoiled(args, ++how);
    const Command* command = find(views_of(bad));
    if (command == nullptr || command->name != name) {
      return;
    }
    if (!Ours(bad).well_formed) {
      ++malformed;
      CAPTURE(line_of(bad));
      CHECK(client.call(bad).is_error());
    }
  });
  CHECK(malformed > 200);
}

TEST_CASE("nothing changes but the keys that we call written") {
  // SORT turns a small sorted set into a large one's encoding, which DUMP shows and no reply does.
  RedisServer server({"--zset-max-listpack-entries", "0"});
  Client client(server.port());
  CommandSamples samples(client, kSeed + 2);
  const std::set<std::string> pool(samples.key_pool().begin(), samples.key_pool().end());
  samples.populate(client);
  State before = state_of(client, pool);
  std::map<std::string, int> worked;
  Names changing;
  Names writes;
  int how = 0;
  const auto observe = [&](const std::string& name, const std::vector<std::string>& args) {
    CAPTURE(line_of(args));
    const Ours ours(args);
    const Value reply = run_in_multi(client, args);
    worked[name] += reply.is_error() ? 0 : 1;
    std::set<std::string> names = pool;
    names.insert(args.begin() + 1, args.end());
    const Names now = changed(before, state_of(client, names));
    if (now.empty()) {
      return;
    }
    CAPTURE(reply);
    CHECK(std::ranges::includes(written(ours, args), now));
    CHECK_FALSE(is_read_kind(ours.classified.kind));
    CHECK_FALSE(ours.classified.kind == Kind::none);
    changing.insert(name);
    samples.populate(client);
    before = state_of(client, pool);
  };
  for_each_sample(client, samples, [&](const std::string& name, const auto& args) {
    observe(name, args);
    const std::vector<std::string> bad = spoiled(args, ++how);
    if (const Command* command = find(views_of(bad)); command && command->name == name) {
      observe(name, bad);
    }
    if (Table::builtin()->find_name(name)->kind == Kind::write) {
      writes.insert(name);
    }
  });
  // A write that was never seen to write has not been tested: more samples until it is.
  for (const std::string& name : writes) {
    for (int i = 0; i < kMoreSamples && !changing.contains(name); ++i) {
      observe(name, samples.make(name));
    }
  }
  Names never_worked;
  for (const auto& [name, count] : worked) {
    if (count == 0) {
      never_worked.insert(name);
    }
  }
  CHECK(listed(never_worked) == "watch");  // not inside MULTI
  Names never_changed;
  std::ranges::set_difference(writes, changing, std::inserter(never_changed, never_changed.end()));
  CHECK(listed(never_changed) == "migrate");  // nobody to migrate to: the next test
}

TEST_CASE("MIGRATE takes away the keys that we call written, one or many") {
  RedisServer from;
  RedisServer to;
  Client client(from.port());
  CommandSamples samples(client, kSeed);
  const std::set<std::string> pool(samples.key_pool().begin(), samples.key_pool().end());
  const std::string port = std::to_string(to.port());
  const std::vector<std::vector<std::string>> lines{
      {"MIGRATE", "127.0.0.1", port, "s1", "0", "5000"},
      {"MIGRATE", "127.0.0.1", port, "", "0", "5000", "REPLACE", "keys", "s1", "KEYS", "z1"},
      {"MIGRATE", "127.0.0.1", port, "", "0", "5000", "REPLACE", "KEYS", "KEYS"},
  };
  for (const std::vector<std::string>& args : lines) {
    CAPTURE(line_of(args));
    samples.populate(client);
    const State before = state_of(client, pool);
    REQUIRE(client.call(args).text == "OK");
    const Names now = changed(before, state_of(client, pool));
    CHECK(listed(now) == listed(written(Ours(args), args)));
  }
}

TEST_CASE("the last destination is the one that counts, as we read it") {
  RedisServer server;
  Client client(server.port());
  const std::vector<std::vector<std::string>> lines{
      {"SORT", "l", "STORE", "a", "STORE", "b"},
      {"SORT", "l", "GET", "STORE", "STORE", "b"},
      {"SORT", "l", "BY", "STORE", "LIMIT", "0", "5", "STORE", "STORE"},
      {"SORT", "l", std::string("STORE\0junk", 10), "b"},
      {"GEORADIUS", "g", "1", "1", "9", "km", "STORE", "a", "STORE", "b"},
      {"GEORADIUS", "g", "1", "1", "9", "km", "STORE", "a", "STOREDIST", "b"},
      {"GEORADIUSBYMEMBER", "g", "STORE", "9", "km", "COUNT", "1", "STORE", "STORE"},
      {"COPY", "l", "b", "DB", "1", "DB", "0"},
      {"COPY", "l", "DB", "DB", "1"},
      {"BITOP", "NOT", "NOT", "s"},
      {"ZUNIONSTORE", "2", "1", "g"},
  };
  for (const std::vector<std::string>& args : lines) {
    CAPTURE(line_of(args));
    client.call("FLUSHALL");
    client.call("RPUSH", "l", "1", "2");
    client.call("SET", "s", "x");
    client.call("GEOADD", "g", "1", "1", "STORE");
    const std::set<std::string> names(args.begin() + 1, args.end());
    const State before = state_of(client, names);
    const Value reply = client.call(args);
    CAPTURE(reply);
    REQUIRE_FALSE(reply.is_error());
    const Names now = changed(before, state_of(client, names));
    CHECK(now.size() == 1);
    const Names ours = written(Ours(args), args);
    CHECK(std::ranges::includes(ours, now));
  }
}

}  // namespace tiercache::command
