// A connection to one sentinel that hears of `+switch-master`. It comes back by itself when it is
// lost; what it misses meanwhile is nobody's loss, since nothing rests on it.
//
// Owned by the sentinel topology through a shared_ptr; one thread.
#pragma once

#include "hiredis_adapter.hpp"
#include "question.hpp"
#include "wire.hpp"

#include "tiercache/resp/reply_scanner.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/steady_timer.hpp>

namespace tiercache::l2 {

class SwitchWatch final : public std::enable_shared_from_this<SwitchWatch>, private Wire::User {
 public:
  // Called with the payload of each message.
  using OnSwitch = std::function<void(std::string_view payload)>;

  SwitchWatch(boost::asio::io_context& io, const config::Endpoint& endpoint,
              const Credentials& credentials, Duration limit, OnSwitch on_switch);
  void start();
  // For good; nothing is called any more.
  void stop();

 private:
  void on_up() override;
  std::size_t on_bytes(std::string_view bytes) override;
  void on_down(const std::string& why) override;
  bool on_frame();

  boost::asio::io_context& io_;
  const config::Endpoint endpoint_;
  const Credentials credentials_;
  const Duration limit_;
  OnSwitch on_switch_;
  std::shared_ptr<Wire> wire_;
  boost::asio::steady_timer retry_;
  resp::ReplyScanner scanner_;
  std::string frame_;
};

}  // namespace tiercache::l2
