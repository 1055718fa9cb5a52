// CACHE HOT: the keys that L1 would keep longest, for another tiercache to be warmed with.
#include "admin_impl.hpp"
#include "replies.hpp"
#include "words.hpp"

#include <chrono>

#include <boost/asio/post.hpp>

namespace tiercache::admin {

namespace {

constexpr std::uint64_t kDefault = 1000;

}  // namespace

void Admin::hot(const Request& request, proxy::Responder responder) {
  const command::Args args = request.args;
  std::uint64_t count = kDefault;
  if (args.size() != 2) {
    if (args.size() != 4 || lower_case(args[2]) != "count") {
      responder.reply(error_reply("ERR syntax error"));
      return;
    }
    const auto number = positive_number(args[3]);
    if (!number || *number > warmup::HotKeys::kMost) {
      responder.reply(error_reply("ERR value is not an integer or out of range"));
      return;
    }
    count = *number;
  }
  go_on_listing(std::make_shared<warmup::HotKeys>(parts_.hub.nodes(), request.asker.db, count),
                owed_.add(std::move(responder)));
}

void Admin::go_on_listing(std::shared_ptr<warmup::HotKeys> hot, std::uint64_t number) {
  boost::asio::post(parts_.control, [this, hot = std::move(hot), number] {
    if (!hot->step(std::chrono::steady_clock::now())) {
      go_on_listing(hot, number);
      return;
    }
    const std::vector<std::string> keys = std::move(*hot).take();
    std::string out;
    resp::append_array_header(out, keys.size());
    for (const std::string& key : keys) {
      resp::append_bulk(out, key);
    }
    owed_.reply(number, std::move(out));
  });
}

}  // namespace tiercache::admin
