#include "pair.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace tiercache::twin {
namespace {

using testing::Client;
using testing::ClientError;
using testing::Value;

constexpr std::size_t kShown = 400;

// At 500 turns a second blocking commands end soon after their time-out.
std::vector<std::string> server_arguments(bool planted) {
  std::vector<std::string> arguments{"--hz", "500"};
  if (planted) {
    arguments.insert(arguments.end(), {"--databases", "8"});
  }
  return arguments;
}

std::vector<std::string> settings(L1 l1) {
  switch (l1) {
    case L1::on:
      break;
    case L1::off:
      return {"l1.enabled=false"};
    case L1::tiny:
      return {"l1.max_memory=1mb"};
  }
  return {};
}

std::string shown(std::string_view raw, std::size_t from = 0) {
  std::string text(from > 0 ? "... " : "");
  for (const char c : raw.substr(from, kShown)) {
    text += c == '\r' ? "\\r" : c == '\n' ? "\\n" : std::string(1, c);
  }
  return text;
}

// From a little before the first byte that differs.
Difference difference(std::size_t step, std::string what, std::string_view expected,
                      std::string_view actual) {
  const auto [one, other] = std::ranges::mismatch(expected, actual);
  const auto same = static_cast<std::size_t>(one - expected.begin());
  const std::size_t from = same > 100 ? same - 100 : 0;
  return {step, std::move(what), shown(expected, from), shown(actual, from)};
}

// Redis sends the keys of one turn of its loop together, and what stands in one turn is chance: so
// it counts which keys are named. The proxy's canaries are keys of the one server.
std::set<std::string> invalidated(const std::vector<Value>& messages) {
  std::set<std::string> keys;
  for (const Value& message : messages) {
    if (message.items.size() != 2 || message.items[0].text != "invalidate") {
      continue;
    }
    if (message.items[1].is_nil()) {
      keys.insert("(all)");
    }
    for (const Value& key : message.items[1].items) {
      keys.insert(key.text);
    }
  }
  return keys;
}

// In which order one message reaches several patterns is that of a hash table.
std::vector<Value> others(std::vector<Value> messages) {
  std::erase_if(messages, [](const Value& message) {
    return !message.items.empty() && message.items[0].text == "invalidate";
  });
  const auto same_message = [](const Value& one, const Value& other) {
    return one.items.size() == 4 && other.items.size() == 4 && one.items[2] == other.items[2] &&
           one.items[3] == other.items[3];
  };
  for (auto begin = messages.begin(); begin != messages.end();) {
    const auto end = std::find_if_not(
        begin, messages.end(), [&](const Value& message) { return same_message(*begin, message); });
    const auto stop = end == begin ? begin + 1 : end;
    std::sort(begin, stop, [](const Value& one, const Value& other) {
      return one.to_string() < other.to_string();
    });
    begin = stop;
  }
  return messages;
}

std::string shown(const std::vector<Value>& messages) {
  std::string text;
  for (const Value& message : messages) {
    text += message.to_string() + "\n";
  }
  return text.substr(0, kShown);
}

}  // namespace

Pair::Side::Side(std::uint16_t client_port, std::uint16_t server_port)
    : port(client_port), server(server_port), direct(server_port), helper(client_port) {
  direct.set_timeout(std::chrono::seconds(60));
  helper.set_timeout(std::chrono::seconds(60));
}

Pair::Pair(const Options& options)
    : twin_server_(server_arguments(options.planted)),
      server_(server_arguments(false)),
      options_(options),
      twin_(twin_server_.port(), twin_server_.port()),
      ours_((options.proxy ? proxy_.emplace(server_.port(), settings(options.l1)).port()
                           : server_.port()),
            server_.port()) {
  if (proxy_ && options.l1 != L1::off) {
    proxy_->wait_live();
  }
}

std::int64_t Pair::hits() {
  return proxy_ ? proxy_->stat("l1_hits") : 0;
}

