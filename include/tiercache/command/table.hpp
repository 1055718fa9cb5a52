// The set of commands: those of Redis 7.0 and CACHE, our own, and what a server has taught us.
//
// Owner: whoever holds the shared_ptr. Immutable after construction, so any thread may use it; a
// Command* stays valid as long as its Table. find() costs about 10 ns and does not allocate; a
// Table with hundreds of learnt commands takes some 100 KiB and well under a millisecond to build.
#pragma once

#include "tiercache/command/command.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::command {

// One entry of the server's COMMAND reply; its subcommands as entries of their own, named
// "container|sub" as the server names them.
struct LearntCommand {
  std::string name;
  std::int32_t arity = -1;
  std::vector<std::string> flags{};
  std::int32_t first_key = 0;
  std::int32_t last_key = 0;
  std::int32_t step = 0;
};

class Table {
 public:
  // At most so many learnt commands are taken; a server with more is not a server.
  static constexpr std::size_t kMaxLearnt = 4096;
  static constexpr std::size_t kMaxNameSize = 128;

  static const std::shared_ptr<const Table>& builtin();

  // The built-in table and the server's commands. A command that we know keeps its treatment and
  // takes the server's arity and flags; one that we do not know is never cacheable: readonly is a
  // read of its keys, everything else may change keys that it does not declare.
  static std::shared_ptr<const Table> with(std::span<const LearntCommand> learnt);

  // The command of args[0], or of args[0] and args[1] where args[0] is a container; letter case
  // does not matter. The container itself if it is alone or the subcommand unknown; nullptr if
  // the command is unknown or there are no arguments.
  const Command* find(Args args) const;
  // By full name as in Command::name ("get", "client|id"); nullptr if unknown.
  const Command* find_name(std::string_view name) const;

  std::span<const Command> commands() const {
    return commands_;
  }

  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

 private:
  explicit Table(std::span<const LearntCommand> learnt);

  void learn(const LearntCommand& learnt);
  void add(const Command& command);
  void index(std::size_t position);
  // The same command, to change while constructing.
  Command& at(const Command* command);
  const Command* lookup(std::uint64_t hash, std::string_view name) const;
  const Command* lookup_sub(std::uint64_t hash, std::string_view name, std::string_view sub) const;

  std::vector<Command> commands_{};
  std::vector<std::unique_ptr<const std::string>> names_{};  // of the learnt commands
  std::vector<std::uint16_t> slots_{};                       // index into commands_ + 1; 0: free
};

// In the built-in table.
const Command* find(Args args);

}  // namespace tiercache::command
