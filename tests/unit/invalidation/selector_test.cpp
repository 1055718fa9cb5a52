#include "selector.hpp"

#include <doctest/doctest.h>

using namespace tiercache;
using invalidation::How;
using invalidation::Selection;
using invalidation::Selector;

namespace {

config::Config with_namespaces() {
  config::Config config;
  config::Namespace& docs = config.namespaces.emplace_back();
  docs.name = "docs";
  docs.match = {"doc:*"};
  docs.tiers = config::Tiers::l1_l2_l3;
  docs.source = "db";
  docs.key = "doc:{id:int}:{part}";
  docs.query = "select";
  config::Namespace& plain = config.namespaces.emplace_back();
  plain.name = "plain";
  plain.match = {"plain:*"};
  return config;
}

}  // namespace

TEST_CASE("a selection is of a prefix, a namespace or a tag") {
  const Selector selector(with_namespaces());
  const Selection prefix{0, namespaces::kDefault, "doc:1"};
  CHECK(selector.selects(prefix, "doc:12:x"));
  CHECK_FALSE(selector.selects(prefix, "doc:2:x"));
  const Selection space{0, selector.find("plain"), {}};
  CHECK(selector.selects(space, "plain:1"));
  CHECK_FALSE(selector.selects(space, "doc:1:x"));
  const Selection tag{0, namespaces::kDefault, {}, Selection::Part{"id", "1"}};
  CHECK(selector.selects(tag, "doc:1:x"));
  CHECK_FALSE(selector.selects(tag, "doc:11:x"));
  CHECK_FALSE(selector.selects(tag, "plain:1"));
}

TEST_CASE("Redis is searched only where a source may be concerned") {
  const Selector selector(with_namespaces());
  CHECK(selector.globs({0, namespaces::kDefault, "do[c"}) == std::vector<std::string>{"do\\[c*"});
  CHECK(selector.globs({0, selector.find("docs"), {}}) == std::vector<std::string>{"doc:*"});
  CHECK(selector.globs({0, selector.find("plain"), {}}).empty());
  config::Config config = with_namespaces();
  config.namespaces.erase(config.namespaces.begin());
  CHECK(Selector(config).globs({0, namespaces::kDefault, "plain"}).empty());
}

TEST_CASE("what differs is said differently") {
  const Selector selector(with_namespaces());
  CHECK(selector.text({2, namespaces::kDefault, "a,b=%"}, How::remove) ==
        "db=2,prefix=a%2cb%3d%25,how=remove");
  CHECK(selector.text({0, selector.find("docs"), {}}, How::soften) ==
        "db=0,namespace=docs,how=soften");
  CHECK(selector.text({0, namespaces::kDefault, {}, Selection::Part{"id", "7"}}, How::remove) ==
        "db=0,tag=id:7,how=remove");
}
