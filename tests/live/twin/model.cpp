#include "model.hpp"

#include "tiercache/command/table.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

namespace tiercache::twin {
namespace {

using testing::Value;

struct Topic {
  std::size_t which = 0;
  bool adds = false;
};

std::optional<Topic> topic_of(std::string_view name) {
  static constexpr std::string_view kAdds[] = {"subscribe", "psubscribe", "ssubscribe"};
  static constexpr std::string_view kDrops[] = {"unsubscribe", "punsubscribe", "sunsubscribe"};
  for (std::size_t i = 0; i < 3; ++i) {
    if (name == kAdds[i] || name == kDrops[i]) {
      return Topic{i, name == kAdds[i]};
    }
  }
  return std::nullopt;
}

std::string upper(std::string word) {
  std::ranges::transform(word, word.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return word;
}

// These change how the next replies are read, and without their own reply nobody knows whether they
// did.
bool needs_its_reply(std::string_view name) {
  static constexpr std::string_view kNames[] = {"multi", "exec", "discard", "reset",
                                                "hello", "quit", "auth",    "client|tracking"};
  return topic_of(name) || std::ranges::find(kNames, name) != std::end(kNames);
}

}  // namespace

std::string name_of(const Words& words) {
  const std::vector<std::string_view> views(words.begin(), words.end());
  const command::Command* const command = command::Table::builtin()->find(views);
  return command == nullptr ? std::string() : std::string(command->name);
}

bool Reading::is_message(const Value& frame) const {
  if (frame.type == Value::Type::push) {
    return !subscribes || frame.items.empty() || !topic_of(frame.items[0].text);
  }
  if (!resp2_subscriber || frame.type != Value::Type::array || frame.items.empty()) {
    return false;
  }
  const std::string& kind = frame.items[0].text;
  return kind == "message" || kind == "pmessage" || kind == "smessage";
}

bool Model::allows(const Words& words) const {
  const std::string name = name_of(words);
  // To itself: Redis 7.0 writes the message, in RESP3, between EXEC's reply's header and its
  // elements.
  const bool torn =
      multi_ && version_ == 3 && subscriptions() > 0 && (name == "publish" || name == "spublish");
  return !torn && !(multi_ && is_not_in_multi(name)) && !(silent() && needs_its_reply(name));
}

Reading Model::on_request(const Words& words) {
  words_ = words;
  name_ = name_of(words);
  awaited_ = 1;
  first_ = true;
  Reading reading;
  reading.compare = compare_of(name_, words);
  reading.subscribes = topic_of(name_).has_value();
  reading.resp2_subscriber = version_ == 2 && subscriptions() > 0;
  if (name_ == "exec" && multi_) {
    reading.exec = queue_;
  }
  const bool was_silent = silent();
  skip_ = false;
  if (name_ == "client|reply" && words.size() == 3 && !reading.resp2_subscriber) {
    const std::string how = upper(words[2]);
    off_ = how == "OFF" || (off_ && how != "ON");
    skip_ = how == "SKIP" && !off_;
    awaited_ = how == "ON" ? 1 : 0;
  } else if (was_silent) {
    awaited_ = 0;
  }
  return reading;
}

void Model::on_reply(const Value& reply) {
  --awaited_;
  const auto topic = topic_of(name_);
  if (reply.is_error()) {
    awaited_ = 0;
    multi_ = multi_ && name_ != "exec";
    return;
  }
  if (multi_ && reply.type == Value::Type::simple && reply.text == "QUEUED") {
    queue_.push_back({name_, words_, compare_of(name_, words_)});
    return;
  }
  if (topic) {
    std::set<std::string>& names = topics_[topic->which];
    if (first_) {
      awaited_ =
          (words_.size() > 1 ? words_.size() - 1 : std::max<std::size_t>(names.size(), 1)) - 1;
    }
    first_ = false;
    if (reply.items.size() == 3 && topic->adds) {
      names.insert(reply.items[1].text);
    } else if (reply.items.size() == 3) {
      names.erase(reply.items[1].text);
    }
    return;
  }
  if (name_ == "multi") {
    multi_ = true;
    queue_.clear();
  } else if (name_ == "exec") {
    multi_ = false;
    for (const Queued& queued : queue_) {
      if (reply.is_aggregate()) {
        on_done(queued.name, queued.words);
      }
    }
    queue_.clear();
  } else if (name_ == "discard") {
    multi_ = false;
    queue_.clear();
  } else {
    on_done(name_, words_);
  }
}

void Model::on_done(const std::string& name, const Words& words) {
  if (name == "reset") {
    reset();
  } else if (name == "hello" && words.size() > 1) {
    version_ = words[1] == "3" ? 3 : 2;
  } else if (name == "quit") {
    closed_ = true;
  } else if (name == "client|tracking") {
    tracking_ = upper(words[2]) == "ON";
  }
}

void Model::reset() {
  version_ = 2;
  multi_ = off_ = skip_ = tracking_ = false;
  for (std::set<std::string>& names : topics_) {
    names.clear();
  }
  queue_.clear();
}

}  // namespace tiercache::twin
