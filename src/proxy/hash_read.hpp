// What reads of a hash say, made from one that was loaded. Pure.
//
// A loaded hash stands as Redis would show it: as the reply to HGETALL in RESP2.
#pragma once

#include "tiercache/resp/encoder.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::proxy {

struct HashRead {
  enum class Kind : std::uint8_t {
    field,   // HGET
    fields,  // HMGET
    all,     // HGETALL
    names,
    values,
    count,      // HLEN
    has_field,  // HEXISTS
    field_length,
    exists,
    misfit,  // it reads a string
  };
  Kind kind = Kind::misfit;
  std::vector<std::string> fields;  // that it names
  resp::Version version = resp::Version::resp2;
};

// Whether a source of hashes is asked where this read finds the key missing in Redis. Reads of a
// string are among them: they are refused then, as Redis refuses them where it has the hash.
bool reads_hash(std::string_view command);
// REQUIRES: reads_hash(command), and a request that Redis has not refused.
HashRead hash_read(std::string_view command, std::vector<std::string> fields,
                   resp::Version version);

// Whether the reply to a missing key is also that to a field that is missing.
bool same_if_no_field(std::string_view command);
// Whether Redis's reply to such a read is one to a missing key. `gone`: the key was not there
// before or behind it; that alone tells where same_if_no_field().
bool lacks_hash(std::string_view command, std::string_view reply, bool gone);

// The reply, from what was loaded.
std::string answer(std::string_view hash_reply, const HashRead& read);
// Where there is nothing. Empty: nil.
std::string answer_absent(const HashRead& read);

// What was loaded: names and values in turn.
std::string hash_reply(std::span<const std::string> fields);
// They again, as views of it; none if it is not such a reply, or not whole.
std::vector<std::string_view> fields_of(std::string_view hash_reply);

}  // namespace tiercache::proxy
