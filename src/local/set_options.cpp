#include "tiercache/local/set_options.hpp"

#include "tiercache/base/words.hpp"

namespace tiercache::local {

std::optional<SetOptions> read_set_options(command::Args args, std::size_t from,
                                           SetOptions::For whom) {
  using Unit = SetOptions::Unit;
  const bool set = whom == SetOptions::For::set;
  SetOptions options;
  for (std::size_t i = from; i < args.size(); i++) {
    const std::string_view word = args[i];
    const auto timed = [&](std::string_view name, Unit unit) {
      // The same again is allowed; the last one counts.
      if (!is_word(word, name) || options.keep_ttl || options.persist || i + 1 >= args.size() ||
          (options.unit != Unit::none && options.unit != unit)) {
        return false;
      }
      options.unit = unit;
      options.time = args[++i];
      return true;
    };
    if (set && is_word(word, "nx") && !options.xx) {
      options.nx = true;
    } else if (set && is_word(word, "xx") && !options.nx) {
      options.xx = true;
    } else if (set && is_word(word, "get")) {
      options.get = true;
    } else if (set && is_word(word, "keepttl") && options.unit == Unit::none) {
      options.keep_ttl = true;
    } else if (!set && is_word(word, "persist") && options.unit == Unit::none) {
      options.persist = true;
    } else if (!timed("ex", Unit::ex) && !timed("px", Unit::px) && !timed("exat", Unit::exat) &&
               !timed("pxat", Unit::pxat)) {
      return std::nullopt;
    }
  }
  return options;
}

std::optional<std::int64_t> end_time(std::int64_t value, SetOptions::Unit unit,
                                     std::chrono::milliseconds now) noexcept {
  using Unit = SetOptions::Unit;
  const bool seconds = unit == Unit::ex || unit == Unit::exat;
  const bool relative = unit == Unit::ex || unit == Unit::px;
  const std::int64_t most = seconds ? kLastEnd / 1000 : kLastEnd;
  if (value > most || value < -most) {
    return std::nullopt;
  }
  const std::int64_t end = value * (seconds ? 1000 : 1) + (relative ? now.count() : 0);
  return end > kLastEnd ? std::nullopt : std::optional(end);
}

ExpireOptions read_expire_options(command::Args args) {
  ExpireOptions options;
  for (const std::string_view word : args.subspan(3)) {
    if (is_word(word, "nx")) {
      options.nx = true;
    } else if (is_word(word, "xx")) {
      options.xx = true;
    } else if (is_word(word, "gt")) {
      options.gt = true;
    } else if (is_word(word, "lt")) {
      options.lt = true;
    } else {
      options.unknown = word;
      return options;
    }
  }
  options.clash = options.nx && (options.xx || options.gt || options.lt);
  options.clash_gt_lt = options.gt && options.lt;
  return options;
}

}  // namespace tiercache::local
