#include "tiercache/command/table.hpp"

#include "rows.hpp"
#include "words.hpp"

#include "tiercache/base/check.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tiercache::command {
namespace {

constexpr std::size_t kFewestSlots = 1024;   // a power of two
constexpr std::string_view kOurs = "cache";  // answered here, whatever a server means by it

static_assert(Table::kMaxLearnt < 32768, "positions are kept in 16 bits");

template <class T>
std::uint64_t load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Both ends of the name, folded to lower case (and other bytes mixed up, which only costs a
// comparison): the middles of command names do not tell them apart any better.
std::uint64_t hash_name(std::string_view name) {
  constexpr std::uint64_t kFold = 0x2020202020202020ULL;
  const std::size_t size = name.size();
  const char* const data = name.data();
  std::uint64_t head = 0;
  std::uint64_t tail = 0;
  if (size >= 8) {
    head = load<std::uint64_t>(data);
    tail = load<std::uint64_t>(data + size - 8);
  } else if (size >= 4) {
    head = load<std::uint32_t>(data);
    tail = load<std::uint32_t>(data + size - 4);
  } else if (size > 0) {
    head = static_cast<unsigned char>(data[0]);
    tail = load<std::uint8_t>(data + size / 2) << 8U | load<std::uint8_t>(data + size - 1);
  }
  const std::uint64_t mixed =
      (head | kFold) * 0x9E3779B97F4A7C15ULL ^ (tail | kFold) * 0xC2B2AE3D27D4EB4FULL ^ size;
  return (mixed ^ mixed >> 29U) * 0xBF58476D1CE4E5B9ULL;
}

std::uint64_t hash_sub(std::uint64_t container, std::string_view sub) {
  return container * 31 + hash_name(sub);
}

std::uint64_t hash_full_name(std::string_view name) {
  const std::size_t bar = name.find('|');
  const std::uint64_t head = hash_name(name.substr(0, bar));
  return bar == std::string_view::npos ? head : hash_sub(head, name.substr(bar + 1));
}

// The upper bits are the well mixed ones.
std::size_t slot_of(std::uint64_t hash, std::size_t mask) {
  return static_cast<std::size_t>(hash >> 40U) & mask;
}

bool plausible_name(std::string_view name) {
  return !name.empty() && name.size() <= Table::kMaxNameSize && name.front() != '|' &&
         name.back() != '|' && std::count(name.begin(), name.end(), '|') <= 1;
}

std::uint32_t flags_of(const LearntCommand& learnt) {
  std::uint32_t flags = 0;
  for (const std::string& flag : learnt.flags) {
    flags |= flag_from_name(flag);
  }
  return flags;
}

// Treatment of a command of which we know only what COMMAND says.
void treat_unknown(Command& command, const LearntCommand& learnt) {
  const bool reads = (command.flags & kReadonly) != 0 && (command.flags & kWrite) == 0;
  command.kind = reads ? Kind::read : Kind::unknown_write;
  if ((command.flags & kBlocking) != 0) {
    command.route = Route::blocking;
  } else if ((command.flags & kPubsub) != 0) {
    command.route = Route::stateful;
  }
  const std::int32_t step = std::max(learnt.step, 1);
  if (learnt.first_key > 0 && (learnt.last_key < 0 || learnt.last_key >= learnt.first_key)) {
    command.key_specs[0] = {KeySpec::Find::range, reads ? Access::read : Access::write,
                            learnt.first_key, learnt.last_key, step};
  }
  command.why = "learnt from the server";
  if (reads) {
    command.not_kept = "only the server knows what it depends on";
  }
}

}  // namespace

const std::shared_ptr<const Table>& Table::builtin() {
  static const std::shared_ptr<const Table> table(new Table({}));
  return table;
}

std::shared_ptr<const Table> Table::with(std::span<const LearntCommand> learnt) {
  return std::shared_ptr<const Table>(new Table(learnt));
}

Table::Table(std::span<const LearntCommand> learnt) {
  for (const auto rows : {string_rows(), collection_rows(), server_rows(), session_rows()}) {
    for (const Command& row : rows) {
      add(row);
    }
  }
  for (const LearntCommand& entry : learnt.first(std::min(learnt.size(), kMaxLearnt))) {
    learn(entry);
  }
  for (Command& command : commands_) {
    if (!command.unless.empty() && find_name(command.unless) != nullptr) {
      command.kind = Kind::read;
      command.not_kept = "this server has a command that takes away parts of the value in time";
    }
  }
}

void Table::learn(const LearntCommand& learnt) {
  if (!plausible_name(learnt.name)) {
    return;
  }
  auto name = std::make_unique<std::string>(learnt.name);
  std::ranges::transform(*name, name->begin(), lower);
  const std::string_view container = std::string_view(*name).substr(0, name->find('|'));
  if (container == kOurs) {
    return;
  }
  const std::uint32_t flags = flags_of(learnt);
  if (const Command* known = find_name(*name)) {
    at(known).arity = learnt.arity;
    at(known).flags = flags;
    return;
  }
  Command command{.name = *name, .arity = learnt.arity, .flags = flags, .learnt = true};
  treat_unknown(command, learnt);
  if (container.size() != name->size()) {
    const Command* parent = find_name(container);
    if (parent == nullptr) {
      return;
    }
    if (command.route == Route::shared) {
      command.route = parent->route;
    }
  }
  names_.push_back(std::move(name));
  add(command);
}

void Table::add(const Command& command) {
  Command& added = commands_.emplace_back(command);
  if (const std::size_t bar = added.name.find('|'); bar != std::string_view::npos) {
    const Command* container = find_name(added.name.substr(0, bar));
    TC_CHECK(container != nullptr);
    at(container).container = true;
    added.subcommand = true;
  }
  if (commands_.size() * 5 / 2 <= slots_.size()) {
    index(commands_.size() - 1);
    return;
  }
  slots_.assign(std::max(kFewestSlots, slots_.size() * 2), 0);
  for (std::size_t i = 0; i < commands_.size(); ++i) {
    index(i);
  }
}

void Table::index(std::size_t position) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = slot_of(hash_full_name(commands_[position].name), mask);
  while (slots_[slot] != 0) {
    slot = (slot + 1) & mask;
  }
  slots_[slot] = static_cast<std::uint16_t>(position + 1);
}

