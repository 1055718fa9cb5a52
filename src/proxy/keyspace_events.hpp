// Keyspace events among what pub/sub brings: which channels and patterns can name them, and of
// which key an event is. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tiercache::proxy {

enum class Subscription : std::uint8_t { channel, pattern };

// Whether a subscription to it may bring keyspace events. Of a pattern it may say yes although a
// class in it matches nothing.
bool may_bring_events(Subscription kind, std::string_view name) noexcept;

// The key that such a message is about, as an event; none: it is no event's channel.
std::optional<std::string_view> key_of_event(std::string_view channel,
                                             std::string_view payload) noexcept;

// A whole frame of pub/sub, in either RESP version; the parts point into it.
struct PubsubFrame {
  enum class Kind : std::uint8_t { other, message, subscribed, unsubscribed };

  Kind kind = Kind::other;
  Subscription subscription = Subscription::channel;
  std::string_view name;  // what is or was subscribed to
  std::string_view channel;
  std::string_view payload;
};
PubsubFrame read_pubsub(std::string_view frame) noexcept;

}  // namespace tiercache::proxy
