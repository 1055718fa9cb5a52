// The rows of the built-in table, in four files by subject, and the shorthand they are written in.
#pragma once

#include "tiercache/command/command.hpp"

#include <span>

namespace tiercache::command {

std::span<const Command> string_rows();      // strings, keys of any type, bitmaps, HyperLogLog
std::span<const Command> collection_rows();  // lists, hashes, sets, sorted sets, geo, streams
std::span<const Command> server_rows();      // server, persistence, replication, cluster
std::span<const Command> session_rows();     // connection, transactions, scripts, pub/sub, CACHE

namespace rows {

// Keys read (r) or written (w): one argument, a range of them, or counted by args[index].
constexpr KeySpec r(std::int32_t first) {
  return {KeySpec::Find::range, Access::read, first, first, 1};
}
constexpr KeySpec r(std::int32_t first, std::int32_t last, std::int32_t step = 1) {
  return {KeySpec::Find::range, Access::read, first, last, step};
}
constexpr KeySpec w(std::int32_t first) {
  return {KeySpec::Find::range, Access::write, first, first, 1};
}
constexpr KeySpec w(std::int32_t first, std::int32_t last, std::int32_t step = 1) {
  return {KeySpec::Find::range, Access::write, first, last, step};
}
constexpr KeySpec r_counted(std::int32_t index) {
  return {KeySpec::Find::count, Access::read, index, 0, 1};
}
constexpr KeySpec w_counted(std::int32_t index) {
  return {KeySpec::Find::count, Access::write, index, 0, 1};
}
constexpr KeySpec r_script(std::int32_t index) {
  return {KeySpec::Find::count_or_none, Access::read, index, 0, 1};
}
constexpr KeySpec w_script(std::int32_t index) {
  return {KeySpec::Find::count_or_none, Access::write, index, 0, 1};
}

struct Keys {
  KeySpec first{};
  KeySpec second{};
};

constexpr Command row(std::string_view name, std::int32_t arity, std::uint32_t flags, Kind kind,
                      Keys keys, Route route, Syntax syntax, std::string_view why = {}) {
  return {name, arity, flags, kind, {keys.first, keys.second}, route, syntax, why};
}
constexpr Command row(std::string_view name, std::int32_t arity, std::uint32_t flags, Kind kind,
                      Keys keys = {}, Route route = Route::shared, std::string_view why = {}) {
  return row(name, arity, flags, kind, keys, route, Syntax::plain, why);
}
constexpr Command row(std::string_view name, std::int32_t arity, std::uint32_t flags, Kind kind,
                      Keys keys, std::string_view why) {
  return row(name, arity, flags, kind, keys, Route::shared, Syntax::plain, why);
}

// A read of the key args[1] that L1 keeps; `unless`: not from a server that has this command.
constexpr Command kept(Reply reply, Command made) {
  made.reply = reply;
  return made;
}
constexpr Command kept(std::string_view name, std::int32_t arity, std::uint32_t flags, Reply reply,
                       std::string_view unless = {}) {
  Command made = kept(reply, row(name, arity, flags, Kind::cacheable_read, {r(1)}));
  made.unless = unless;
  return made;
}
// A read that L1 does not keep.
constexpr Command not_kept(std::string_view reason, Command made) {
  made.not_kept = reason;
  return made;
}

// With it a field of a hash ends by itself, and the event comes when it is deleted.
inline constexpr std::string_view kFieldsExpire = "hexpire";

inline constexpr std::string_view kRandom = "chosen at random";
inline constexpr std::string_view kCursor =
    "a step of an iteration, which the server's tables steer";
inline constexpr std::string_view kManyKeys =
    "depends on several keys, and an entry lies under one";
inline constexpr std::string_view kUndeclared = "depends on keys that it does not declare";
inline constexpr std::string_view kPlaces =
    "deterministic, but the same place is seldom asked for twice";
inline constexpr std::string_view kIdle = "changes with time, without an event";
inline constexpr std::string_view kEncoding =
    "shows how the server stores the value, which changes without an event";
inline constexpr std::string_view kWriteByName =
    "a write by its name and its rights, even where it only reads";

}  // namespace rows
}  // namespace tiercache::command
