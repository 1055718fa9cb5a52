// [[namespace]]: many of a kind, in their order.
#include "literal.hpp"
#include "message.hpp"

#include "tiercache/config/load.hpp"
#include "tiercache/config/schema.hpp"

#include <set>
#include <string>

#include <doctest/doctest.h>

using namespace tiercache;
using namespace tiercache::config;

namespace {

constexpr std::string_view kTwo =
    "[[namespace]]\nname = \"prices\"\nmatch = [\"price:*\", \"quote:?*[0-9]\"]\ntiers = \"l2\"\n"
    "[[namespace]]\nname = \"rest\"\nmatch = [\"*\"]\nttl_ms = 5000\njitter_percent = 10\n"
    "commands = [\"get\", \"mget\"]\nmax_value = \"4kb\"\nnegative_ttl_ms = 0\nmax_staleness_ms = "
    "0\nl1_share_percent = 25\n";

}  // namespace

TEST_CASE("the elements stand in the order of the file with all that was said of them") {
  const auto config = parse(kTwo, "f.toml");
  REQUIRE(config);
  REQUIRE(config.value().namespaces.size() == 2);
  const Namespace& prices = config.value().namespaces[0];
  CHECK(prices.name == "prices");
  CHECK(prices.match == std::vector<std::string>{"price:*", "quote:?*[0-9]"});
  CHECK(prices.tiers == Tiers::l2);
  CHECK(prices.ttl == milliseconds{0});
  CHECK(prices.negative_ttl == milliseconds{-1});
  const Namespace& rest = config.value().namespaces[1];
  CHECK(rest.tiers == Tiers::l1_l2);
  CHECK(rest.ttl == milliseconds{5000});
  CHECK(rest.jitter_percent == 10);
  CHECK(rest.commands == std::vector<std::string>{"get", "mget"});
  CHECK(rest.max_value == 4 * kKib);
  CHECK(rest.negative_ttl == milliseconds{0});
  CHECK(rest.max_staleness == milliseconds{0});
  CHECK(prices.l1_share_percent == 0);
  CHECK(rest.l1_share_percent == 25);
}

TEST_CASE("what is printed parses back, and a file replaces all elements that were there") {
  const Config config = parse(kTwo, "f.toml").value();
  CHECK(parse(to_toml(config, Secrets::reveal, Comments::docs), "printed").value() == config);
  CHECK(parse("threads = 3\n", "f.toml", config).value().namespaces == config.namespaces);
  const auto other =
      parse("[[namespace]]\nname = \"x\"\nmatch = [\"x\"]\n", "f.toml", config).value();
  REQUIRE(other.namespaces.size() == 1);
  CHECK(other.namespaces[0].name == "x");
}

TEST_CASE("a change of elements is seen as one, and can be taken back") {
  const Config before = parse(kTwo, "f.toml").value();
  Config after = before;
  after.namespaces[1].ttl = milliseconds{1};
  const auto changes = changed_keys(before, after);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0] == Change{"namespace", Reload::at_start});
  take_back(after, changes[0], before);
  CHECK(after == before);
  after.threads = 7;
  take_back(after, {"threads", Reload::at_start}, before);
  CHECK(after == before);
}

