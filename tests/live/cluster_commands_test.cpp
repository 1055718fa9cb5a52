// Every command that has keys, with arguments from its own documentation, on two Clusters that have
// had the same: one through the proxy, one asked by a client that knows which node has the slot, as
// redis-cli -c does. Replies must be equal, cold and from L1.
#include "cluster_proxied.hpp"
#include "command_samples.hpp"
#include "twin/rules.hpp"
#include "twin/values.hpp"

#include "tiercache/command/table.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace tiercache::testing {
namespace {

using twin::Words;

constexpr std::uint64_t kSeed = 7;
constexpr int kRounds = 9;
constexpr int kSamples = 4;

const command::Command* find(const Words& words) {
  const std::vector<std::string_view> args(words.begin(), words.end());
  return command::Table::builtin()->find(args);
}

// All its keys get the tag, and so one slot; false: there is none.
bool put_on_slot(Words& words, const std::string& tag) {
  const command::Command* const command = find(words);
  const std::vector<std::string_view> args(words.begin(), words.end());
  std::vector<command::KeyRef> keys;
  if (command == nullptr || !command::arity_fits(*command, args)) {
    return false;
  }
  command::keys(*command, args, keys);
  Words tagged = words;
  for (const command::KeyRef& key : keys) {
    tagged[key.index] = tag + words[key.index];
  }
  words = std::move(tagged);
  return !keys.empty();
}

// What cannot be equal on any two servers, or belongs to a connection that stays where it is.
bool is_left_out(const std::string& name) {
  const bool shard_channel = name == "ssubscribe" || name == "sunsubscribe";
  return twin::is_skipped(name) || name == "migrate" || name == "debug" || name == "wait" ||
         name == "watch" || name.starts_with("memory|") || shard_channel;
}

std::string shown(const Words& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : " ") + word.substr(0, 40);
  }
  return text;
}

}  // namespace

TEST_CASE("every command with keys answers as its node does") {
  ClusterWorld world;
  ClusterWorld twins;
  Proxied proxied(world);
  Client ours = proxied.client();
  Client docs(twins.server(0).port());
  CommandSamples samples(docs, kSeed);
  // What the samples call is on every node of both.
  for (std::size_t master = 1; master < 3; master++) {
    Client node(twins.server(master).port());
    CommandSamples(node, kSeed);
  }
  CommandSamples(ours, kSeed);
  twin::Values values(kSeed);
  samples.choose_by([&](std::string_view command, std::string_view name, std::string_view type) {
    return values.choose(command, name, type);
  });
  std::size_t sent = 0;
  std::size_t done = 0;
  for (int round = 0; round < kRounds; round++) {
    const auto master = static_cast<std::size_t>(round) % 3;
    const std::string tag = "{" + key_on(world, master, "r" + std::to_string(round) + "-") + "}";
    Client twin = twins.direct(tag);
    CHECK(ours.call("HELLO", round % 2 == 0 ? "2" : "3").type ==
          twin.call("HELLO", round % 2 == 0 ? "2" : "3").type);
    for (Words words : CommandSamples::pool_commands()) {
      if (put_on_slot(words, tag)) {
        REQUIRE(ours.call(words) == twin.call(words));
      }
    }
    for (const command::Command& command : command::Table::builtin()->commands()) {
      const std::string name(command.name);
      if (is_left_out(name) || !samples.knows(name)) {
        continue;
      }
      for (int i = 0; i < kSamples; i++) {
        Words words = samples.make(name);
        values.refine(name, words);
        if (!put_on_slot(words, tag)) {
          continue;
        }
        const Value expected = twin.call(words);
        const Value actual = ours.call(words);
        const bool same =
            expected == actual || twin::equal(twin::compare_of(name, words), expected, actual);
        INFO(shown(words), "\n  node:  ", expected.to_string(), "\n  proxy: ", actual.to_string());
        CHECK(same);
        ++sent;
        done += expected.is_error() ? 0U : 1U;
      }
    }
  }
  MESSAGE(sent << " requests, " << done << " without an error, " << proxied.proxy.stat("l1_hits")
               << " hits");
  CHECK(done > sent / 2);
  CHECK(proxied.proxy.stat("l1_hits") > 0);
}

}  // namespace tiercache::testing
