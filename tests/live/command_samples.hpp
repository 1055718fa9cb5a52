// Arguments for every command of a server, made from the syntax that its own COMMAND DOCS
// describes: optional parts come and go, alternatives take turns, lists have one to three items,
// counts agree with what they count. Keys are drawn from a pool that populate() fills, mostly of
// the type that the command wants; now and then a key is named like an option word.
//
// Owner: one test, one thread. The same seed gives the same samples for the same server.
#pragma once

#include "client.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiercache::testing {

// One entry of COMMAND, subcommands as entries of their own, sorted by name.
struct ServerCommand {
  std::string name;
  std::int64_t arity = 0;
  std::vector<std::string> flags{};
  std::int64_t first_key = 0;
  std::int64_t last_key = 0;
  std::int64_t step = 0;
  bool has_keys = false;  // by its key specs; channels are not keys
};
std::vector<ServerCommand> read_commands(Client& client);

class CommandSamples {
 public:
  // Reads COMMAND DOCS and loads the script and the function that samples call.
  CommandSamples(Client& client, std::uint64_t seed);

  // Asked first for each argument's value, by the command and the argument's name and type as
  // COMMAND DOCS has them; where it has nothing to say the samples choose.
  using Chooser = std::function<std::optional<std::string>(
      std::string_view command, std::string_view name, std::string_view type)>;
  void choose_by(Chooser chooser) {
    chooser_ = std::move(chooser);
  }
  // The choices from here on are those of this seed.
  void reseed(std::uint64_t seed) {
    state_ = seed;
  }

  // Whether the server has documented the command, and so make() can make one.
  bool knows(const std::string& name) const {
    return docs_.contains(name);
  }
  // The name and its arguments. `name` is a COMMAND name, "container|sub" for a subcommand.
  std::vector<std::string> make(const std::string& name);

  // The pool: in db 0 keys of every type, and names of nothing.
  const std::vector<std::string>& key_pool() const {
    return pool_;
  }
  // Empties all dbs and makes the pool's keys anew.
  void populate(Client& client) const;
  // What makes the pool's keys.
  static const std::vector<std::vector<std::string>>& pool_commands();

 private:
  struct Doc {
    std::string group;
    Value arguments;
  };
  struct Context {
    std::string group;
    std::string command;
    std::uint64_t keys_to_come = 0;  // announced by numkeys
    bool announced = false;
    std::uint64_t run = 0;  // keys of the last list: as many ids follow
    std::vector<std::string> out{};
  };

  void add_docs(const Value& docs);
  void add_all(const Value& arguments, Context& context);
  void add(const Value& argument, Context& context);
  void add_one(const Value& argument, Context& context);
  std::string value_of(const Value& argument, Context& context);
  std::string string_named(std::string_view name, const Context& context);
  std::string key_for(const Context& context);
  std::uint64_t random(std::uint64_t bound);
  std::string pick(std::initializer_list<std::string_view> choices);

  std::uint64_t state_;
  Chooser chooser_{};
  std::map<std::string, Doc> docs_{};
  std::vector<std::string> pool_{};
  std::string script_sha_{};
  std::string payload_{};  // a DUMP, for RESTORE
};

}  // namespace tiercache::testing