TEST_CASE("mistakes are reported at their place") {
  CHECK(message_for("[[namespace]]\nnam = \"a\"\n") ==
        "f.toml:2:1: unknown key 'namespace.nam'; did you mean 'namespace.name'?");
  CHECK(message_for("[[namespace]]\nname = 1\n") ==
        "f.toml:2:8: namespace.name: expected a string of 1 to 64 bytes, got 1");
  CHECK(message_for("[[namespace]]\nmatch = \"x\"\n") ==
        "f.toml:2:9: namespace.match: expected an array of at most 64 patterns, got \"x\"");
  CHECK(message_for("[[namespace]]\nmatch = [\"\"]\n") ==
        "f.toml:2:9: namespace.match: expected an array of at most 64 patterns, got an array: \"\" "
        "is not 1 to 256 bytes without control characters");
  CHECK(message_for("[[namespace]]\ntiers = \"l3\"\n") ==
        "f.toml:2:9: namespace.tiers: expected \"l1+l2\", \"l2\", \"l1\" or \"l1+l2+l3\", got "
        "\"l3\"");
  CHECK(message_for("[namespace]\nname = \"a\"\n") ==
        "f.toml:1:2: each 'namespace' must be a section of its own: [[namespace]]");
  CHECK(message_for("[[namespaces]]\nname = \"a\"\n") ==
        "f.toml:1:3: unknown section 'namespaces'; did you mean 'namespace'?");
  CHECK(message_for("[[namespace]]\nmatch = [\"a\"]\n").ends_with("namespace.name is missing"));
  CHECK(message_for("[[namespace]]\nname = \"a\"\n")
            .ends_with("namespace 'a' matches nothing: namespace.match is missing"));
  CHECK(message_for("[[namespace]]\nname = \"a b\"\nmatch = [\"a\"]\n")
            .ends_with("namespace.name may hold letters, digits, - and _ only"));
  const std::string local = "[[namespace]]\nname = \"a\"\nmatch = [\"a\"]\ntiers = \"l1\"\n";
  CHECK(parse(local + "ttl_ms = 100\nmax_value = 9\nmax_memory = \"1mb\"\n", "f.toml"));
  for (const char* key : {"commands = [\"get\"]", "jitter_percent = 1", "negative_ttl_ms = 0",
                          "max_staleness_ms = 0", "l1_share_percent = 1"}) {
    const std::string word(key, std::string_view(key).find(' '));
    CHECK(message_for(local + key)
              .ends_with("namespace 'a': namespace." + word + " means nothing with its tiers"));
  }
  for (const std::string tiers : {"l1+l2", "l2"}) {
    CHECK(message_for("[[namespace]]\nname = \"a\"\nmatch = [\"a\"]\ntiers = \"" + tiers +
                      "\"\nl1_share_percent = 100\n")
              .ends_with(tiers == "l2"
                             ? "namespace 'a': namespace.l1_share_percent means nothing with its "
                               "tiers"
                             : "accepted"));
  }
  const std::string unasked = "[[namespace]]\nname = \"a\"\nmatch = [\"a\"]\nask_ttl = false\n";
  CHECK(message_for(unasked + "ttl_ms = 1\n") == "accepted");
  CHECK(
      message_for(unasked).ends_with("namespace.ttl_ms says how long a reply is kept: it is "
                                     "missing"));
  CHECK(message_for(unasked + "ttl_ms = 1\ntiers = \"l2\"\n")
            .ends_with("namespace 'a': namespace.ask_ttl means nothing with its tiers"));
  CHECK(message_for("[[namespace]]\nl1_share_percent = 101\n").find("from 0 to 100") !=
        std::string::npos);
  CHECK(message_for(local + "max_memory = 1000\n").find("max_memory below 64kb") !=
        std::string::npos);
  CHECK(message_for("[[namespace]]\nname = \"a\"\nmatch = [\"a\"]\nmax_memory = 65536\n")
            .find("namespace.max_memory means nothing") != std::string::npos);
  const std::string source = "[[source]]\nname = \"db\"\npath = \"/x\"\n";
  const std::string loading =
      "[[namespace]]\nname = \"a\"\nmatch = [\"a\"]\ntiers = \"l1+l2+l3\"\n";
  const std::string whole = loading + "source = \"db\"\nquery = \"select 1\"\nkey = ";
  CHECK(parse(source + whole + "\"a:{id:int}\"\n", "f.toml"));
  CHECK(message_for(whole + "\"a:{id:int}\"\n").ends_with("there is no source 'db'"));
  const std::string nodes = "[upstream]\nnodes = [\"a:1\"]\n";
  CHECK(message_for(nodes + source + whole + "\"a:{id:int}\"\n") == "accepted");
  CHECK(message_for(nodes + source + whole +
                    "\"a:{id:int}\"\nstrategy = \"write-through\"\nwrite = \"insert\"\n")
            .ends_with("accepted"));
  CHECK(message_for(source + whole + "\"a:\"\n").find("namespace.key: there is no part") !=
        std::string::npos);
  CHECK(message_for(source + loading + "source = \"db\"\nkey = \"{a}\"\n")
            .ends_with("namespace.query is missing"));
  CHECK(message_for(source + source).ends_with("there is a source 'db' already"));
  CHECK(
      message_for("[[source]]\nname = \"db\"\n")
          .ends_with("source 'db': it needs one of source.path, source.dsn and source.url, and no "
                     "other"));
  CHECK(message_for(source + "dsn = \"dbname=a\"\n").ends_with("and no other"));
  CHECK(message_for(source + "url = \"http://a\"\n").ends_with("and no other"));
  CHECK(message_for(source + "cold_concurrency = 5\n")
            .ends_with("source.cold_concurrency must not exceed source.concurrency"));
  CHECK(message_for(source + "cold_concurrency = 4\n") == "accepted");
  CHECK(message_for(source + "listen = \"a\"\n").ends_with("source.listen needs PostgreSQL"));
  const std::string server = "[[source]]\nname = \"db\"\ndsn = \"dbname=a\"\n";
  CHECK(parse(server + whole + "\"a:{id:int}\"\nbatch = 100\n", "f.toml"));
  CHECK(message_for(server + whole + "\"a:{id:int}:{x}\"\nbatch = 100\n")
            .ends_with("namespace.batch needs PostgreSQL and a key of one part"));
  CHECK(message_for(source + whole + "\"a:{id:int}\"\nl2_ttl_ms = 0\nrefresh_ahead_percent = 1\n")
            .ends_with("what is loaded never grows stale: namespace.l2_ttl_ms is 0"));
  CHECK(message_for(source + whole + "\"a:{id:int}\"\nbatch = 100\n")
            .ends_with("namespace.batch needs PostgreSQL and a key of one part"));
  CHECK(message_for("[[namespace]]\nname = \"a\"\nmatch = [\"a\"]\nsource = \"db\"\n")
            .ends_with("namespace.source means nothing with its tiers"));
  CHECK(message_for("[[namespace]]\nname = \"a\"\nmatch = [\"a\"]\nstrategy = \"write-through\"\n")
            .ends_with("namespace.strategy means nothing with its tiers"));
  const std::string through = source + whole + "\"a:{id:int}\"\nstrategy = \"write-through\"\n";
  const auto written = parse(through + "write = \"insert\"\nremove = \"delete\"\n", "f.toml");
  REQUIRE(written);
  CHECK(written.value().namespaces[0].strategy == Strategy::write_through);
  CHECK(written.value().namespaces[0].write == "insert");
  CHECK(written.value().namespaces[0].remove == "delete");
  const std::string back =
      source + whole + "\"a:{id:int}\"\nstrategy = \"write-back\"\nwrite = \"insert\"\n";
  CHECK(parse("[journal]\ndir = \"/x\"\n" + back, "f.toml"));
  CHECK_FALSE(parse("[journal]\ndir = \"/x\"\n" + back, "f.toml").value().namespaces[0].coalesce);
  const auto coalescing = parse("[journal]\ndir = \"/x\"\n" + back + "coalesce = true\n", "f.toml");
  REQUIRE(coalescing);
  CHECK(coalescing.value().namespaces[0].coalesce);
  CHECK(message_for(through + "write = \"insert\"\ncoalesce = true\n")
            .ends_with("namespace.coalesce means nothing with its strategy"));
  CHECK(message_for(back).ends_with("is missing, but a namespace has the strategy write-back"));
  CHECK(message_for("[journal]\nretry_min_ms = 2\nretry_max_ms = 1\n").find("must not exceed") !=
        std::string::npos);
  CHECK(message_for(through).ends_with("namespace 'a': namespace.write is missing"));
  for (const char* key : {"write", "remove"}) {
    CHECK(message_for(source + whole + "\"a:{id:int}\"\n" + key + " = \"x\"\n")
              .ends_with(std::string("namespace.") + key + " means nothing with its strategy"));
  }
  CHECK(message_for(source + whole + "\"a:{value}\"\nstrategy = \"write-through\"\nwrite = \"x\"\n")
            .find("namespace.key is called value") != std::string::npos);
  const std::string hash = "\"a:{id:int}\"\nresult = \"hash\"\n";
  const auto loaded = parse(server + whole + hash + "batch = 9\nstale_if_error_ms = 1\n", "f.toml");
  REQUIRE(loaded);
  CHECK(loaded.value().namespaces[0].result == LoadResult::hash);
  for (const char* strategy : {"write-through", "write-back"}) {
    CHECK(message_for("[journal]\ndir = \"/x\"\n" + source + whole + hash +
                      "write = \"x\"\nstrategy = \"" + strategy + "\"\n")
              .ends_with("namespace 'a': a hash can only be read: namespace.result hash needs the "
                         "strategy cache-aside"));
  }
  CHECK(message_for("[[namespace]]\nname = \"a\"\nmatch = [\"a\"]\nresult = \"hash\"\n")
            .ends_with("namespace.result means nothing with its tiers"));
  const std::string twice = message_for(
      "[[namespace]]\nname = \"a\"\nmatch = [\"a\"]\n[[namespace]]\nname = \"a\"\nmatch = "
      "[\"b\"]\n");
  CHECK(twice.starts_with("f.toml:4:"));
  CHECK(twice.ends_with("there is a namespace 'a' already"));
}

TEST_CASE("there may be so many and no more") {
  std::string text;
  for (int i = 0; i <= 256; i++) {
    text += "[[namespace]]\nname = \"n" + std::to_string(i) + "\"\nmatch = [\"x\"]\n";
    if (i == 255) {
      CHECK(parse(text, "f.toml"));
    }
  }
  CHECK(message_for(text).ends_with("there are more than 256 sections [[namespace]]"));
}

TEST_CASE("every key of an element has a doc line, a default in its range, and reads back") {
  for (const TableArray& array : table_arrays()) {
    CHECK(find_table_array(array.name) == &array);
    std::set<std::string_view> names;
    for (const ElementKey& key : array.keys) {
      CAPTURE(key.name);
      CHECK(key.section() == array.name);
      CHECK(names.insert(key.leaf()).second);
      CHECK(key.doc.size() > 10);
      CHECK_FALSE(key.doc.ends_with('.'));
      Config config;
      void* element = array.add(config);
      const Value value = key.get(element);
      if (key.leaf() != "name") {
        const auto again = to_value(key, literal_of(key, toml_of(key, value)));
        REQUIRE(again);
        CHECK(again.value() == value);
      }
      key.set(element, value);
      CHECK(key.get(element) == value);
    }
  }
}
