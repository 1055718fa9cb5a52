#include "tiercache/config/load.hpp"

#include "rules.hpp"
#include "suggest.hpp"
#include "text.hpp"
#include "toml_reader.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace tiercache::config {
namespace {

constexpr std::size_t kMaxErrors = 20;
constexpr std::string_view kPrefix = "TIERCACHE_";

// A configuration in the making: where each value came from, and what was wrong so far.
struct Draft {
  Config config;
  std::map<std::string_view, std::string> origins;
  std::map<std::string_view, std::vector<std::string>> element_origins;  // by array of tables
  std::vector<std::string> errors;
};

void complain(Draft& draft, std::string_view where, std::string what) {
  draft.errors.push_back(std::string(where).append(": ").append(what));
}

Error joined(const std::vector<std::string>& errors) {
  std::string detail;
  const std::size_t shown = std::min(errors.size(), kMaxErrors);
  for (std::size_t i = 0; i < shown; ++i) {
    detail.append(i > 0 ? "\n" : "").append(errors[i]);
  }
  if (shown < errors.size()) {
    detail.append("\nand ").append(std::to_string(errors.size() - shown)).append(" more");
  }
  return {ErrorCode::invalid, std::move(detail)};
}

// The value for a key; nothing, and a complaint, if it takes no such one.
std::optional<Value> judged(Draft& draft, const KeyFacts& key, const Literal& literal,
                            const std::string& where) {
  auto value = to_value(key, literal);
  if (!value) {
    complain(draft, where, std::string(key.name).append(": ").append(value.error().detail));
    return std::nullopt;
  }
  return std::move(value).value();
}

void assign(Draft& draft, const Key& key, const Literal& literal, const std::string& where) {
  if (const auto value = judged(draft, key, literal, where)) {
    key.set(draft.config, *value);
    draft.origins[key.name] = where;
  }
}

// As a person would write it in the file.
std::string shown_name(std::string_view name) {
  const bool bare = !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  });
  return bare && name.size() <= 64 ? std::string(name) : quoted_briefly(name);
}

std::vector<std::string_view> key_names() {
  std::vector<std::string_view> names;
  for (const Key& key : schema()) {
    names.push_back(key.name);
  }
  return names;
}

std::vector<std::string_view> section_names() {
  std::vector<std::string_view> names;
  for (const Key& key : schema()) {
    if (!key.section().empty() && (names.empty() || names.back() != key.section())) {
      names.push_back(key.section());
    }
  }
  return names;
}

std::string unknown_key(const std::string& name, std::span<const std::string_view> known) {
  return "unknown key '" + name + "'" + suggestion(name, known);
}

std::string unknown_key(const std::string& name) {
  return unknown_key(name, key_names());
}

std::string place_text(std::string_view file_name, Place at) {
  return std::string(file_name)
      .append(":")
      .append(std::to_string(at.line))
      .append(":")
      .append(std::to_string(at.column));
}

void read_section(Draft& draft, std::string_view file_name, const Node& section) {
  for (const Node& node : section.children) {
    const std::string name = section.name + "." + node.name;
    if (const Key* key = find_key(name)) {
      assign(draft, *key, node.value, place_text(file_name, node.value_at));
    } else {
      complain(draft, place_text(file_name, node.name_at),
               unknown_key(section.name + "." + shown_name(node.name)));
    }
  }
}

void read_element(Draft& draft, std::string_view file_name, const TableArray& array,
                  const Node& element) {
  void* target = array.add(draft.config);
  draft.element_origins[array.name].push_back(place_text(file_name, element.name_at));
  for (const Node& node : element.children) {
    const auto found = std::ranges::find_if(
        array.keys, [&](const ElementKey& key) { return key.leaf() == node.name; });
    if (found != array.keys.end()) {
      const std::string where = place_text(file_name, node.value_at);
      if (const auto value = judged(draft, *found, node.value, where)) {
        found->set(target, *value);
      }
      continue;
    }
    std::vector<std::string_view> known;
    for (const ElementKey& key : array.keys) {
      known.push_back(key.name);
    }
    complain(draft, place_text(file_name, node.name_at),
             unknown_key(std::string(array.name).append(".").append(shown_name(node.name)), known));
  }
}

