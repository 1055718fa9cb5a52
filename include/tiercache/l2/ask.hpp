// A few commands to one server of any kind, on a connection of their own that is closed again.
//
// One thread, the loop's.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/config/endpoint.hpp"
#include "tiercache/l2/reply.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace tiercache::l2 {

// Ends with it: nothing is called any more then.
class Asking {
 public:
  Asking() = default;
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;
  virtual ~Asking() = default;
};

struct Asked {
  config::Endpoint server;
  std::string user;
  std::string password;  // empty: nobody logs in
  std::vector<std::vector<std::string>> commands;
  Duration limit{};  // for all of it
};

// `done` is called once, later: one reply for each command, error replies included, or an error:
// `unavailable` if they did not all come, `refused` if the login was.
std::unique_ptr<Asking> ask(boost::asio::io_context& io, Asked asked,
                            std::function<void(Result<std::vector<Reply>>)> done);

}  // namespace tiercache::l2
