#include "tiercache/config/http_target.hpp"

#include "text.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <variant>

namespace tiercache::config {

namespace {

struct Scheme {
  std::string_view name;
  std::string_view port;
  bool tls;
};
constexpr Scheme kSchemes[] = {{"http://", ":80", false}, {"https://", ":443", true}};

Error wrong(std::string detail) {
  return {ErrorCode::invalid, std::move(detail)};
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// What may stand in a request's target as it is. The braces of a part are not among it.
bool is_target(char c) {
  return is_unreserved(c) || std::string_view("%!$&'()*+,;=:@/?").find(c) != std::string_view::npos;
}

// What is wrong with a text that goes into a target as it is; empty: nothing.
std::string wrong_character(std::string_view text) {
  const auto bad = std::ranges::find_if_not(text, is_target);
  if (bad == text.end()) {
    return {};
  }
  const bool shows = *bad >= ' ' && *bad <= '~';
  const std::string quoted = concat({"'", std::string_view(&*bad, 1), "'"});
  return concat({"it has a ", shows ? quoted : "character", " that has to be percent-encoded"});
}

void append_encoded(std::string& out, std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : bytes) {
    if (is_unreserved(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 15U];
  }
}

// Some servers decode before they look for segments, and take a backslash for a slash.
bool has_dots(std::string_view target) {
  std::string decoded(target.substr(0, target.find('?')));
  for (const std::string_view slash : {"%2F", "%2f", "%5C", "%5c", "\\"}) {
    for (auto at = decoded.find(slash); at != decoded.npos; at = decoded.find(slash, at)) {
      decoded.replace(at, slash.size(), "/");
    }
  }
  std::string_view path = decoded;
  while (!path.empty()) {
    const auto end = path.find('/');
    const std::string_view segment = path.substr(0, end);
    if (segment == "." || segment == "..") {
      return true;
    }
    path = end == path.npos ? std::string_view() : path.substr(end + 1);
  }
  return false;
}

}  // namespace

Result<BaseUrl> parse_url(std::string_view text) {
  const auto* const scheme =
      std::ranges::find_if(kSchemes, [&](const Scheme& one) { return text.starts_with(one.name); });
  if (scheme == std::end(kSchemes)) {
    return wrong("it does not begin with http:// or https://");
  }
  const std::string_view rest = text.substr(scheme->name.size());
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  const std::string_view path = rest.substr(authority.size());
  if (authority.find('@') != authority.npos) {
    return wrong("it has a user, which is not supported");
  }
  const auto bracket = authority.rfind(']');
  const auto colon = authority.find(':', bracket == authority.npos ? 0 : bracket);
  const bool has_port = colon != authority.npos;
  auto server =
      parse_endpoint(has_port ? std::string(authority) : concat({authority, scheme->port}));
  if (!server) {
    return std::move(server).error();
  }
  if (std::string bad = wrong_character(path); !bad.empty()) {
    return wrong(std::move(bad));
  }
  BaseUrl url;
  url.server = std::move(server).value();
  url.host =
      has_port && !authority.ends_with(scheme->port) ? authority : authority.substr(0, colon);
  url.path = path.starts_with('/') ? std::string(path) : concat({"/", path});
  url.tls = scheme->tls;
  return url;
}

Result<BaseUrl> parse_base_url(std::string_view text) {
  auto url = parse_url(text);
  if (!url) {
    return url;
  }
  std::string& path = url->path;
  if (path.find('?') != path.npos) {
    return wrong("it has a '?': what is asked stands in namespace.query");
  }
  while (path.ends_with('/')) {
    path.pop_back();
  }
  return url;
}

Result<PathPattern> PathPattern::parse(std::string_view text,
                                       const std::vector<std::string>& names) {
  if (!text.starts_with('/')) {
    return wrong("it is no path, such as /users/{id}");
  }
  PathPattern pattern;
  std::string* literal = &pattern.before_;
  while (!text.empty()) {
    const std::string_view plain = text.substr(0, text.find('{'));
    if (std::string bad = wrong_character(plain); !bad.empty()) {
      return wrong(std::move(bad));
    }
    literal->append(plain);
    text.remove_prefix(plain.size());
    if (text.empty()) {
      break;
    }
    const auto end = text.find('}');
    if (end == text.npos) {
      return wrong("there is a '{' without '}'");
    }
    const std::string_view name = text.substr(1, end - 1);
    const auto known = std::ranges::find(names, name);
    if (known == names.end()) {
      return wrong(concat({"it has {", name, "}, which is no part of the key"}));
    }
    pattern.parts_.push_back({static_cast<std::size_t>(known - names.begin()), {}});
    literal = &pattern.parts_.back().after;
    text.remove_prefix(end + 1);
  }
  return pattern;
}

std::optional<std::string> PathPattern::path(std::span<const KeyPattern::Value> values) const {
  std::string path = before_;
  for (const Part& part : parts_) {
    const KeyPattern::Value& value = values[part.value];
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      path += std::to_string(*number);
    } else {
      append_encoded(path, std::get<std::string>(value));
    }
    path += part.after;
  }
  return has_dots(path) ? std::nullopt : std::optional(std::move(path));
}

}  // namespace tiercache::config