void read_table_array(Draft& draft, std::string_view file_name, const TableArray& array,
                      const Node& node) {
  const std::string name(array.name);
  const std::string where = place_text(file_name, node.name_at);
  if (!node.is_table_array) {
    complain(draft, where, "each '" + name + "' must be a section of its own: [[" + name + "]]");
    return;
  }
  if (node.children.size() > array.max) {
    complain(draft, where,
             "there are more than " + std::to_string(array.max) + " sections [[" + name + "]]");
    return;
  }
  array.clear(draft.config);
  draft.element_origins.erase(array.name);
  for (const Node& element : node.children) {
    read_element(draft, file_name, array, element);
  }
}

void read_top(Draft& draft, std::string_view file_name, const Node& node) {
  const std::string where = place_text(file_name, node.name_at);
  const auto sections = section_names();
  const std::string name = shown_name(node.name);
  if (std::ranges::find(sections, node.name) != sections.end()) {
    if (node.is_table) {
      read_section(draft, file_name, node);
    } else {
      complain(draft, where, "'" + name + "' must be a section: [" + name + "]");
    }
    return;
  }
  if (const TableArray* array = find_table_array(node.name)) {
    read_table_array(draft, file_name, *array, node);
    return;
  }
  // A quoted name may hold a dot; it is no path.
  const Key* key = node.name.find('.') == std::string::npos ? find_key(node.name) : nullptr;
  if (key != nullptr) {
    assign(draft, *key, node.value, place_text(file_name, node.value_at));
  } else if (node.is_table || node.is_table_array) {
    std::vector<std::string_view> known = sections;
    for (const TableArray& array : table_arrays()) {
      known.push_back(array.name);
    }
    complain(draft, where, "unknown section '" + name + "'" + suggestion(name, known));
  } else {
    complain(draft, where, unknown_key(name));
  }
}

void add_file(Draft& draft, std::string_view text, std::string_view file_name) {
  const Document document = read_toml(text);
  if (const auto* error = std::get_if<SyntaxError>(&document)) {
    complain(draft, place_text(file_name, error->at), error->what);
    return;
  }
  for (const Node& node : std::get<std::vector<Node>>(document)) {
    read_top(draft, file_name, node);
  }
}

// Kubernetes puts such variables into every pod beside a service that is named tiercache.
bool is_service_link(std::string_view name) {
  return name == "TIERCACHE_PORT" || name.starts_with("TIERCACHE_PORT_") ||
         name.starts_with("TIERCACHE_SERVICE_");
}

void add_environment(Draft& draft, std::span<const std::string_view> environment) {
  std::vector<std::string> names;
  for (const Key& key : schema()) {
    names.push_back(environment_name(key.name));
  }
  for (const std::string_view entry : environment) {
    const auto equals = std::min(entry.find('='), entry.size());
    const std::string_view name = entry.substr(0, equals);
    if (!name.starts_with(kPrefix) || is_service_link(name)) {
      continue;
    }
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) {
      const std::vector<std::string_view> known(names.begin(), names.end());
      complain(draft, "environment",
               "unknown variable '" + shown_name(name) + "'" + suggestion(name, known));
      continue;
    }
    const Key& key = schema()[static_cast<std::size_t>(found - names.begin())];
    const std::string_view value = equals < entry.size() ? entry.substr(equals + 1) : "";
    assign(draft, key, literal_of(key, value), *found);
  }
}