Command& Table::at(const Command* command) {
  return commands_[static_cast<std::size_t>(command - commands_.data())];
}

const Command* Table::lookup(std::uint64_t hash, std::string_view name) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = slot_of(hash, mask); slots_[slot] != 0; slot = (slot + 1) & mask) {
    const Command& command = commands_[slots_[slot] - 1U];
    if (same_name(name, command.name)) {
      return &command;
    }
  }
  return nullptr;
}

const Command* Table::lookup_sub(std::uint64_t hash, std::string_view name,
                                 std::string_view sub) const {
  const std::size_t mask = slots_.size() - 1;
  const std::size_t size = name.size() + 1 + sub.size();
  for (std::size_t slot = slot_of(hash, mask); slots_[slot] != 0; slot = (slot + 1) & mask) {
    const Command& command = commands_[slots_[slot] - 1U];
    if (command.name.size() == size && command.name[name.size()] == '|' &&
        same_name(name, command.name.substr(0, name.size())) &&
        same_name(sub, command.name.substr(name.size() + 1))) {
      return &command;
    }
  }
  return nullptr;
}

const Command* Table::find(Args args) const {
  if (args.empty()) {
    return nullptr;
  }
  const std::uint64_t hash = hash_name(args[0]);
  const Command* command = lookup(hash, args[0]);
  if (command == nullptr || command->subcommand) {
    return nullptr;
  }
  if (!command->container || args.size() < 2) {
    return command;
  }
  const Command* sub = lookup_sub(hash_sub(hash, args[1]), args[0], args[1]);
  return sub != nullptr ? sub : command;
}

const Command* Table::find_name(std::string_view name) const {
  return lookup(hash_full_name(name), name);
}

const Command* find(Args args) {
  return Table::builtin()->find(args);
}

}  // namespace tiercache::command