void Pair::connect(unsigned client) {
  for (Side* side : {&twin_, &ours_}) {
    Client fresh(side->port, patience_);
    if (options_.version == 3) {
      fresh.call("HELLO", "3");
    }
    side->clients[client] = std::move(fresh);
    side->messages[client].clear();
  }
  models_[client] = Model(options_.version);
}

void Pair::reset() {
  twin_.clients.clear();
  ours_.clients.clear();
  reset(twin_);
  reset(ours_);
  settle();
  if (proxy_) {
    ours_.helper.call("CACHE", "FLUSH");
  }
  models_.assign(kClients, Model(options_.version));
  for (Side* side : {&twin_, &ours_}) {
    for (unsigned i = 0; i < kClients; ++i) {
      side->clients.emplace_back(side->port, patience_);
    }
    side->messages.assign(kClients, {});
  }
  for (unsigned i = 0; i < kClients; ++i) {
    connect(i);
  }
}

void Pair::reset(Side& side) {
  const std::vector<Words> commands{
      {"FUNCTION", "FLUSH"},
      {"SCRIPT", "FLUSH"},
      {"SCRIPT", "LOAD", "return 1"},
      {"FUNCTION", "LOAD",
       "#!lua name=samples\nredis.register_function{function_name='f1', "
       "callback=function() return 1 end, flags={'no-writes'}}"},
      {"CONFIG", "SET", "hash-max-listpack-entries", "128"},
      {"ACL", "DELUSER", "u9"},
      {"ACL", "SETUSER", "u1", "reset", "on", ">pw", "~*", "&*", "+@all"},
      {"ACL", "SETUSER", "u2", "reset", "on", ">pw", "~s*", "~h*", "&a*", "+@read", "+@string",
       "+@connection", "+@transaction", "+@pubsub"},
  };
  for (const Words& words : commands) {
    if (const Value reply = side.direct.call(words); reply.is_error()) {
      throw ClientError("reset: " + words[0] + ": " + reply.text);
    }
  }
  populate(side);
}

// And some collections too large for a compact encoding.
void Pair::populate(Side& side) {
  samples_->populate(side.direct);
  Words hash{"HSET", "h3"};
  Words set{"SADD", "S3"};
  Words list{"RPUSH", "l3"};
  Words zset{"ZADD", "z3"};
  Words lex{"ZADD", "lex1"};
  for (int i = 0; i < 200; ++i) {
    const std::string n = std::to_string(i);
    hash.insert(hash.end(), {"f" + n, n});
    set.push_back("m" + n);
    list.push_back(n);
    zset.insert(zset.end(), {n, "m" + n});
    lex.insert(lex.end(), {"0", "m" + n});
  }
  for (const Words& words : {hash, set, list, zset, lex}) {
    side.direct.call(words);
  }
}

// The proxy has heard of all that was written past it. The twin gets the script too, or it would
// not know it.
void Pair::settle() {
  twin_.helper.settle();
  ours_.helper.settle();
}

std::optional<Difference> Pair::run(const std::vector<Step>& steps) {
  std::size_t at = 0;
  try {
    reset();
    if (Found found = run_steps(steps, at)) {
      return found;
    }
    return compare_state(steps.size());
  } catch (const ClientError& error) {
    return Difference{at, std::string("no whole reply: ") + error.what(), "", ""};
  }
}

Pair::Found Pair::run_steps(const std::vector<Step>& steps, std::size_t& at) {
  while (at < steps.size()) {
    const Step& step = steps[at];
    Found found;
    std::size_t end = at + 1;
    switch (step.kind) {
      case Step::Kind::command: {
        std::vector<const Step*> batch_steps{&step};
        while (end < steps.size() && steps[end].kind == Step::Kind::command && steps[end].joined &&
               steps[end].client == step.client) {
          batch_steps.push_back(&steps[end++]);
        }
        found = batch(step.client, batch_steps, at);
        break;
      }
      case Step::Kind::direct:
        found = direct(step, at);
        break;
      case Step::Kind::populate:
        populate(twin_);
        populate(ours_);
        break;
      case Step::Kind::blocked:
        found = blocked(step, at);
        break;
    }
    if (found) {
      return found;
    }
    const bool past_proxy = step.kind == Step::Kind::direct || step.kind == Step::Kind::populate;
    if (past_proxy && (end == steps.size() || steps[end].kind != Step::Kind::direct)) {
      settle();
    }
    at = end;
  }
  return std::nullopt;
}