void add_set(Draft& draft, std::string_view assignment) {
  const auto equals = assignment.find('=');
  if (equals == assignment.npos) {
    complain(draft, "--set", "expected key=value, got " + quoted_briefly(assignment));
    return;
  }
  const std::string_view name = trimmed(assignment.substr(0, equals));
  const Key* key = find_key(name);
  if (key == nullptr) {
    const std::string briefly = quoted_briefly(name);
    complain(draft, "--set", "unknown key " + briefly + suggestion(name, key_names()));
    return;
  }
  assign(draft, *key, literal_of(*key, assignment.substr(equals + 1)),
         "--set " + std::string(name));
}

// A broken rule is reported where one of its keys was written.
void check_rules(Draft& draft, std::string_view elsewhere) {
  for (const Rule& rule : rules()) {
    if (rule.holds(draft.config)) {
      continue;
    }
    std::string where(elsewhere);
    for (const std::string_view name : {rule.second, rule.first}) {
      if (const auto origin = draft.origins.find(name); origin != draft.origins.end()) {
        where = origin->second;
      }
    }
    complain(draft, where, broken(rule, draft.config));
  }
  for (const TableArray& array : table_arrays()) {
    const auto& origins = draft.element_origins[array.name];
    for (std::size_t i = 0; i < array.size(draft.config); ++i) {
      if (std::string wrong = array.wrong(draft.config, i); !wrong.empty()) {
        complain(draft, i < origins.size() ? origins[i] : elsewhere, std::move(wrong));
      }
    }
  }
}

Result<Config> finished(Draft draft) {
  if (!draft.errors.empty()) {
    return joined(draft.errors);
  }
  return std::move(draft.config);
}

Status replace(Config& config, Draft draft) {
  auto result = finished(std::move(draft));
  if (!result) {
    return std::move(result).error();
  }
  config = std::move(result).value();
  return Unit{};
}

}  // namespace

std::string environment_name(std::string_view key) {
  std::string name(kPrefix);
  for (const char c : key) {
    name += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

Result<Config> load(const Layers& layers) {
  Draft draft;
  add_file(draft, layers.file_text, layers.file_name);
  add_environment(draft, layers.environment);
  for (const std::string_view assignment : layers.sets) {
    add_set(draft, assignment);
  }
  if (draft.errors.empty()) {
    check_rules(draft, layers.file_name);
  }
  return finished(std::move(draft));
}

Result<Config> parse(std::string_view text, std::string_view file_name, Config base) {
  Draft draft{std::move(base), {}, {}, {}};
  add_file(draft, text, file_name);
  if (draft.errors.empty()) {
    check_rules(draft, file_name);
  }
  return finished(std::move(draft));
}

Status apply_environment(Config& config, std::span<const std::string_view> environment) {
  Draft draft{config, {}, {}, {}};
  add_environment(draft, environment);
  return replace(config, std::move(draft));
}

Status apply_set(Config& config, std::string_view assignment) {
  Draft draft{config, {}, {}, {}};
  add_set(draft, assignment);
  return replace(config, std::move(draft));
}

Status validate(const Config& config) {
  Draft draft{config, {}, {}, {}};
  check_rules(draft, "config");
  if (!draft.errors.empty()) {
    return joined(draft.errors);
  }
  return Unit{};
}

Status set_live(Config& config, std::string_view name, std::string_view value) {
  const Key* key = find_key(name);
  if (key == nullptr) {
    return Error{ErrorCode::invalid,
                 "unknown key " + quoted_briefly(name) + suggestion(name, key_names())};
  }
  if (key->reload != Reload::live) {
    return Error{ErrorCode::refused, std::string(name).append(" can only be set at start")};
  }
  auto converted = to_value(*key, literal_of(*key, value));
  if (!converted) {
    return Error{ErrorCode::invalid,
                 std::string(name).append(": ").append(converted.error().detail)};
  }
  Config changed = config;
  key->set(changed, converted.value());
  for (const Rule& rule : rules()) {
    if (!rule.holds(changed)) {
      return Error{ErrorCode::invalid, broken(rule, changed)};
    }
  }
  config = std::move(changed);
  return Unit{};
}

}  // namespace tiercache::config
