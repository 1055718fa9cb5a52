#include "writer.hpp"

#include <algorithm>

namespace tiercache::verify {
namespace {

// How long a lost write may still be under way to Redis.
constexpr Nanos kDoubt = 3'000'000'000;
constexpr std::size_t kFirstBatch = 64;
constexpr std::size_t kFirstBytes = 128 * 1024;

}  // namespace

Writer::Writer(RunState& run, Tally& tally, Identity identity, std::uint8_t number)
    : Session(run, tally, std::move(identity)),
      number_(number),
      due_(run.max_staleness()),
      doubtful_(run.book.size()),
      held_by_(run.book.size()) {
  const Plan& plan = run.plan;
  for (KeyId key = 0; key < run.book.size(); ++key) {
    if (run.book.info(key).owner != number || plan.watched.has(key) || plan.probes.has(key)) {
      continue;
    }
    if (plan.strings.has(key)) {
      strings_.push_back(key);
    } else if ((!plan.pairs.has(key) && !plan.octets.has(key)) || plan.group_of(key).first == key) {
      others_.push_back(key);
    }
  }
}

void Writer::prepare(Nanos now) {
  due_.drain(now, run_.book);
  settle_doubts(now);
  if (run_.phase.load(std::memory_order_relaxed) != Phase::writing) {
    next_at_ = now + 5'000'000;
  } else if (written_first_ < strings_.size()) {
    write_first(now);
  } else {
    write_some(now);
  }
}

void Writer::settle_doubts(Nanos now) {
  for (; !doubts_.empty() && doubts_.front().until < now; doubts_.pop_front()) {
    const KeyId key = doubts_.front().key;
    doubtful_[key] = 0;
    if (run_.book.incarnation(key) < kMaxIncarnation) {
      run_.book.renew(key);
    }
  }
}

void Writer::write_first(Nanos now) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < kFirstBatch && bytes < kFirstBytes; ++i) {
    if (written_first_ == strings_.size()) {
      break;
    }
    const KeyId key = strings_[written_first_++];
    write(key, Follow::nothing, now);
    bytes += run_.book.info(key).size;
  }
}

void Writer::write_some(Nanos now) {
  const std::uint32_t count = 1 + random_.below(4);
  for (std::uint32_t i = 0; i < count; ++i) {
    const KeyId key = choose();
    if (doubtful_[key] == 0 && held_by_[key] == 0) {
      write(key, random_.below(2) == 0 ? Follow::read : Follow::nothing, now);
    }
  }
  next_at_ = now + std::int64_t{count} * 1'000'000'000 / run_.settings.write_rate;
}

// Some keys are written all the time, most now and then, a quarter never again.
KeyId Writer::choose() {
  if (random_.below(4) == 0 || strings_.empty()) {
    return others_[random_.below(static_cast<std::uint32_t>(others_.size()))];
  }
  const double u = random_.next() / 4294967296.0;
  const auto rank = static_cast<std::size_t>(u * u * u * u * static_cast<double>(strings_.size()));
  const KeyId key = strings_[std::min(rank, strings_.size() - 1)];
  return key % 4 == 2 ? strings_[0] : key;
}

void Writer::write(KeyId key, Follow follow, Nanos now) {
  const Plan& plan = run_.plan;
  if (plan.pairs.has(key) || plan.octets.has(key)) {
    write_group(plan.group_of(key));
    return;
  }
  if (plan.counters.has(key)) {
    // A counter belongs to everybody.
    key = plan.counters.first + random_.below(plan.counters.count);
    increment(key);
  } else if (plan.expiring.has(key)) {
    write_expiring(key, now);
  } else if (plan.collections.has(key)) {
    write_collection(key, run_.book.issue(key));
  } else {
    write_string(key, run_.book.issue(key));
  }
  if (follow == Follow::read) {
    if (plan.collections.has(key)) {
      read_collection(key);
    } else {
      get(key);
    }
  }
}

void Writer::done(OpKind kind, KeyId key, Version version) {
  Op op = read_op(kind, key);
  op.version = version;
  push_op(op);
}

