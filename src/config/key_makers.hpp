// How a row of the schema is made from the path of its field, and the limits that rows share.
#pragma once

#include "tiercache/config/schema.hpp"

#include <concepts>
#include <type_traits>

namespace tiercache::config {

// What l1.commands may name: the reads that the command table lets L1 keep (a test compares them),
// and all of them.
inline constexpr std::string_view kL1Commands[] = {"all",
                                                   "bitcount",
                                                   "bitfield_ro",
                                                   "bitpos",
                                                   "exists",
                                                   "expiretime",
                                                   "geodist",
                                                   "geohash",
                                                   "geopos",
                                                   "get",
                                                   "getbit",
                                                   "getrange",
                                                   "hexists",
                                                   "hget",
                                                   "hgetall",
                                                   "hkeys",
                                                   "hlen",
                                                   "hmget",
                                                   "hstrlen",
                                                   "hvals",
                                                   "lindex",
                                                   "llen",
                                                   "lpos",
                                                   "lrange",
                                                   "mget",
                                                   "pexpiretime",
                                                   "pttl",
                                                   "scard",
                                                   "sismember",
                                                   "smembers",
                                                   "smismember",
                                                   "strlen",
                                                   "substr",
                                                   "ttl",
                                                   "type",
                                                   "xlen",
                                                   "xrange",
                                                   "xrevrange",
                                                   "zcard",
                                                   "zcount",
                                                   "zlexcount",
                                                   "zmscore",
                                                   "zrange",
                                                   "zrangebylex",
                                                   "zrangebyscore",
                                                   "zrank",
                                                   "zrevrange",
                                                   "zrevrangebylex",
                                                   "zrevrangebyscore",
                                                   "zrevrank",
                                                   "zscore"};

inline constexpr std::int64_t kTib = std::int64_t{1} << 40;
inline constexpr std::int64_t kDayMs = 86'400'000;
inline constexpr std::int64_t kManyU32 = 0xffff'ffff;

// The field at the end of a path of member pointers, <&Config::listen, &Listen::port>.
template <auto Member>
constexpr auto& field(auto& object) {
  return object.*Member;
}
template <auto Section, auto Member>
constexpr auto& field(auto& object) {
  return object.*Section.*Member;
}

// What the path begins at.
template <auto... Path>
struct PathOwner;
template <class Owner, class Type, Type Owner::*First, auto... Rest>
struct PathOwner<First, Rest...> {
  using type = Owner;
};

template <class T>
concept IsDuration = std::same_as<T, milliseconds> || std::same_as<T, seconds>;

template <class Owner, auto... Path>
Value get_field(const Owner& owner) {
  const auto& value = field<Path...>(owner);
  using T = std::remove_cvref_t<decltype(value)>;
  if constexpr (std::same_as<T, Endpoint>) {
    return to_string(value);
  } else if constexpr (IsDuration<T>) {
    return std::int64_t{value.count()};
  } else if constexpr (std::is_enum_v<T> || (std::integral<T> && !std::same_as<T, bool>)) {
    return static_cast<std::int64_t>(value);
  } else {
    return value;
  }
}

template <class Owner, auto... Path>
void set_field(Owner& owner, const Value& value) {
  auto& target = field<Path...>(owner);
  using T = std::remove_cvref_t<decltype(target)>;
  if constexpr (std::same_as<T, Endpoint>) {
    target = parse_endpoint(std::get<std::string>(value)).value();
  } else if constexpr (IsDuration<T>) {
    target = T{std::get<std::int64_t>(value)};
  } else if constexpr (std::is_enum_v<T> || (std::integral<T> && !std::same_as<T, bool>)) {
    target = static_cast<T>(std::get<std::int64_t>(value));
  } else {
    target = std::get<T>(value);
  }
}

template <class Owner, auto... Path>
Value get_of_element(const void* element) {
  return get_field<Owner, Path...>(*static_cast<const Owner*>(element));
}
template <class Owner, auto... Path>
void set_of_element(void* element, const Value& value) {
  set_field<Owner, Path...>(*static_cast<Owner*>(element), value);
}

// A Key where the path begins at Config, else an ElementKey.
template <auto... Path>
constexpr auto key(std::string_view name, Kind kind, std::int64_t min, std::int64_t max,
                   Reload reload, std::string_view doc) {
  using Owner = typename PathOwner<Path...>::type;
  const KeyFacts facts{name, kind, min, max, {}, reload, {}, doc};
  if constexpr (std::same_as<Owner, Config>) {
    return Key{facts, &get_field<Owner, Path...>, &set_field<Owner, Path...>};
  } else {
    return ElementKey{facts, &get_of_element<Owner, Path...>, &set_of_element<Owner, Path...>};
  }
}

template <auto... Path>
constexpr auto boolean(std::string_view name, Reload reload, std::string_view doc) {
  return key<Path...>(name, Kind::boolean, 0, 1, reload, doc);
}

template <auto... Path>
constexpr auto integer(std::string_view name, std::int64_t min, std::int64_t max, Reload reload,
                       std::string_view doc) {
  return key<Path...>(name, Kind::integer, min, max, reload, doc);
}

template <auto... Path>
constexpr auto duration(std::string_view name, std::int64_t min, std::int64_t max, Reload reload,
                        std::string_view doc) {
  return key<Path...>(name, Kind::duration, min, max, reload, doc);
}

template <auto... Path>
constexpr auto size(std::string_view name, std::int64_t min, std::int64_t max, Reload reload,
                    std::string_view doc) {
  return key<Path...>(name, Kind::size, min, max, reload, doc);
}

template <auto... Path>
constexpr auto text(std::string_view name, std::int64_t min, std::int64_t max, Reload reload,
                    std::string_view doc) {
  return key<Path...>(name, Kind::text, min, max, reload, doc);
}

template <auto... Path>
constexpr auto choice(std::string_view name, std::span<const std::string_view> choices,
                      Reload reload, std::string_view doc) {
  auto made = key<Path...>(name, Kind::choice, 0, 0, reload, doc);
  made.choices = choices;
  return made;
}

// Words of a list, each of which may have a '-' in front.
template <auto... Path>
constexpr auto listed(std::string_view name, std::span<const std::string_view> choices,
                      Reload reload, std::string_view doc) {
  auto made = key<Path...>(name, Kind::words, 0, 256, reload, doc);
  made.choices = choices;
  return made;
}

template <class Made>
constexpr Made secret(Made made) {
  made.secrecy = Secrecy::secret;
  return made;
}

}  // namespace tiercache::config
