// What is asked of Redis where a key that it has is loaded anew: what the key is, as a short text,
// and to replace or to remove it if it still is that; and how a hash is put there if the key is
// missing. Pure. Redis 7.0 (PEXPIRETIME).
#pragma once

#include "tiercache/config/config.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::proxy {

using config::LoadResult;

// Answered with the text, or nil where there is no key that expires.
std::string as_it_is_request(LoadResult type, std::string_view key);
// Answered with OK, or nil where it is another.
std::string replace_request(std::string_view key, std::string_view as_it_was,
                            std::string_view value, std::string_view ttl_ms);
// `fields`: each name, and its value behind it.
std::string replace_hash_request(std::string_view key, std::string_view as_it_was,
                                 std::span<const std::string_view> fields, std::string_view ttl_ms);
std::string remove_request(LoadResult type, std::string_view key, std::string_view as_it_was);
// Answered with OK, or nil where there is a key already. "0": it is to have no TTL.
std::string add_hash_request(std::string_view key, std::span<const std::string_view> fields,
                             std::string_view ttl_ms);

}  // namespace tiercache::proxy