void Writer::write_string(KeyId key, Version version) {
  const KeyInfo& info = run_.book.info(key);
  if (is_absent(info, number_of(version))) {
    erase(key, version);
    return;
  }
  value_.clear();
  if (info.shape == Shape::records && record_count(info, number_of(version)) > 1) {
    append_record(key, version, value_);
    set_with("APPEND", key, version, {});
    return;
  }
  append_value(info, key, version, number_, value_);
  set_somehow(key, version);
}

void Writer::set_somehow(KeyId key, Version version) {
  switch (random_.below(16)) {
    case 0:
      set_with("SETEX", key, version, "1000");
      return;
    case 1:
      set_with("PSETEX", key, version, "1000000");
      return;
    case 2:
      set_with("GETSET", key, version, {});
      return;
    case 3:
      set_with("SET", key, version, "GET");
      return;
    case 4:
      set_by_script(key, version, false);
      return;
    case 5:
      set_by_script(key, version, true);
      return;
    case 6:
      command({"MULTI"});
      push_op({OpKind::ok});
      begin_command(3);
      word("SET");
      key_word(key, incarnation_of(version));
      word(value_);
      push_op({OpKind::queued});
      command({"EXEC"});
      done(OpKind::exec_set, key, version);
      return;
    default:
      set_with("SET", key, version, {});
  }
}

// SET, GETSET and APPEND take the value behind the key; SETEX and PSETEX the time in between; SET
// may have a GET at the end.
void Writer::set_with(std::string_view name, KeyId key, Version version, std::string_view extra) {
  begin_command(extra.empty() ? 3 : 4);
  word(name);
  key_word(key, incarnation_of(version));
  if (!extra.empty() && extra != "GET") {
    word(extra);
  }
  word(value_);
  if (extra == "GET") {
    word(extra);
  }
  const bool answers_previous = name == "GETSET" || extra == "GET";
  done(answers_previous   ? OpKind::set_get
       : name == "APPEND" ? OpKind::append
                          : OpKind::set,
       key, version);
}

void Writer::set_by_script(KeyId key, Version version, bool declared) {
  begin_command(5);
  word("EVAL");
  word(declared ? "redis.call('SET', KEYS[1], ARGV[1]) return 1"
                : "redis.call('SET', ARGV[1], ARGV[2]) return 1");
  word(declared ? "1" : "0");
  key_word(key, incarnation_of(version));
  word(value_);
  done(OpKind::eval, key, version);
  if (!declared) {
    held_by_[key] = version;
  }
}

void Writer::write_expiring(KeyId key, Nanos now) {
  const Version version = run_.book.issue(key, 2);
  const std::uint32_t ttl_ms = 10 + random_.below(200);
  run_.expiry.on_sent(key, version, now, std::int64_t{ttl_ms} * 1'000'000);
  value_.clear();
  append_record(key, version, value_);
  begin_command(5);
  word("SET");
  key_word(key, incarnation_of(version));
  word(value_);
  word("PX");
  word(std::uint64_t{ttl_ms});
  Op op = read_op(OpKind::set, key);
  op.version = version;
  op.ttl_ms = ttl_ms;
  push_op(op);
}

void Writer::write_collection(KeyId key, Version version) {
  if (is_absent(run_.book.info(key), number_of(version))) {
    erase(key, version);
    return;
  }
  value_.clear();
  append_record(key, version, value_);
  const auto send = [&](std::string_view name, std::initializer_list<std::string_view> tail) {
    begin_command(2 + tail.size());
    word(name);
    key_word(key, incarnation_of(version));
    for (const std::string_view text : tail) {
      word(text);
    }
  };
  switch (run_.book.info(key).shape) {
    case Shape::hash:
      send("HSET", {"a", value_, "b", value_});
      done(OpKind::hset, key, version);
      return;
    case Shape::list:
      send("LPUSH", {value_});
      done(OpKind::push, key, version);
      return;
    case Shape::set:
      send("SADD", {value_});
      done(OpKind::hset, key, version);
      return;
    default:
      send("ZADD", {std::to_string(number_of(version)), "m"});
      done(OpKind::zadd, key, version);
  }
}

