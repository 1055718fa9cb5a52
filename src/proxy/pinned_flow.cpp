#include "pinned_flow.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/base/words.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace tiercache::proxy {

namespace {

using command::Args;
using command::Command;
using command::Route;

// "*3\r\n$9\r\nsubscribe\r\n...": the first element of an array or push, if it is a bulk string.
std::string_view first_element(std::string_view head) {
  if (head.empty() || (head[0] != '*' && head[0] != '>')) {
    return {};
  }
  const std::size_t line = head.find("\r\n");
  if (line == std::string_view::npos || line + 2 >= head.size() || head[line + 2] != '$') {
    return {};
  }
  head.remove_prefix(line + 3);
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(head.data(), head.data() + head.size(), size);
  const auto digits = static_cast<std::size_t>(end - head.data());
  if (error != std::errc() || head.size() < digits + 2 || head.size() - digits - 2 < size) {
    return {};
  }
  return head.substr(digits + 2, size);
}

// The integer that ends a confirmation.
std::uint64_t last_integer(std::string_view tail) {
  const std::size_t colon = tail.rfind(':');
  std::uint64_t value = 0;
  if (colon != std::string_view::npos) {
    std::from_chars(tail.data() + colon + 1, tail.data() + tail.size(), value);
  }
  return value;
}

// A replica's words, which Redis takes without an answer from anybody.
bool unanswered(const Command* command, Args args) {
  return command != nullptr && command->name == "replconf" && args.size() > 1 &&
         (is_word(args[1], "ack") || is_word(args[1], "getack"));
}

bool is_error(std::string_view head) {
  return head.starts_with('-') || head.starts_with('!');
}

}  // namespace

PinnedFlow::Pending PinnedFlow::classify(const Command* command, Route route, Args args) {
  Pending pending;
  if (command == nullptr) {
    return pending;
  }
  const std::string_view name = command->name;
  const auto is = [&](std::string_view word) {
    return name == word;
  };
  if (route == Route::blocking) {
    pending.verb = Verb::blocking;
  } else if (is("multi")) {
    pending.verb = Verb::multi;
  } else if (is("exec")) {
    pending.verb = Verb::exec;
  } else if (is("discard")) {
    pending.verb = Verb::discard;
  } else if (is("watch")) {
    pending.verb = Verb::watch;
  } else if (is("unwatch")) {
    pending.verb = Verb::unwatch;
  } else if (is("subscribe") || is("psubscribe") || is("ssubscribe")) {
    pending.verb = Verb::subscribe;
    pending.frames = args.size() - 1;
  } else if (is("unsubscribe") || is("punsubscribe") || is("sunsubscribe")) {
    pending.verb = Verb::unsubscribe;
    pending.frames = args.size() - 1;
  } else if (is("monitor")) {
    pending.verb = Verb::monitor;
  } else if (is("reset")) {
    pending.verb = Verb::reset;
  } else if (is("client|tracking")) {
    pending.verb = is_word(args[2], "off") ? Verb::tracking_off : Verb::tracking_on;
  } else if (is("select")) {
    const auto db = parse_integer(args[1]);
    pending.verb = Verb::select;
    pending.value = db && *db >= 0 && *db <= INT32_MAX ? static_cast<std::uint32_t>(*db) : 0;
  } else if (is("hello")) {
    pending.verb = Verb::hello;
    const auto version = args.size() > 1 ? parse_integer(args[1]) : std::nullopt;
    pending.value =
        version && (*version == 2 || *version == 3) ? static_cast<std::uint32_t>(*version) : 0;
    const auto auth = std::ranges::find_if(args, [](auto word) { return is_word(word, "auth"); });
    pending.auth = args.end() - auth > 2;
    if (pending.auth) {
      pending.user = auth[1];
    }
  } else if (is("auth")) {
    pending.verb = Verb::auth;
    pending.auth = true;
    pending.user = args.size() > 2 ? args[1] : std::string_view("default");
  } else if (is("sync") || is("psync")) {
    pending.verb = Verb::stream;
  } else if (route == Route::stateful && !is("client|getredir") && !is("client|trackinginfo") &&
             !is("client|caching") && !is("client|reply")) {
    pending.verb = Verb::sticky;
  }
  if (is("psubscribe") || is("punsubscribe")) {
    pending.topic = Topic::pattern;
  } else if (is("ssubscribe") || is("sunsubscribe")) {
    pending.topic = Topic::shard;
  }
  return pending;
}

