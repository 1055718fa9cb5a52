#include "tiercache/invalidation/notice.hpp"

#include "tiercache/base/utf8.hpp"

#include <array>
#include <string_view>

#include <boost/json.hpp>

namespace tiercache::invalidation {

namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 4> kKinds = {"command", "notify", "event", "lost"};
constexpr std::array<std::string_view, 5> kScopes = {"key", "prefix", "namespace", "tag", "all"};

json::string_view text(std::string_view view) {
  return {view.data(), view.size()};
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; i++) {
      group =
          group << 8U | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; i++) {
      out += at + i <= bytes.size() ? kDigits[group >> (18U - 6U * i) & 63U] : '=';
    }
  }
  return out;
}

void add_text(json::object& object, std::string_view name, std::string_view bytes) {
  if (is_utf8(bytes)) {
    object[text(name)] = text(bytes);
  } else {
    object[text(std::string(name) + "_base64")] = text(base64(bytes));
  }
}

json::object object_of(const Notice& notice) {
  json::object object;
  object["id"] = notice.id;
  object["at"] = notice.at;
  object["kind"] = text(kKinds[static_cast<std::size_t>(notice.kind)]);
  object["scope"] = text(kScopes[static_cast<std::size_t>(notice.scope)]);
  if (notice.kind == Notice::Kind::lost) {
    object["lost"] = notice.lost;
    return object;
  }
  if (notice.scope == Notice::Scope::tag) {
    add_text(object, "name", notice.name);
  }
  if (notice.scope != Notice::Scope::all) {
    add_text(object, "value", notice.value);
  }
  if (notice.db) {
    object["db"] = *notice.db;
  } else {
    object["db"] = nullptr;
  }
  object["soft"] = notice.soft;
  return object;
}

}  // namespace

std::string to_json(const Notice& notice) {
  return json::serialize(object_of(notice));
}

std::string to_json(std::span<const Notice> notices) {
  json::array array;
  for (const Notice& notice : notices) {
    array.push_back(object_of(notice));
  }
  return json::serialize(array);
}

}  // namespace tiercache::invalidation
