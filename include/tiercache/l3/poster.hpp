// Posts to one URL of HTTP, one body after the other, on a thread of its own.
//
// Thread-safe. Destroyed by whoever made it; that waits for what is under way, the time-out at
// most, and calls no `done` any more.
#pragma once

#include "tiercache/base/result.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace tiercache::l3 {

struct PosterConfig {
  std::string url;           // http:// or https://, what parse_url takes
  std::string content_type;  // of all bodies
  std::chrono::milliseconds timeout{1000};
};

class Poster {
 public:
  // Called on the poster's thread. No error: the server has answered with a status of 2xx. After an
  // error it may have taken the body all the same, and it may have got it twice.
  using Done = std::function<void(Status)>;

  virtual ~Poster() = default;
  // REQUIRES: what was posted before is done.
  virtual void post(std::string body, Done done) = 0;
};

std::unique_ptr<Poster> make_poster(PosterConfig config);

}  // namespace tiercache::l3