Pair::Sent Pair::ask_twin(unsigned client, const Words& words, std::size_t step) {
  Model& model = models_[client];
  Client& twin = twin_.clients[client];
  Sent sent{.step = step, .words = words};
  twin.send(words);
  sent.reading = model.on_request(words);
  while (model.awaited() > 0) {
    Value frame = twin.read();
    if (sent.reading.is_message(frame)) {
      twin_.messages[client].push_back(std::move(frame));
      continue;
    }
    model.on_reply(frame);
    sent.replies.push_back(std::move(frame));
    sent.raw.push_back(twin.last_raw());
  }
  Tally::Count& count = tally_.commands[name_of(words)];
  ++tally_.requests;
  ++count.sent;
  count.done += sent.replies.empty() || !sent.replies[0].is_error() ? 1 : 0;
  return sent;
}

Pair::Found Pair::batch(unsigned client, const std::vector<const Step*>& steps, std::size_t first) {
  std::vector<Sent> sent;
  std::string bytes;
  const auto deliver = [&]() -> Found {
    ours_.clients[client].send_raw(std::exchange(bytes, {}));
    for (const Sent& one : std::exchange(sent, {})) {
      if (Found found = compare(client, one)) {
        return found;
      }
    }
    return std::nullopt;
  };
  for (std::size_t i = 0; i < steps.size() && !models_[client].closed(); ++i) {
    const Words& words = steps[i]->words;
    // Redis tells who tracks with BCAST at the end of its turn, of writes in the same turn as a
    // RESET not at all; the twin is asked one by one.
    if (models_[client].hears() && name_of(words) == "reset") {
      if (Found found = deliver()) {
        return found;
      }
    }
    if (models_[client].allows(words)) {
      sent.push_back(ask_twin(client, words, first + i));
      const std::vector<std::string_view> views(words.begin(), words.end());
      bytes += Client::encode(views);
    }
  }
  if (Found found = deliver()) {
    return found;
  }
  if (models_[client].closed()) {
    if (!ours_.clients[client].wait_closed(patience_)) {
      return Difference{first, "the connection is not closed", "", ""};
    }
    connect(client);
    return std::nullopt;
  }
  return finish(client, first + steps.size() - 1);
}

Pair::Found Pair::compare(unsigned client, const Sent& sent) {
  Client& ours = ours_.clients[client];
  for (std::size_t i = 0; i < sent.replies.size(); ++i) {
    Value actual;
    try {
      actual = ours.read();
      while (sent.reading.is_message(actual)) {
        ours_.messages[client].push_back(std::move(actual));
        actual = ours.read();
      }
    } catch (const ClientError& error) {
      return Difference{sent.step, error.what(), shown(sent.raw[i]), ""};
    }
    const Value& expected = sent.replies[i];
    if (ours.last_raw() == sent.raw[i]) {
      continue;
    }
    const std::vector<Queued>& exec = sent.reading.exec;
    if (exec.empty()) {
      if (!equal(sent.reading.compare, expected, actual)) {
        return difference(sent.step, "replies differ", sent.raw[i], ours.last_raw());
      }
      continue;
    }
    if (!expected.is_aggregate() || actual.type != expected.type ||
        expected.items.size() != exec.size() || actual.items.size() != exec.size()) {
      return difference(sent.step, "replies to EXEC differ", sent.raw[i], ours.last_raw());
    }
    for (std::size_t j = 0; j < exec.size(); ++j) {
      if (expected.items[j] != actual.items[j] &&
          !equal(exec[j].compare, expected.items[j], actual.items[j])) {
        const Step queued{.client = client, .words = exec[j].words};
        return difference(sent.step, "in EXEC's reply differs " + to_string(queued),
                          expected.items[j].to_string(), actual.items[j].to_string());
      }
    }
  }
  return std::nullopt;
}

