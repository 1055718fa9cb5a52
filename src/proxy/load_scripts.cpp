#include "load_scripts.hpp"

#include "tiercache/resp/encoder.hpp"

namespace tiercache::proxy {

namespace {

// A value is told by its length and its beginning: large ones must not keep Redis busy.
#define TC_AS_IT_IS                                                                   \
  "local k=KEYS[1] local e=redis.call('PEXPIRETIME',k) if e<0 then return false end " \
  "local is=string.format('%d:%d:%s',e,redis.call('STRLEN',k),"                       \
  "redis.sha1hex(redis.call('GETRANGE',k,0,65535))) "

constexpr std::string_view kAsItIs = TC_AS_IT_IS "return is";
constexpr std::string_view kReplace = TC_AS_IT_IS
    "if is~=ARGV[1] then return false end return redis.call('SET',k,ARGV[2],'PX',ARGV[3])";
constexpr std::string_view kRemove = TC_AS_IT_IS
    "if is~=ARGV[1] then return false end redis.call('UNLINK',k) return redis.status_reply('OK')";

#undef TC_AS_IT_IS

}  // namespace

std::string as_it_is_request(std::string_view key) {
  std::string request;
  resp::append_request(request, {"EVAL", kAsItIs, "1", key});
  return request;
}

std::string replace_request(std::string_view key, std::string_view as_it_was,
                            std::string_view value, std::string_view ttl_ms) {
  std::string request;
  resp::append_request(request, {"EVAL", kReplace, "1", key, as_it_was, value, ttl_ms});
  return request;
}

std::string remove_request(std::string_view key, std::string_view as_it_was) {
  std::string request;
  resp::append_request(request, {"EVAL", kRemove, "1", key, as_it_was});
  return request;
}

}  // namespace tiercache::proxy
