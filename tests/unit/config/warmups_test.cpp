// [[warmup]]: what each strategy needs, and what is wrong.
#include "message.hpp"

#include "tiercache/config/load.hpp"
#include "tiercache/config/schema.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::config;

namespace {

const std::string kSource = "[[source]]\nname = \"db\"\npath = \"/x\"\n";

std::string warmup(const std::string& rest) {
  return "[[warmup]]\nname = \"w\"\n" + rest;
}

}  // namespace

TEST_CASE("each strategy with all that may be said of it") {
  const std::string text =
      kSource +
      "[[warmup]]\nname = \"users\"\npattern = \"user:*\"\ndb = 3\n"
      "limit = 1000\nrate = 50\npriority = 9\nrefresh_interval_ms = 60000\n"
      "required = true\ndeadline_ms = 5000\n"
      "[[warmup]]\nname = \"few\"\nstrategy = \"keys\"\nkeys = [\"a\", \"b\"]\n"
      "file = \"/keys\"\n"
      "[[warmup]]\nname = \"rows\"\nstrategy = \"query\"\nsource = \"db\"\n"
      "query = \"select k from t\"\nquery_timeout_ms = 7\n";
  const auto config = parse(text, "f.toml");
  REQUIRE(config);
  REQUIRE(config.value().warmups.size() == 3);
  const Warmup& users = config.value().warmups[0];
  CHECK(users.strategy == WarmupStrategy::scan);
  CHECK(users.pattern == "user:*");
  CHECK(users.db == 3);
  CHECK(users.limit == 1000);
  CHECK(users.rate == 50);
  CHECK(users.priority == 9);
  CHECK(users.refresh_interval == milliseconds{60'000});
  CHECK(users.required);
  CHECK(users.deadline == milliseconds{5000});
  const Warmup& few = config.value().warmups[1];
  CHECK(few.strategy == WarmupStrategy::keys);
  CHECK(few.keys == std::vector<std::string>{"a", "b"});
  CHECK(few.file == "/keys");
  CHECK_FALSE(few.required);
  const Warmup& rows = config.value().warmups[2];
  CHECK(rows.source == "db");
  CHECK(rows.query == "select k from t");
  CHECK(rows.query_timeout == milliseconds{7});
  CHECK(parse(to_toml(config.value(), Secrets::reveal, Comments::docs), "printed").value() ==
        config.value());
  Config after = config.value();
  after.warmups[0].rate = 51;
  CHECK(changed_keys(config.value(), after).at(0) == Change{"warmup", Reload::at_start});
}

TEST_CASE("what a strategy lacks, and what is of another") {
  CHECK(message_for("[[warmup]]\npattern = \"*\"\n").ends_with("warmup.name is missing"));
  CHECK(message_for("[[warmup]]\nname = \"a b\"\npattern = \"*\"\n")
            .ends_with("warmup.name may hold letters, digits, - and _ only"));
  CHECK(message_for(warmup("pattern = \"*\"\n") + warmup("pattern = \"*\"\n"))
            .ends_with("there is a warmup 'w' already"));
  CHECK(message_for(warmup("strategy = \"pear\"\n"))
            .find("\"query\", \"hot\" or \"peer\", got \"pear\"") != std::string::npos);
  CHECK(message_for(warmup("")).ends_with("warmup 'w': warmup.pattern is missing"));
  CHECK(message_for(warmup("strategy = \"keys\"\n"))
            .ends_with("warmup 'w': it needs warmup.keys or warmup.file"));
  const std::string query = "strategy = \"query\"\nquery = \"select 1\"\n";
  CHECK(message_for(warmup(query)).ends_with("warmup 'w': there is no source ''"));
  CHECK(message_for(kSource + warmup(query + "source = \"dc\"\n"))
            .ends_with("warmup 'w': there is no source 'dc'"));
  CHECK(message_for(kSource + warmup("strategy = \"query\"\nsource = \"db\"\n"))
            .ends_with("warmup 'w': warmup.query is missing"));
  CHECK(message_for(kSource + warmup(query + "source = \"db\"\n")) == "accepted");
  CHECK(message_for("[[source]]\nname = \"api\"\nurl = \"http://a\"\n" +
                    warmup(query + "source = \"api\"\n"))
            .ends_with("source 'api' is of HTTP, which has no queries that list keys"));
  for (const char* key : {"keys = [\"a\"]", "file = \"/x\"", "source = \"db\"", "query = \"x\""}) {
    const std::string word(key, std::string_view(key).find(' '));
    CHECK(message_for(warmup("pattern = \"*\"\n") + key)
              .ends_with("warmup 'w': warmup." + word + " means nothing with its strategy"));
  }
  CHECK(message_for(warmup("strategy = \"keys\"\nkeys = [\"a\"]\npattern = \"*\"\n"))
            .ends_with("warmup.pattern means nothing with its strategy"));
  const std::string listed = warmup("strategy = \"keys\"\nkeys = [\"a\"]\nload = true\n");
  CHECK(message_for(listed).ends_with("warmup 'w': warmup.load: no namespace has a source"));
  CHECK(message_for(kSource + listed +
                    "[[namespace]]\nname = \"n\"\nmatch = [\"a:*\"]\ntiers = \"l1+l2+l3\"\n"
                    "source = \"db\"\nkey = \"a:{id}\"\nquery = \"select :id\"\n") == "accepted");
  CHECK(message_for(warmup("pattern = \"*\"\nload = true\n"))
            .ends_with("warmup.load means nothing with its strategy"));
  const std::string nodes = "[upstream]\nnodes = [\"a:1\"]\n";
  CHECK(message_for(nodes + warmup("pattern = \"*\"\n")) == "accepted");
  CHECK(message_for(nodes + warmup("pattern = \"*\"\ndb = 1\n"))
            .ends_with("cannot be set together with a [[warmup]] of another db than 0"));
}

TEST_CASE("hot keys have a file of their own, a peer an address, both a limit") {
  const std::string hot = "strategy = \"hot\"\n";
  const std::string peer = "strategy = \"peer\"\n";
  CHECK(message_for(warmup(hot)).ends_with("warmup 'w': warmup.file is missing"));
  CHECK(message_for(warmup(hot + "file = \"/x\"\nsave_interval_ms = 1000\nlimit = 100000\n")) ==
        "accepted");
  CHECK(message_for(warmup(hot + "file = \"/x\"\nlimit = 100001\n"))
            .find("warmup.limit is beyond 100000") != std::string::npos);
  CHECK(message_for(warmup(hot + "file = \"/x\"\n") + "[[warmup]]\nname = \"v\"\n" + hot +
                    "file = \"/x\"\n")
            .ends_with("warmup 'v': warmup.file is that of 'w' too"));
  CHECK(message_for(warmup(peer)).ends_with("warmup 'w': warmup.peer is missing"));
  CHECK(message_for(warmup(peer + "peer = \"host\"\n"))
            .ends_with("warmup 'w': warmup.peer: the port is missing"));
  CHECK(message_for(warmup(peer + "peer = \"unix:/x\"\n"))
            .ends_with("warmup 'w': warmup.peer: it is no host:port"));
  CHECK(message_for(warmup(peer + "peer = \"host:6380\"\nlimit = 100001\n"))
            .find("warmup.limit is beyond 100000") != std::string::npos);
  CHECK(message_for(warmup(peer + "peer = \"[::1]:6380\"\nquery_timeout_ms = 9\n")) == "accepted");
  for (const char* key : {"peer = \"a:1\"", "save_interval_ms = 5000"}) {
    const std::string word(key, std::string_view(key).find(' '));
    CHECK(message_for(warmup("pattern = \"*\"\n") + key)
              .ends_with("warmup 'w': warmup." + word + " means nothing with its strategy"));
  }
}

TEST_CASE("a file of keys that is not there is noticed when the configuration is loaded") {
  const auto config = parse(
      "[[warmup]]\nname = \"a\"\nstrategy = \"keys\"\nfile = \"/no/where\"\n"
      "[[warmup]]\nname = \"b\"\nstrategy = \"keys\"\nfile = \"/dev/null\"\n"
      "[[warmup]]\nname = \"c\"\nstrategy = \"keys\"\nfile = \"/nor/here\"\n"
      "[[warmup]]\nname = \"d\"\nstrategy = \"hot\"\nfile = \"/tmp/not there yet\"\n"
      "[[warmup]]\nname = \"e\"\nstrategy = \"hot\"\nfile = \"/no/folder\"\n",
      "f.toml");
  REQUIRE(config);
  const Status status = check_files(config.value());
  REQUIRE_FALSE(status);
  CHECK(status.error().detail ==
        "warmup 'a': warmup.file: /no/where: No such file or directory\n"
        "warmup 'c': warmup.file: /nor/here: No such file or directory\n"
        "warmup 'e': warmup.file: /no/folder: No such file or directory");
  CHECK(check_files(Config{}));
}