Pair::Found Pair::finish(unsigned client, std::size_t step) {
  const auto also = [&](const Words& words) {
    const Sent sent = ask_twin(client, words, step);
    ours_.clients[client].send(words);
    return compare(client, sent);
  };
  if (models_[client].silent()) {
    if (Found found = also({"PING", "muted"})) {  // a SKIP means one request
      return found;
    }
    if (Found found = also({"CLIENT", "REPLY", "ON"})) {
      return found;
    }
  }
  if (!models_[client].hears() || models_[client].in_multi()) {
    return std::nullopt;
  }
  if (Found found = also({"PING", "turn" + std::to_string(++marker_)})) {
    return found;
  }
  const std::vector<Value> expected = std::move(twin_.messages[client]);
  const std::vector<Value> actual = std::move(ours_.messages[client]);
  twin_.messages[client].clear();
  ours_.messages[client].clear();
  if (others(expected) != others(actual) || invalidated(expected) != invalidated(actual)) {
    return Difference{step, "messages differ", shown(expected), shown(actual)};
  }
  return std::nullopt;
}

Pair::Found Pair::direct(const Step& step, std::size_t at) {
  const Value expected = twin_.direct.call(step.words);
  const Value actual = ours_.direct.call(step.words);
  if (expected == actual || equal(compare_of(name_of(step.words), step.words), expected, actual)) {
    return std::nullopt;
  }
  return Difference{at, "the servers themselves differ", expected.to_string(), actual.to_string()};
}

void Pair::wait_blocked(Side& side, Client& client, std::optional<Value>& early) {
  const bool seen = testing::eventually([&] {
    early = client.try_read(std::chrono::milliseconds(0));
    return early ||
           side.direct.call("INFO", "clients").text.find("blocked_clients:0") == std::string::npos;
  });
  if (!seen) {
    throw ClientError("neither blocked nor answered");
  }
}

Pair::Found Pair::blocked(const Step& step, std::size_t at) {
  if (models_[step.client].silent() || models_[step.client].hears() ||
      models_[step.client].in_multi()) {
    return std::nullopt;
  }
  std::string told[2];
  Side* const sides[] = {&twin_, &ours_};
  for (std::size_t i = 0; i < 2; ++i) {
    Side& side = *sides[i];
    Client& client = side.clients[step.client];
    const Value id = client.call("CLIENT", "ID");
    client.send(step.words);
    std::optional<Value> reply;
    wait_blocked(side, client, reply);
    told[i] = side.helper.call(step.wake).to_string();
    told[i] += "; " + side.helper.call("CLIENT", "UNBLOCK", std::to_string(id.integer)).to_string();
    if (!reply) {
      reply = client.read();
    }
    told[i] += "; " + client.last_raw();
  }
  ++tally_.requests;
  ++tally_.commands[name_of(step.words)].sent;
  if (told[0] == told[1]) {
    return std::nullopt;
  }
  return Difference{at, "a blocked client is answered differently", told[0], told[1]};
}

Pair::Found Pair::compare_state(std::size_t at) {
  for (const char* db : {"0", "1", "2"}) {
    std::set<std::string> names;
    for (Side* side : {&twin_, &ours_}) {
      side->direct.call("SELECT", db);
      for (const Value& key : side->direct.call("KEYS", "*").items) {
        names.insert(key.text);
      }
    }
    Words words{"DEBUG", "DIGEST-VALUE"};
    words.insert(words.end(), names.begin(), names.end());
    const Value expected = twin_.direct.call(words);
    const Value actual = ours_.direct.call(words);
    twin_.direct.call("SELECT", "0");
    ours_.direct.call("SELECT", "0");
    for (std::size_t i = 0; i < expected.items.size() && i < actual.items.size(); ++i) {
      if (expected.items[i] != actual.items[i]) {
        return Difference{at,
                          "the servers hold different values of " + words[i + 2] + " in db " + db,
                          expected.items[i].text, actual.items[i].text};
      }
    }
  }
  return std::nullopt;
}

}  // namespace tiercache::twin
