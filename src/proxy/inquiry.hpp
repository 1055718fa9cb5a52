// One request of the proxy's own on a shared link whose reply is small and wanted whole. Made with
// new, sent once; it goes when it has been answered.
//
// Thread: the link's.
#pragma once

#include "tiercache/l2/link.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace tiercache::proxy {

class Inquiry final : public l2::Consumer {
 public:
  // The reply, or what an error reply would say; called once. It may destroy nothing that the link
  // needs.
  using Done = std::function<void(std::string_view reply)>;

  // Of a reply that is longer than `most` the rest is cut off.
  static void send(l2::Link& link, std::string_view request, Done done, std::size_t most = kMost) {
    const l2::ConsumerPtr inquiry(new Inquiry(std::move(done), most));
    link.send(request, *inquiry, 0);
  }

  void on_reply(std::uint64_t /*tag*/, std::string_view piece, bool last) override {
    reply_.append(piece.substr(0, most_ - std::min(most_, reply_.size())));
    if (last) {
      std::exchange(done_, {})(reply_);
    }
  }
  void on_lost(std::uint64_t /*tag*/, std::string_view why) override {
    std::string text;
    resp::append_error(text, std::string("ERR tiercache: upstream is unavailable: ").append(why));
    std::exchange(done_, {})(text);
  }

 private:
  static constexpr std::size_t kMost = 4096;

  Inquiry(Done done, std::size_t most) : done_(std::move(done)), most_(most) {
  }

  Done done_;
  const std::size_t most_;
  std::string reply_;
};

}  // namespace tiercache::proxy
