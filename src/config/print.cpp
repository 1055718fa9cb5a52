// Texts and comparisons that walk the whole schema.
#include "literal.hpp"
#include "text.hpp"

#include "tiercache/base/glob.hpp"

namespace tiercache::config {
namespace {

void append_docs(std::string& text, const KeyFacts& key) {
  text.append("\n# ").append(key.doc).append(".\n# (").append(expectation(key));
  text.append(key.reload == Reload::live ? "; may change while running)\n" : "; read at start)\n");
}

void append_value(std::string& text, const KeyFacts& key, const Value& value, Secrets secrets) {
  const bool hide = secrets == Secrets::hide && must_hide(key, value);
  text.append(key.leaf()).append(" = ");
  text.append(hide ? quoted(kHidden) : toml_of(key, value)).append("\n");
}

void append_elements(std::string& text, const TableArray& array, const Config& config,
                     Secrets secrets) {
  for (std::size_t i = 0; i < array.size(config); ++i) {
    text.append("\n[[").append(array.name).append("]]\n");
    for (const ElementKey& key : array.keys) {
      append_value(text, key, key.get(array.at(config, i)), secrets);
    }
  }
}

// As a comment: by default there is none.
void append_reference(std::string& text, const TableArray& array) {
  Config one;
  const void* element = array.add(one);
  text.append("\n# ").append(array.doc).append(".\n# (at most ");
  text.append(std::to_string(array.max)).append("; read at start)\n#[[");
  text.append(array.name).append("]]\n");
  for (const ElementKey& key : array.keys) {
    append_docs(text, key);
    text.append("#");
    append_value(text, key, key.get(element), Secrets::reveal);
  }
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
    append_value(text, key, key.get(config), secrets);
  }
  for (const TableArray& array : table_arrays()) {
    append_elements(text, array, config, secrets);
  }
  return text;
}

std::string reference_toml() {
  const Config defaults;
  std::string text =
      concat({"# Every key of tiercache with its default. Generated from the schema; do not edit.\n"
              "# conf/tiercache.toml is the file to start from.\n",
              to_toml(defaults, Secrets::reveal, Comments::docs)});
  for (const TableArray& array : table_arrays()) {
    append_reference(text, array);
  }
  return text;
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
  for (const TableArray& array : table_arrays()) {
    if (!array.same(before, after)) {
      changes.push_back({array.name, Reload::at_start});
    }
  }
  return changes;
}

void take_back(Config& config, const Change& change, const Config& from) {
  if (const Key* key = find_key(change.key)) {
    key->set(config, key->get(from));
  } else if (const TableArray* array = find_table_array(change.key)) {
    array->copy(config, from);
  }
}

}  // namespace tiercache::config
