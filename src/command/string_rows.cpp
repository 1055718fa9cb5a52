// Strings, keys of any type, bitmaps, HyperLogLog.
// Each: name, arity, flags, kind, keys, route, syntax, why.
#include "rows.hpp"

namespace tiercache::command {
namespace {

using namespace rows;

constexpr Command kRows[] = {
    row("append", 3, kWrite | kDenyoom | kFast, Kind::write, {w(1)}),
    kept("bitcount", -2, kReadonly, Reply::alike),
    not_kept(kWriteByName, row("bitfield", -2, kWrite | kDenyoom, Kind::write, {}, Route::shared,
                               Syntax::bitfield, "a read if it only gets")),
    kept("bitfield_ro", -2, kReadonly | kFast, Reply::by_version),
    row("bitop", -4, kWrite | kDenyoom, Kind::write, {w(2), r(3, -1)}),
    kept("bitpos", -3, kReadonly, Reply::alike),
    row("copy", -3, kWrite | kDenyoom, Kind::write, {}, Route::shared, Syntax::copy,
        "the destination can lie in another db"),
    row("decr", 2, kWrite | kDenyoom | kFast, Kind::write, {w(1)}),
    row("decrby", 3, kWrite | kDenyoom | kFast, Kind::write, {w(1)}),
    row("del", -2, kWrite, Kind::write, {w(1, -1)}),
    not_kept(kEncoding, row("dump", 2, kReadonly, Kind::read, {r(1)})),
    kept(Reply::alike, row("exists", -2, kReadonly | kFast, Kind::cacheable_read, {r(1, -1)},
                           Route::shared, Syntax::exists)),
    row("expire", -3, kWrite | kFast, Kind::write, {w(1)}),
    row("expireat", -3, kWrite | kFast, Kind::write, {w(1)}),
    kept("expiretime", 2, kReadonly | kFast, Reply::alike),
    kept("get", 2, kReadonly | kFast, Reply::alike),
    kept("getbit", 3, kReadonly | kFast, Reply::alike),
    row("getdel", 2, kWrite | kFast, Kind::write, {w(1)}),
    not_kept(kWriteByName, row("getex", -2, kWrite | kFast, Kind::write, {}, Route::shared,
                               Syntax::getex, "a read without options")),
    kept("getrange", 4, kReadonly, Reply::alike),
    row("getset", 3, kWrite | kDenyoom | kFast, Kind::write, {w(1)}),
    row("incr", 2, kWrite | kDenyoom | kFast, Kind::write, {w(1)}),
    row("incrby", 3, kWrite | kDenyoom | kFast, Kind::write, {w(1)}),
    row("incrbyfloat", 3, kWrite | kDenyoom | kFast, Kind::write, {w(1)}),
    row("keys", 2, kReadonly, Kind::none, {}, "names keys, shows no values"),
    not_kept(kManyKeys, row("lcs", -3, kReadonly, Kind::read, {r(1, 2)})),
    row("mget", -2, kReadonly | kFast, Kind::multi_read, {r(1, -1)}),
    row("migrate", -6, kWrite | kMovablekeys, Kind::write, {}, Route::shared, Syntax::migrate,
        "deletes the keys unless COPY is given; counted as a write either way"),
    row("move", 3, kWrite | kFast, Kind::write, {}, Route::shared, Syntax::move,
        "the key changes in both dbs"),
    row("mset", -3, kWrite | kDenyoom, Kind::write, {w(1, -1, 2)}, Route::shared, Syntax::pairs),
    row("msetnx", -3, kWrite | kDenyoom, Kind::write, {w(1, -1, 2)}, Route::shared, Syntax::pairs),
    row("object", -2, 0, Kind::none),
    not_kept(kEncoding, row("object|encoding", 3, kReadonly, Kind::read, {r(2)})),
    not_kept(kIdle, row("object|freq", 3, kReadonly, Kind::read, {r(2)})),
    row("object|help", 2, kLoading | kStale, Kind::none),
    not_kept(kIdle, row("object|idletime", 3, kReadonly, Kind::read, {r(2)})),
    not_kept(kEncoding, row("object|refcount", 3, kReadonly, Kind::read, {r(2)})),
    row("persist", 2, kWrite | kFast, Kind::write, {w(1)}),
    row("pexpire", -3, kWrite | kFast, Kind::write, {w(1)}),
    row("pexpireat", -3, kWrite | kFast, Kind::write, {w(1)}),
    kept("pexpiretime", 2, kReadonly | kFast, Reply::alike),
    row("pfadd", -2, kWrite | kDenyoom | kFast, Kind::write, {w(1)}),
    not_kept("a write under the name of a read",
             row("pfcount", -2, kReadonly, Kind::write, {w(1), r(2, -1)},
                 "stores the cardinality it computes in the key")),
    row("pfdebug", 3, kWrite | kDenyoom | kAdmin, Kind::write, {w(2)},
        "TODENSE changes the encoding and raises no event"),
    row("pfmerge", -2, kWrite | kDenyoom, Kind::write, {w(1), r(2, -1)}),
    row("pfselftest", 1, kAdmin, Kind::none),
    row("psetex", 4, kWrite | kDenyoom, Kind::write, {w(1)}),
    row("pttl", 2, kReadonly | kFast, Kind::ttl_read, {r(1)}),
    row("randomkey", 1, kReadonly, Kind::none, {}, "names keys, shows no values"),
    row("rename", 3, kWrite, Kind::write, {w(1), w(2)}),
    row("renamenx", 3, kWrite | kFast, Kind::write, {w(1), w(2)}),
    row("restore", -4, kWrite | kDenyoom, Kind::write, {w(1)}),
    row("restore-asking", -4, kWrite | kDenyoom | kAsking, Kind::write, {w(1)}),
    row("scan", -2, kReadonly, Kind::none, {}, "names keys, shows no values"),
    row("set", -3, kWrite | kDenyoom, Kind::write, {w(1)}),
    row("setbit", 4, kWrite | kDenyoom, Kind::write, {w(1)}),
    row("setex", 4, kWrite | kDenyoom, Kind::write, {w(1)}),
    row("setnx", 3, kWrite | kDenyoom | kFast, Kind::write, {w(1)}),
    row("setrange", 4, kWrite | kDenyoom, Kind::write, {w(1)}),
    not_kept(kUndeclared,
             row("sort", -2, kWrite | kDenyoom | kMovablekeys, Kind::write, {r(1)}, Route::shared,
                 Syntax::sort,
                 "a write with STORE; keys of BY and GET patterns are not declared; may change "
                 "the encoding of a sorted set, which only DUMP and OBJECT show")),
    not_kept(kUndeclared, row("sort_ro", -2, kReadonly | kMovablekeys, Kind::read, {r(1)},
                              "keys of BY and GET patterns are not declared")),
    kept("strlen", 2, kReadonly | kFast, Reply::alike),
    kept("substr", 4, kReadonly, Reply::alike),
    not_kept("it is sent for what it does at the server",
             row("touch", -2, kReadonly | kFast, Kind::read, {r(1, -1)},
                 "changes nothing but the clock of the eviction policy")),
    row("ttl", 2, kReadonly | kFast, Kind::ttl_read, {r(1)}),
    kept("type", 2, kReadonly | kFast, Reply::alike),
    row("unlink", -2, kWrite | kFast, Kind::write, {w(1, -1)}),
};

}  // namespace

std::span<const Command> string_rows() {
  return kRows;
}

}  // namespace tiercache::command