PinnedFlow::Sent PinnedFlow::on_request(const Command* command, Route route, Args args,
                                        std::uint64_t op) {
  Sent sent;
  Pending pending = classify(command, route, args);
  pending.op = op;
  pending.number = ++number_;
  if (!in_multi_) {
    queued_ = 0;
  }
  const bool skipped = skip_next_;
  skip_next_ = false;
  sent.answered = !silent_ && !skipped && !streaming_ && !unanswered(command, args);

  switch (pending.verb) {
    case Verb::multi:
      in_multi_ = true;
      break;
    case Verb::exec:
      sent.exec = in_multi_;
      in_multi_ = false;
      break;
    case Verb::discard:
      sent.discard = in_multi_;
      in_multi_ = false;
      break;
    case Verb::reset:  // not queued, and always answered
      sent.discard = in_multi_;
      in_multi_ = false;
      silent_ = false;
      sent.answered = true;
      sent.settles = true;
      break;
    case Verb::watch:
      break;
    default:
      sent.queued = in_multi_;
      break;
  }
  if (sent.queued) {
    queued_++;
    // What it leaves behind shows only with EXEC, whose reply is not taken apart. SELECT is
    // repeated by the session afterwards.
    sticky_ = sticky_ || (pending.verb != Verb::plain && pending.verb != Verb::blocking &&
                          pending.verb != Verb::select && pending.verb != Verb::unwatch);
    if (command != nullptr && command->name == "client|reply") {
      sticky_ = true;
    }
    pending.queued = true;
    pending.meant = std::exchange(pending.verb, Verb::plain);
  } else if (command != nullptr && command->name == "client|reply" && args.size() == 3) {
    if (is_word(args[2], "on")) {
      silent_ = false;
      sent.answered = true;
    } else if (is_word(args[2], "off")) {
      silent_ = true;
      sent.answered = false;
    } else if (is_word(args[2], "skip")) {
      skip_next_ = !silent_;
      sent.answered = false;
    }
  }
  if (pending.verb == Verb::sticky) {
    tainted_ = sticky_ = true;
  }
  if (pending.verb == Verb::stream) {
    streaming_ = true;
    sent.answered = false;
  }
  if (pending.verb == Verb::select || pending.verb == Verb::hello) {
    sent.settles = true;
  }
  if (sent.answered) {
    pending_.push_back(pending);
  } else {
    last_silent_ = number_;
    // Nobody will say whether it worked. From here on only Redis knows the state.
    if (pending.verb != Verb::plain && pending.verb != Verb::blocking) {
      tainted_ = sticky_ = true;
      if (pending.verb == Verb::select && pending.value != db_) {
        db_ = pending.value;
      }
      if (pending.verb == Verb::multi) {
        multi_ = true;
      } else if (pending.verb == Verb::exec || pending.verb == Verb::discard) {
        multi_ = false;
      }
    }
    sent.settles = false;
  }
  return sent;
}

PinnedFlow::PubSub PinnedFlow::pubsub_of(std::string_view head) {
  std::string_view word = first_element(head);
  PubSub what;
  if (word.starts_with('p')) {
    what.topic = Topic::pattern;
    word.remove_prefix(1);
  } else if (word.starts_with("ss") || word.starts_with("sun") || word.starts_with("sm")) {
    what.topic = Topic::shard;
    word.remove_prefix(1);
  }
  what.message = word == "message";
  what.adds = word == "subscribe";
  what.is = what.message || what.adds || word == "unsubscribe";
  return what;
}

// Whether such a frame is what the oldest request waits for.
bool PinnedFlow::confirms(const PubSub& what, bool push) const noexcept {
  if (pending_.empty() || !what.is || what.message) {
    return false;
  }
  const Pending& oldest = pending_.front();
  const Verb wanted = what.adds ? Verb::subscribe : Verb::unsubscribe;
  return oldest.verb == wanted && oldest.topic == what.topic &&
         (push || version_ == resp::Version::resp2);
}

PinnedFlow::Frame PinnedFlow::on_frame(std::string_view head, bool push) {
  if (!pending_.empty() && pending_.front().queued && !multi_ && !head.starts_with("+QUEUED")) {
    // MULTI was refused, so it has run.
    pending_.front().queued = false;
    pending_.front().verb = pending_.front().meant;
  }
  frame_pubsub_ = pubsub_of(head);
  frame_confirms_ = confirms(frame_pubsub_, push);
  if (!push && !frame_confirms_) {
    // In RESP2 a subscriber may send nothing that is answered with such an array.
    const bool subscribed =
        subscriptions() > 0 || (!pending_.empty() && pending_.front().verb == Verb::subscribe);
    if (frame_pubsub_.is && version_ == resp::Version::resp2 && subscribed) {
      push = true;
    }
    // "+1700000000.123456 [0 127.0.0.1:1] ...": no reply looks like that.
    const bool line =
        monitoring_ && head.size() > 1 && head[0] == '+' && head[1] >= '0' && head[1] <= '9';
    push = push || line;
  }
  frame_answers_ = !pending_.empty() && (frame_confirms_ || !push);
  if (frame_answers_ && !frame_confirms_) {
    frame_pubsub_.is = false;
  }
  const bool shown = frame_pubsub_.is && frame_pubsub_.topic != Topic::shard;
  const PubSubFrame kind = !shown                  ? PubSubFrame::none
                           : frame_pubsub_.message ? PubSubFrame::message
                                                   : PubSubFrame::confirmation;
  frame_pubsub_.is = frame_pubsub_.is && !frame_pubsub_.message;
  return {frame_answers_, frame_answers_ ? pending_.front().op : 0, kind};
}