void Writer::write_group(const Range& group) {
  const Version version = run_.book.issue(group.first);
  bool together = true;
  for (KeyId key = group.first + 1; key < group.end(); ++key) {
    together = run_.book.issue(key) == version && together;
  }
  if (!together) {  // Renewed in between by whoever watches Redis: start all of them again.
    const Version incarnation = run_.book.incarnation(group.first);
    for (KeyId key = group.first; key < group.end(); ++key) {
      while (run_.book.incarnation(key) <= incarnation && incarnation < kMaxIncarnation) {
        run_.book.renew(key);
      }
    }
    return;
  }
  const bool in_transaction = random_.below(4) == 0;
  if (in_transaction) {
    command({"MULTI"});
    push_op({OpKind::ok});
  } else {
    begin_command(1 + 2 * group.count);
    word("MSET");
  }
  for (KeyId key = group.first; key < group.end(); ++key) {
    if (in_transaction) {
      begin_command(3);
      word("SET");
      push_op({OpKind::queued});
    }
    value_.clear();
    append_value(run_.book.info(key), key, version, number_, value_);
    key_word(key, incarnation_of(version));
    word(value_);
  }
  if (in_transaction) {
    command({"EXEC"});
  }
  for (KeyId key = group.first; key < group.end(); ++key) {
    Op op = read_op(in_transaction ? OpKind::exec_set : OpKind::mset, key);
    op.version = version;
    op.count = static_cast<std::uint8_t>(key == group.first ? group.count : 1);
    push_op(op);
  }
}

void Writer::erase(KeyId key, Version version) {
  if (pops_ && run_.book.info(key).shape == Shape::list && random_.below(2) == 0) {
    begin_command(7);
    for (const std::string_view text : {"BLMPOP", "1", "1"}) {
      word(text);
    }
    key_word(key, incarnation_of(version));
    for (const std::string_view text : {"LEFT", "COUNT", "100"}) {
      word(text);
    }
    done(OpKind::pop, key, version);
    return;
  }
  begin_command(2);
  word(random_.below(2) == 0 ? "DEL" : "UNLINK");
  key_word(key, incarnation_of(version));
  done(OpKind::del, key, version);
}

void Writer::increment(KeyId key) {
  const Version version = run_.book.issue(key);
  begin_command(2);
  word("INCR");
  key_word(key, incarnation_of(version));
  done(OpKind::incr, key, version);
}

void Writer::on_write(std::span<const Op> ops, const Reply& reply) {
  const Op& first = ops[0];
  release(first);
  if (first.kind == OpKind::incr) {
    if (judge_increment(first, reply)) {
      Op op = first;
      op.version = make_version(incarnation_of(first.version), static_cast<Version>(reply.integer));
      acknowledge(op);
      due_.add(op.key, op.version, replied_at());
    }
    return;
  }
  tally_.check(Check::previous).add();
  if (!is_write_reply(run_.book.info(first.key), first, reply)) {
    violated(Check::previous, first,
             "not the reply that follows state " + std::to_string(number_of(first.version) - 1));
  }
  for (const Op& op : ops) {
    acknowledge(op);
    due_.add(op.key, op.version, replied_at());
    if (op.ttl_ms != 0) {
      run_.expiry.on_acked(op.key, op.version, replied_at(), std::int64_t{op.ttl_ms} * 1'000'000);
    }
  }
}

void Writer::release(const Op& op) {
  if (held_by_[op.key] == op.version) {
    held_by_[op.key] = 0;
  }
}

void Writer::on_unknown(std::span<const Op> ops) {
  pops_ = pops_ && ops[0].kind != OpKind::pop;  // BLMPOP is there since Redis 7
  release(ops[0]);
  for (const Op& op : ops) {
    if (op.kind != OpKind::incr && doubtful_[op.key] == 0) {
      doubtful_[op.key] = 1;
      doubts_.push_back({replied_at() + kDoubt, op.key});
    }
  }
}

}  // namespace tiercache::verify
