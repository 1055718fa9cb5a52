// Where a source of HTTP is, "http://127.0.0.1:8080/api" or "https://...", and what is asked of it:
// a path with the parts of a key, "/users/{id}?full=1". Parts are percent-encoded, all but letters,
// digits and
// "-._~", so none can end a segment or begin a query.
//
// Made at start, then only read: thread-safe, pure.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/config/endpoint.hpp"
#include "tiercache/config/key_pattern.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::config {

struct BaseUrl {
  Endpoint server;
  std::string host;  // for the header: without the port where it is the scheme's
  std::string path;  // of a base, what stands before each path: no '/' at its end
  bool tls = false;  // https

  bool operator==(const BaseUrl&) const = default;
};

// A whole URL, with a query or without; the path begins with '/'. The error's detail is only the
// reason.
Result<BaseUrl> parse_url(std::string_view text);
// What paths are put behind.
Result<BaseUrl> parse_base_url(std::string_view text);

class PathPattern {
 public:
  // `names`: the parts that there are. What is wrong with it is said in the error.
  static Result<PathPattern> parse(std::string_view text, const std::vector<std::string>& names);

  // Nothing if a segment would be "." or "..", which means another path. REQUIRES: as many values
  // as there were names.
  std::optional<std::string> path(std::span<const KeyPattern::Value> values) const;

 private:
  struct Part {
    std::size_t value = 0;  // its index
    std::string after;      // the text behind it
  };

  std::string before_;
  std::vector<Part> parts_;
};

}  // namespace tiercache::config
