#include "tiercache/l2/user_rules.hpp"

#include "tiercache/base/glob.hpp"

#include <algorithm>

namespace tiercache::l2 {

namespace {

const Reply* field(const Reply& reply, std::string_view name) {
  for (std::size_t i = 0; i + 1 < reply.items.size(); i += 2) {
    if (reply.items[i].text == name) {
      return &reply.items[i + 1];
    }
  }
  return nullptr;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) {
      words.push_back(text.substr(0, end));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

// Redis 7 writes "~a* %R~b*", Redis 6 a list of "a*".
std::vector<std::string> patterns_of(const Reply* keys) {
  std::vector<std::string> patterns;
  if (keys == nullptr) {
    return patterns;
  }
  for (const Reply& item : keys->items) {
    patterns.push_back(item.text);
  }
  for (const std::string_view word : words_of(keys->text)) {
    const std::size_t tilde = word.find('~');
    if (tilde == 0 || word.substr(0, tilde).find('R') != std::string_view::npos) {
      patterns.emplace_back(word.substr(std::min(tilde, word.size() - 1) + 1));
    }
  }
  return patterns;
}

bool has_word(const Reply* list, std::string_view word) {
  return list != nullptr && std::any_of(list->items.begin(), list->items.end(),
                                        [&](const Reply& item) { return item.text == word; });
}

// To write too: "%R~*" is not.
bool every_key(const Reply* keys) {
  if (keys == nullptr) {
    return false;
  }
  const auto words = words_of(keys->text);
  return has_word(keys, "*") || std::find(words.begin(), words.end(), "~*") != words.end();
}

}  // namespace

bool rules_allow(std::string_view rules, std::string_view command,
                 const std::vector<std::string_view>& categories) {
  bool allowed = false;
  for (const std::string_view rule : words_of(rules)) {
    const bool adds = rule[0] == '+';
    std::string_view what = rule.substr(1);
    if (what.starts_with('@')) {
      what.remove_prefix(1);
      const bool concerns = what == "all" || std::find(categories.begin(), categories.end(),
                                                       what) != categories.end();
      allowed = concerns ? adds : allowed;
    } else if (what == command) {
      allowed = adds;
    }
  }
  return allowed;
}

UserRules read_user_rules(const Reply& reply) {
  UserRules rules;
  if (reply.kind != Reply::Kind::array) {
    return rules;
  }
  rules.exists = true;
  const Reply* flags = field(reply, "flags");
  const Reply* commands = field(reply, "commands");
  const Reply* selectors = field(reply, "selectors");
  rules.readable = patterns_of(field(reply, "keys"));
  rules.open = has_word(flags, "on") && has_word(flags, "nopass");
  if (commands == nullptr) {
    return rules;
  }
  rules.everything = commands->text == "+@all" && every_key(field(reply, "keys"));
  // What a selector allows holds for its own keys: then only reads by the root rules are foreseen.
  rules.pttl = rules_allow(commands->text, "pttl", {"keyspace", "read", "fast"}) &&
               (selectors == nullptr || selectors->items.empty());
  return rules;
}

bool UserRules::may_pttl(std::string_view key) const noexcept {
  return pttl && std::any_of(readable.begin(), readable.end(),
                             [&](const std::string& pattern) { return glob_match(pattern, key); });
}

}  // namespace tiercache::l2