void PinnedFlow::count(const PubSub& what, std::string_view tail) noexcept {
  const std::uint64_t total = last_integer(tail);
  auto& channels = counts_[0];
  auto& patterns = counts_[1];
  switch (what.topic) {
    case Topic::channel:
      channels = total > patterns ? total - patterns : 0;
      break;
    case Topic::pattern:
      patterns = total > channels ? total - channels : 0;
      break;
    case Topic::shard:
      counts_[2] = total;
      break;
  }
}

bool PinnedFlow::on_frame_end(std::string_view head, std::string_view tail) {
  std::uint64_t left = 0;
  if (frame_confirms_) {
    Pending& oldest = pending_.front();
    if (oldest.frames == 0) {
      // Without channels: one frame for each, and one if there is none.
      oldest.frames = std::max<std::uint64_t>(1, counts_[static_cast<std::size_t>(oldest.topic)]);
    }
    left = --oldest.frames;
  }
  if (frame_pubsub_.is) {
    count(frame_pubsub_, tail);
  }
  if (!frame_answers_ || left > 0) {
    return false;
  }
  const Pending pending = pending_.front();
  pending_.pop_front();
  last_answered_ = pending.number;
  settle(pending, head);
  if (pending_.empty()) {
    in_multi_ = multi_;
  }
  return true;
}

void PinnedFlow::settle(const Pending& pending, std::string_view head) {
  const bool ok = !is_error(head);
  switch (pending.verb) {
    case Verb::multi:
      multi_ = multi_ || ok;
      break;
    case Verb::exec:
    case Verb::discard:
      // Without MULTI it is an error and nothing changes.
      if (multi_) {
        multi_ = watching_ = false;
      }
      break;
    case Verb::watch:
      watching_ = watching_ || head.starts_with("+OK");
      break;
    case Verb::unwatch:
      watching_ = watching_ && !ok;
      break;
    case Verb::monitor:
      monitoring_ = monitoring_ || ok;
      tainted_ = true;
      break;
    case Verb::reset:
      if (ok) {
        reset_state();
      }
      break;
    case Verb::tracking_on:
      tracking_ = tracking_ || ok;
      break;
    case Verb::tracking_off:
      tracking_ = tracking_ && !ok;
      break;
    case Verb::select:
      if (ok) {
        db_ = pending.value;
      }
      break;
    case Verb::hello:
      if (ok) {
        version_ =
            pending.value == 0 ? version_ : resp::Version{static_cast<std::uint8_t>(pending.value)};
      }
      [[fallthrough]];
    case Verb::auth:
      if (ok && pending.auth) {
        tainted_ = sticky_ = true;
        login_ = pending.user;
      }
      break;
    case Verb::plain:
    case Verb::subscribe:
    case Verb::unsubscribe:
    case Verb::sticky:
    case Verb::stream:
    case Verb::blocking:
      break;
  }
}

void PinnedFlow::reset_state() noexcept {
  multi_ = watching_ = monitoring_ = tracking_ = sticky_ = false;
  counts_ = {};
  db_ = 0;
  version_ = resp::Version::resp2;
  // The connection now belongs to Redis's default user, whoever the proxy was there.
  tainted_ = was_reset_ = true;
  login_.clear();
}

bool PinnedFlow::clean() const noexcept {
  return pending_.empty() && !has_state() && !in_multi_ && !silent_ && !skip_next_ &&
         last_silent_ <= last_answered_;
}

bool PinnedFlow::endless() const noexcept {
  return monitoring_ || streaming_ || subscriptions() > 0 ||
         std::ranges::any_of(pending_, [](const Pending& p) { return p.verb == Verb::blocking; });
}

bool PinnedFlow::subscribing() const noexcept {
  return std::ranges::any_of(pending_, [](const Pending& p) {
    return p.verb == Verb::subscribe || p.verb == Verb::unsubscribe;
  });
}

bool PinnedFlow::has_state() const noexcept {
  return multi_ || watching_ || monitoring_ || tracking_ || sticky_ || streaming_ ||
         subscriptions() > 0;
}

}  // namespace tiercache::proxy
