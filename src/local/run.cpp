#include "run.hpp"

#include "tiercache/base/words.hpp"

#include <algorithm>
#include <limits>

namespace tiercache::local {

namespace {

constexpr std::uint64_t kGeneration = 1;
constexpr l1::Variant kValue{};

}  // namespace

Run::Run(Keyspace& keyspace, const Ask& ask, std::string& out)
    : keyspace_(keyspace), ask_(ask), out_(out) {
  const std::size_t step = ask.verb == Verb::mset ? 2 : 1;
  for (std::size_t i = 0; i < ask.spaces.size(); i++) {
    const std::string_view key = ask.args[1 + i * step];
    keys_.push_back({key, keyspace.hasher_(ask.db, key), ask.spaces[i]});
    shards_.push_back(keyspace.shard_of(keys_.back().hash));
  }
  std::ranges::sort(shards_);
  shards_.erase(std::unique(shards_.begin(), shards_.end()), shards_.end());
  for (const std::size_t shard : shards_) {
    keyspace_.shards_[shard].mutex.lock();
  }
}

Run::~Run() {
  for (const std::size_t shard : shards_) {
    keyspace_.shards_[shard].mutex.unlock();
  }
}

void Run::go() {
  switch (ask_.verb) {
    case Verb::none:
      break;
    case Verb::del:
      return del();
    case Verb::exists:
      return exists();
    case Verb::expire:
      return expire();
    case Verb::get:
      return get();
    case Verb::getdel:
      return getdel();
    case Verb::getex:
      return getex();
    case Verb::increment:
      return increment();
    case Verb::mget:
      return mget();
    case Verb::mset:
      return mset();
    case Verb::persist:
      return persist();
    case Verb::set:
      return set();
    case Verb::setex:
      return setex();
    case Verb::setnx:
      return setnx();
    case Verb::ttl:
      return ttl();
  }
}

Keyspace::Part& Run::part(const Named& key) {
  return keyspace_.shards_[keyspace_.shard_of(key.hash)].parts[key.space];
}

std::int64_t Run::end_of(const l1::Entry& entry) noexcept {
  if (entry.expire_at() == kNever) {
    return kNoEnd;
  }
  return std::chrono::duration_cast<milliseconds>(entry.expire_at().time_since_epoch()).count() - 1;
}

l1::Entry* Run::read(const Named& key) {
  Keyspace::Part& where = part(key);
  l1::Entry* entry = look(key);
  ++(entry != nullptr ? where.hits : where.misses);
  return entry;
}

l1::Entry* Run::look(const Named& key) {
  return part(key).store.find({key.hash, ask_.db, key.key}, kValue, now(), kGeneration);
}

bool Run::may_keep(const Named& key, std::string_view value) {
  const SpaceConfig& space = keyspace_.spaces_[key.space];
  if (value.size() <= space.max_value) {
    return true;
  }
  error("ERR tiercache: namespace '" + space.name + "' keeps values of at most " +
        std::to_string(space.max_value) + " bytes");
  return false;
}

bool Run::put(const Named& key, std::string_view value, std::int64_t end) {
  const SpaceConfig& space = keyspace_.spaces_[key.space];
  if (space.ttl.count() > 0) {
    const std::int64_t latest = (ask_.now + space.ttl).count();
    end = end == kNoEnd ? latest : std::min(end, latest);
  }
  frame_.clear();
  resp::append_bulk(frame_, value);
  l1::Meta meta;
  meta.generation = kGeneration;
  meta.expire_at = end == kNoEnd ? kNever : Time(milliseconds(end + 1));
  Keyspace::Part& where = part(key);
  ++where.writes;
  if (where.store.put({key.hash, ask_.db, key.key}, kValue, frame_, meta, now(), kGeneration) ==
          nullptr &&
      now() < meta.expire_at) {
    error("ERR tiercache: namespace '" + space.name +
          "' has no room for such a key and value, the key is gone");
    return false;
  }
  return true;
}

void Run::erase(const Named& key, l1::Entry* entry) {
  Keyspace::Part& where = part(key);
  ++where.writes;
  where.store.erase(entry);
}

void Run::set_end(const Named& key, const l1::Entry& entry, std::int64_t end) {
  const std::string kept(entry.reply().body());  // the store must not read from itself
  put(key, kept, end);
}

bool Run::read_end(const SetOptions& options, std::int64_t& end) {
  const auto value = parse_integer(options.time);
  if (!value) {
    not_a_number();
    return false;
  }
  const auto found = *value <= 0 ? std::nullopt : end_time(*value, options.unit, ask_.now);
  if (!found) {
    invalid_time();
    return false;
  }
  end = *found;
  return true;
}

void Run::error(std::string_view text) {
  resp::append_error(out_, text);
}

void Run::invalid_time() {
  error(std::string("ERR invalid expire time in '").append(ask_.command).append("' command"));
}

void Run::not_a_number() {
  error("ERR value is not an integer or out of range");
}

void Run::nil() {
  resp::append_null(out_, ask_.version);
}

void Run::value(const l1::Entry& entry) {
  entry.reply().append_to(out_);
}

void Run::del() {
  std::int64_t gone = 0;
  for (const Named& key : keys_) {
    if (l1::Entry* entry = look(key)) {
      erase(key, entry);
      gone++;
    }
  }
  resp::append_integer(out_, gone);
}

void Run::exists() {
  const auto found =
      std::ranges::count_if(keys_, [&](const Named& key) { return read(key) != nullptr; });
  resp::append_integer(out_, found);
}

void Run::expire() {
  using Unit = SetOptions::Unit;
  const ExpireOptions options = read_expire_options(ask_.args);
  if (!options.unknown.empty()) {
    return error(std::string("ERR Unsupported option ").append(options.unknown));
  }
  if (options.clash) {
    return error("ERR NX and XX, GT or LT options at the same time are not compatible");
  }
  if (options.clash_gt_lt) {
    return error("ERR GT and LT options at the same time are not compatible");
  }
  const auto value = parse_integer(ask_.args[2]);
  if (!value) {
    return not_a_number();
  }
  const Unit unit = ask_.command == "expire"     ? Unit::ex
                    : ask_.command == "pexpire"  ? Unit::px
                    : ask_.command == "expireat" ? Unit::exat
                                                 : Unit::pxat;
  const auto end = end_time(*value, unit, ask_.now);
  if (!end) {
    return invalid_time();
  }
  const Named& key = keys_[0];
  l1::Entry* entry = look(key);
  const std::int64_t current = entry == nullptr ? kNoEnd : end_of(*entry);
  const bool endless = current == kNoEnd;
  if (entry == nullptr || (options.nx && !endless) || (options.xx && endless) ||
      (options.gt && (endless || *end <= current)) || (options.lt && !endless && *end >= current)) {
    return resp::append_integer(out_, 0);
  }
  if (*end <= ask_.now.count()) {
    erase(key, entry);
  } else {
    set_end(key, *entry, *end);
  }
  resp::append_integer(out_, 1);
}

void Run::get() {
  if (const l1::Entry* entry = read(keys_[0])) {
    value(*entry);
  } else {
    nil();
  }
}

void Run::getdel() {
  l1::Entry* entry = read(keys_[0]);
  if (entry == nullptr) {
    return nil();
  }
  value(*entry);
  erase(keys_[0], entry);
}

void Run::getex() {
  const auto options = read_set_options(ask_.args, 2, SetOptions::For::getex);
  if (!options) {
    return error("ERR syntax error");
  }
  l1::Entry* entry = read(keys_[0]);
  if (entry == nullptr) {
    return nil();
  }
  const bool timed = options->unit != SetOptions::Unit::none;
  std::int64_t end = kNoEnd;
  if (timed && !read_end(*options, end)) {
    return;
  }
  value(*entry);
  if (timed && end <= ask_.now.count()) {
    erase(keys_[0], entry);
  } else if (timed || (options->persist && end_of(*entry) != kNoEnd)) {
    set_end(keys_[0], *entry, end);
  }
}

void Run::increment() {
  const bool down = ask_.command.starts_with('d');
  std::int64_t by = 1;
  if (ask_.args.size() > 2) {
    const auto given = parse_integer(ask_.args[2]);
    if (!given) {
      return not_a_number();
    }
    by = *given;
  }
  if (down && by == std::numeric_limits<std::int64_t>::min()) {
    return error("ERR decrement would overflow");
  }
  by = down ? -by : by;
  const Named& key = keys_[0];
  const l1::Entry* entry = look(key);
  const auto before =
      entry == nullptr ? std::optional<std::int64_t>(0) : parse_integer(entry->reply().body());
  if (!before) {
    return not_a_number();
  }
  std::int64_t after = 0;
  if (__builtin_add_overflow(*before, by, &after)) {
    return error("ERR increment or decrement would overflow");
  }
  const std::string text = std::to_string(after);
  if (may_keep(key, text) && put(key, text, entry == nullptr ? kNoEnd : end_of(*entry))) {
    resp::append_integer(out_, after);
  }
}

void Run::mget() {
  resp::append_array_header(out_, keys_.size());
  for (const Named& key : keys_) {
    if (const l1::Entry* entry = read(key)) {
      value(*entry);
    } else {
      nil();
    }
  }
}

// All of them or none, but for the room, which is known only when each is put.
void Run::mset() {
  for (std::size_t i = 0; i < keys_.size(); i++) {
    if (!may_keep(keys_[i], ask_.args[2 + 2 * i])) {
      return;
    }
  }
  for (std::size_t i = 0; i < keys_.size(); i++) {
    if (!put(keys_[i], ask_.args[2 + 2 * i], kNoEnd)) {
      return;
    }
  }
  resp::append_simple(out_, "OK");
}

void Run::persist() {
  const l1::Entry* entry = look(keys_[0]);
  const bool timed = entry != nullptr && end_of(*entry) != kNoEnd;
  if (timed) {
    set_end(keys_[0], *entry, kNoEnd);
  }
  resp::append_integer(out_, timed ? 1 : 0);
}

void Run::set() {
  const auto options = read_set_options(ask_.args, 3, SetOptions::For::set);
  if (!options) {
    return error("ERR syntax error");
  }
  std::int64_t end = kNoEnd;
  if (options->unit != SetOptions::Unit::none && !read_end(*options, end)) {
    return;
  }
  const Named& key = keys_[0];
  if (!may_keep(key, ask_.args[2])) {
    return;
  }
  const l1::Entry* entry = options->get ? read(key) : look(key);
  const std::size_t before = out_.size();
  if (options->get) {
    if (entry != nullptr) {
      value(*entry);
    } else {
      nil();
    }
  }
  if ((options->nx && entry != nullptr) || (options->xx && entry == nullptr)) {
    if (!options->get) {
      nil();
    }
    return;
  }
  if (options->keep_ttl && entry != nullptr) {
    end = end_of(*entry);
  }
  const std::string old = out_.substr(before);
  out_.resize(before);
  if (put(key, ask_.args[2], end)) {
    if (options->get) {
      out_.append(old);
    } else {
      resp::append_simple(out_, "OK");
    }
  }
}

void Run::setex() {
  SetOptions options;
  options.unit = ask_.command == "setex" ? SetOptions::Unit::ex : SetOptions::Unit::px;
  options.time = ask_.args[2];
  std::int64_t end = kNoEnd;
  if (read_end(options, end) && may_keep(keys_[0], ask_.args[3]) &&
      put(keys_[0], ask_.args[3], end)) {
    resp::append_simple(out_, "OK");
  }
}

void Run::setnx() {
  if (look(keys_[0]) != nullptr) {
    return resp::append_integer(out_, 0);
  }
  if (may_keep(keys_[0], ask_.args[2]) && put(keys_[0], ask_.args[2], kNoEnd)) {
    resp::append_integer(out_, 1);
  }
}

void Run::ttl() {
  const l1::Entry* entry = read(keys_[0]);
  if (entry == nullptr) {
    return resp::append_integer(out_, -2);
  }
  const std::int64_t end = end_of(*entry);
  if (end == kNoEnd) {
    return resp::append_integer(out_, -1);
  }
  const std::int64_t left = std::max<std::int64_t>(0, end - ask_.now.count());
  resp::append_integer(out_, ask_.command == "ttl" ? (left + 500) / 1000 : left);
}

}  // namespace tiercache::local
