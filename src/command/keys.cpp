#include "options.hpp"
#include "words.hpp"

#include "tiercache/command/command.hpp"

#include <limits>

namespace tiercache::command {
namespace {

// Collects the keys of one command; the first thing that is wrong undoes all of it.
class Collector {
 public:
  Collector(const Command& command, Args args, std::vector<KeyRef>& out)
      : command_(command), args_(args), out_(out), before_(out.size()) {
  }

  bool collect() {
    if (arity_fits(command_, args_) && args_.size() <= kMaxArgs && by_syntax()) {
      return true;
    }
    out_.resize(before_);
    return false;
  }

 private:
  // The server's own limit of arguments is far below.
  static constexpr std::size_t kMaxArgs = std::numeric_limits<std::int32_t>::max();

  bool by_syntax() {
    switch (command_.syntax) {
      case Syntax::plain:
      case Syntax::exists:
      case Syntax::ping:
      case Syntax::debug:
        return specs();
      case Syntax::pairs:
        return args_.size() % 2 == 1 && specs();
      case Syntax::getex:
        return add(1, args_.size() > 2 ? Access::write : Access::read);
      case Syntax::bitfield:
        return add(1, bitfield_writes(args_) ? Access::write : Access::read);
      case Syntax::sort:
        return specs() && sort();
      case Syntax::georadius:
        return specs() && georadius(kGeoradiusOptions);
      case Syntax::georadius_member:
        return specs() && georadius(kGeoradiusMemberOptions);
      case Syntax::copy:
        return copy();
      case Syntax::move:
        return move();
      case Syntax::migrate:
        return migrate();
      case Syntax::streams:
        return streams();
    }
    return false;
  }

  bool specs() {
    for (const KeySpec& spec : command_.key_specs) {
      switch (spec.find) {
        case KeySpec::Find::none:
          break;
        case KeySpec::Find::range:
          if (!range(spec)) {
            return false;
          }
          break;
        case KeySpec::Find::count:
        case KeySpec::Find::count_or_none:
          if (!counted(spec)) {
            return false;
          }
          break;
      }
    }
    return true;
  }

  bool range(const KeySpec& spec) {
    const auto size = static_cast<std::int64_t>(args_.size());
    const std::int64_t last = spec.last < 0 ? size + spec.last : spec.last;
    if (spec.first <= 0 || spec.step <= 0 || last >= size) {
      return false;
    }
    for (std::int64_t i = spec.first; i <= last; i += spec.step) {
      add(static_cast<std::size_t>(i), spec.access);
    }
    return true;
  }

  bool counted(const KeySpec& spec) {
    const auto at = static_cast<std::size_t>(spec.first);
    if (at >= args_.size()) {
      return false;
    }
    const std::optional<std::int64_t> count = parse_integer(args_[at]);
    const std::int64_t fewest = spec.find == KeySpec::Find::count ? 1 : 0;
    if (!count || *count < fewest || *count > static_cast<std::int64_t>(args_.size() - at - 1)) {
      return false;
    }
    for (std::size_t i = 1; i <= static_cast<std::size_t>(*count); ++i) {
      add(at + i, spec.access);
    }
    return true;
  }

  bool sort() {
    const std::size_t destination = sort_destination(args_);
    return destination == 0 || add(destination, Access::write);
  }

  bool georadius(std::size_t options) {
    while (const std::size_t destination = georadius_destination(args_, options)) {
      add(destination, Access::write);
      options = destination + 1;
    }
    return true;
  }

  bool copy() {
    const CopyOptions options = parse_copy(args_);
    return !options.malformed && add(1, Access::read) && add(2, Access::write, options.db);
  }

  bool move() {
    const std::optional<std::int32_t> db = args_.size() > 2 ? parse_db(args_[2]) : std::nullopt;
    return db && add(1, Access::write) && add(1, Access::write, *db);
  }

  bool migrate() {
    const MigrateKeys found = parse_migrate(args_);
    if (found.malformed) {
      return false;
    }
    for (std::size_t i = found.first; i < found.end; ++i) {
      if (!add(i, Access::write)) {
        return false;
      }
    }
    return true;
  }

  bool streams() {
    const Streams found = parse_streams(args_);
    const Access access = command_.kind == Kind::read ? Access::read : Access::write;
    for (std::size_t i = 0; i < found.count; ++i) {
      add(found.first_key + i, access);
    }
    return found.count > 0;
  }

  // A learnt arity may be shorter than our rules suppose, so every index is checked.
  bool add(std::size_t index, Access access, std::int32_t db = -1) {
    if (index >= args_.size()) {
      return false;
    }
    out_.push_back({static_cast<std::uint32_t>(index), access, db});
    return true;
  }

  const Command& command_;
  Args args_;
  std::vector<KeyRef>& out_;
  std::size_t before_;
};

}  // namespace

bool keys(const Command& command, Args args, std::vector<KeyRef>& out) {
  // Most have one key, right behind their name.
  const auto& [first, second] = command.key_specs;
  if (command.syntax == Syntax::plain && first.find == KeySpec::Find::range && first.first == 1 &&
      first.last == 1 && second.find == KeySpec::Find::none && args.size() > 1 &&
      arity_fits(command, args)) [[likely]] {
    out.push_back({1, first.access, -1});
    return true;
  }
  return Collector(command, args, out).collect();
}

}  // namespace tiercache::command
