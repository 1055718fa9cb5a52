#include "load_scripts.hpp"

#include "tiercache/resp/encoder.hpp"

namespace tiercache::proxy {

namespace {

// A string is told by its length and its beginning: large ones must not keep Redis busy. A hash is
// told by all that it has, since a field may be changed anywhere, unless it has very many.
#define TC_STRING_IS                                                                  \
  "local k=KEYS[1] local e=redis.call('PEXPIRETIME',k) if e<0 then return false end " \
  "local is=string.format('%d:%d:%s',e,redis.call('STRLEN',k),"                       \
  "redis.sha1hex(redis.call('GETRANGE',k,0,65535))) "
#define TC_HASH_IS                                                                    \
  "local k=KEYS[1] local e=redis.call('PEXPIRETIME',k) if e<0 then return false end " \
  "local n=redis.call('HLEN',k) if n>20000 then return false end "                    \
  "local is=string.format('%d:%d:%s',e,n,"                                            \
  "redis.sha1hex(cmsgpack.pack(redis.call('HGETALL',k)))) "
#define TC_IF_IT_STILL_IS "if is~=ARGV[1] then return false end "
#define TC_REMOVE "redis.call('UNLINK',k) return redis.status_reply('OK')"
// Lua takes so many arguments at once.
#define TC_PUT_HASH(FIRST)                                                        \
  "for i=" FIRST                                                                  \
  ",#ARGV,1000 do redis.call('HSET',k,unpack(ARGV,i,math.min(i+999,#ARGV))) end " \
  "if ttl~='0' then redis.call('PEXPIRE',k,ttl) end return redis.status_reply('OK')"

constexpr std::string_view kStringIs = TC_STRING_IS "return is";
constexpr std::string_view kHashIs = TC_HASH_IS "return is";
constexpr std::string_view kReplaceString =
    TC_STRING_IS TC_IF_IT_STILL_IS "return redis.call('SET',k,ARGV[2],'PX',ARGV[3])";
constexpr std::string_view kReplaceHash =
    TC_HASH_IS TC_IF_IT_STILL_IS "local ttl=ARGV[2] redis.call('UNLINK',k) " TC_PUT_HASH("3");
constexpr std::string_view kRemoveString = TC_STRING_IS TC_IF_IT_STILL_IS TC_REMOVE;
constexpr std::string_view kRemoveHash = TC_HASH_IS TC_IF_IT_STILL_IS TC_REMOVE;
constexpr std::string_view kAddHash =
    "local k,ttl=KEYS[1],ARGV[1] if redis.call('EXISTS',k)==1 then return false end " TC_PUT_HASH(
        "2");

#undef TC_STRING_IS
#undef TC_HASH_IS
#undef TC_IF_IT_STILL_IS
#undef TC_REMOVE
#undef TC_PUT_HASH

std::string request_of(std::vector<std::string_view> words,
                       std::span<const std::string_view> fields = {}) {
  words.insert(words.end(), fields.begin(), fields.end());
  std::string request;
  resp::append_request(request, words);
  return request;
}

}  // namespace

std::string as_it_is_request(LoadResult type, std::string_view key) {
  return request_of({"EVAL", type == LoadResult::hash ? kHashIs : kStringIs, "1", key});
}

std::string replace_request(std::string_view key, std::string_view as_it_was,
                            std::string_view value, std::string_view ttl_ms) {
  return request_of({"EVAL", kReplaceString, "1", key, as_it_was, value, ttl_ms});
}

std::string replace_hash_request(std::string_view key, std::string_view as_it_was,
                                 std::span<const std::string_view> fields,
                                 std::string_view ttl_ms) {
  return request_of({"EVAL", kReplaceHash, "1", key, as_it_was, ttl_ms}, fields);
}

std::string add_hash_request(std::string_view key, std::span<const std::string_view> fields,
                             std::string_view ttl_ms) {
  return request_of({"EVAL", kAddHash, "1", key, ttl_ms}, fields);
}

std::string remove_request(LoadResult type, std::string_view key, std::string_view as_it_was) {
  return request_of(
      {"EVAL", type == LoadResult::hash ? kRemoveHash : kRemoveString, "1", key, as_it_was});
}

}  // namespace tiercache::proxy
