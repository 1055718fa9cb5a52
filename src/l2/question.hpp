// A few commands to one server on a connection of their own, and what it answers: connects,
// authenticates, asks, closes. For servers that are asked now and then, so that each time shows
// anew whether they can be reached.
//
// Owned by whoever asks through a shared_ptr; one thread.
#pragma once

#include "control.hpp"

#include "tiercache/base/result.hpp"
#include "tiercache/base/time.hpp"
#include "tiercache/l2/reply.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tiercache::l2 {

struct Credentials {
  std::string user;
  std::string password;  // empty: no AUTH
};

class Question final : public std::enable_shared_from_this<Question>, private Control::User {
 public:
  using Commands = std::vector<std::vector<std::string>>;
  // One reply for each command, error replies included; an error if they did not all come.
  using Done = std::function<void(Result<std::vector<Reply>>)>;

  // `done` is called once, later, unless cancelled before. `limit`: for all of it.
  static std::shared_ptr<Question> ask(boost::asio::io_context& io,
                                       const config::Endpoint& endpoint,
                                       const Credentials& credentials, Commands commands,
                                       Duration limit, Done done);
  void cancel();

  Question(boost::asio::io_context& io, const config::Endpoint& endpoint,
           const Credentials& credentials, Commands commands, Done done);

 private:
  void on_control_up() override;
  void on_control_down(const std::string& why) override;
  void on_reply(Result<Reply> reply);
  void finish(Result<std::vector<Reply>> result);

  boost::asio::io_context& io_;
  const config::Endpoint endpoint_;
  const Credentials credentials_;
  const Commands commands_;
  Done done_;
  std::shared_ptr<Control> control_;
  std::vector<Reply> replies_;
};

}  // namespace tiercache::l2
