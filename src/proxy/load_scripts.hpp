// What is asked of Redis where a key that it has is loaded anew: what the key is, as a short text,
// and to replace or to remove it if it still is that. Pure. Redis 7.0 (PEXPIRETIME).
#pragma once

#include <string>
#include <string_view>

namespace tiercache::proxy {

// Answered with the text, or nil where there is no key that expires.
std::string as_it_is_request(std::string_view key);
// Answered with OK, or nil where it is another.
std::string replace_request(std::string_view key, std::string_view as_it_was,
                            std::string_view value, std::string_view ttl_ms);
std::string remove_request(std::string_view key, std::string_view as_it_was);

}  // namespace tiercache::proxy
