// Texts and comparisons that walk the whole schema.
#include "literal.hpp"
#include "text.hpp"

#include "tiercache/base/glob.hpp"

namespace tiercache::config {
namespace {

void append_docs(std::string& text, const Key& key) {
  text.append("\n# ").append(key.doc).append(".\n# (").append(expectation(key));
  text.append(key.reload == Reload::live ? "; may change while running)\n" : "; read at start)\n");
}

}  // namespace

std::string to_toml(const Config& config, Secrets secrets, Comments comments) {
  std::string text;
  std::string_view section;
  for (const Key& key : schema()) {
    if (key.section() != section) {
      section = key.section();
      text.append("\n[").append(section).append("]\n");
    }
    if (comments == Comments::docs) {
      append_docs(text, key);
    }
    const Value value = key.get(config);
    const bool hide = secrets == Secrets::hide && must_hide(key, value);
    text.append(key.leaf()).append(" = ");
    text.append(hide ? quoted(kHidden) : toml_of(key, value)).append("\n");
  }
  return text;
}

std::string reference_toml() {
  const Config defaults;
  return concat(
      {"# Every key of tiercache with its default. Generated from the schema; do not edit.\n"
       "# conf/tiercache.toml is the file to start from.\n",
       to_toml(defaults, Secrets::reveal, Comments::docs)});
}

std::vector<std::pair<std::string, std::string>> get_matching(const Config& config,
                                                              std::string_view pattern) {
  std::vector<std::pair<std::string, std::string>> matches;
  for (const Key& key : schema()) {
    if (!glob_match(pattern, key.name, LetterCase::ignored)) {
      continue;
    }
    const Value value = key.get(config);
    matches.emplace_back(key.name,
                         must_hide(key, value) ? std::string(kHidden) : text_of(key, value));
  }
  return matches;
}

std::vector<Change> changed_keys(const Config& before, const Config& after) {
  std::vector<Change> changes;
  for (const Key& key : schema()) {
    if (key.get(before) != key.get(after)) {
      changes.push_back({key.name, key.reload});
    }
  }
  return changes;
}

}  // namespace tiercache::config
