// hiredis against one server: its blocking calls, its pipelines and its asynchronous interface; a
// fixed list of operations, one line of transcript for each.
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/time.h>

namespace {

constexpr int kSeconds = 60;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "hiredis: %s\n", what.c_str());
  std::exit(1);
}

std::string text_of(const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_NIL:
      return "(nil)";
    case REDIS_REPLY_INTEGER:
      return std::to_string(reply.integer);
    case REDIS_REPLY_ARRAY: {
      std::string text = "[";
      for (std::size_t i = 0; i < reply.elements; ++i) {
        text += (i == 0 ? "" : ", ") + text_of(*reply.element[i]);
      }
      return text + "]";
    }
    default:
      break;
  }
  const std::string_view kind = reply.type == REDIS_REPLY_ERROR    ? "error "
                                : reply.type == REDIS_REPLY_STATUS ? "status "
                                                                   : "";
  std::string text(kind);
  for (const char c : std::string_view(reply.str, reply.len)) {
    text += c >= ' ' && c <= '~' ? c : '?';
  }
  return reply.len > 200 ? std::to_string(reply.len) + " bytes" : text;
}

struct FreeReply {
  void operator()(redisReply* reply) const {
    freeReplyObject(reply);
  }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

class Connection {
 public:
  Connection(const char* host, int port)
      : context_(redisConnectWithTimeout(host, port, timeval{kSeconds, 0})) {
    if (context_ == nullptr || context_->err != 0) {
      fail("connect");
    }
    redisSetTimeout(context_, timeval{kSeconds, 0});
  }
  ~Connection() {
    redisFree(context_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  std::string call(std::initializer_list<std::string_view> words) {
    append(words);
    return next();
  }
  void append(std::initializer_list<std::string_view> words) {
    std::vector<const char*> data;
    std::vector<std::size_t> sizes;
    for (const std::string_view word : words) {
      data.push_back(word.data());
      sizes.push_back(word.size());
    }
    redisAppendCommandArgv(context_, static_cast<int>(data.size()), data.data(), sizes.data());
  }
  std::string next() {
    void* raw = nullptr;
    if (redisGetReply(context_, &raw) != REDIS_OK) {
      fail(context_->errstr);
    }
    return text_of(*Reply(static_cast<redisReply*>(raw)));
  }
  void say(std::initializer_list<std::string_view> words) {
    std::string line;
    for (const std::string_view word : words) {
      line.append(line.empty() ? "" : " ").append(word.size() > 40 ? "(long)" : word);
    }
    std::printf("%s: %s\n", line.c_str(), call(words).c_str());
  }

 private:
  redisContext* context_;
};

// The smallest event loop that the asynchronous interface can live on.
struct Loop {
  bool reads = false;
  bool writes = false;

  void attach(redisAsyncContext& context) {
    context.ev.data = this;
    context.ev.addRead = [](void* self) {
      static_cast<Loop*>(self)->reads = true;
    };
    context.ev.delRead = [](void* self) {
      static_cast<Loop*>(self)->reads = false;
    };
    context.ev.addWrite = [](void* self) {
      static_cast<Loop*>(self)->writes = true;
    };
    context.ev.delWrite = [](void* self) {
      static_cast<Loop*>(self)->writes = false;
    };
    context.ev.cleanup = [](void* self) {
      *static_cast<Loop*>(self) = Loop{};
    };
  }
  void run_once(redisAsyncContext& context) {
    pollfd entry{context.c.fd, static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)),
                 0};
    if (poll(&entry, 1, kSeconds * 1000) <= 0) {
      fail("nothing happens");
    }
    if ((entry.revents & POLLOUT) != 0) {
      redisAsyncHandleWrite(&context);
    }
    if ((entry.revents & ~POLLOUT) != 0) {
      redisAsyncHandleRead(&context);
    }
  }
};

std::vector<std::string> heard;

void on_reply(redisAsyncContext*, void* reply, void* name) {
  if (reply != nullptr) {
    heard.push_back(std::string(static_cast<const char*>(name)) + ": " +
                    text_of(*static_cast<redisReply*>(reply)));
  }
}

void* name(const char* text) {
  return const_cast<char*>(text);
}

void asynchronous(const char* host, int port, Connection& other) {
  redisAsyncContext* const context = redisAsyncConnect(host, port);
  if (context == nullptr || context->err != 0) {
    fail("asynchronous connect");
  }
  Loop loop;
  loop.attach(*context);
  const auto until = [&](std::size_t count) {
    while (heard.size() < count) {
      loop.run_once(*context);
    }
    for (const std::string& line : heard) {
      std::printf("%s\n", line.c_str());
    }
    heard.clear();
  };
  for (int i = 0; i < 50; ++i) {
    redisAsyncCommand(context, on_reply, name("async incr"), "INCR async");
    redisAsyncCommand(context, on_reply, name("async get"), "GET async");
    redisAsyncCommand(context, on_reply, name("async lrange"), "LRANGE l 0 -1");
  }
  until(150);
  redisAsyncCommand(context, on_reply, name("subscribe"), "SUBSCRIBE news more");
  until(2);
  other.say({"PUBLISH", "news", "one"});
  other.say({"PUBLISH", "more", "two"});
  until(2);
  redisAsyncCommand(context, nullptr, nullptr, "UNSUBSCRIBE news");
  until(1);
  redisAsyncFree(context);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    return 2;
  }
  const int port = std::atoi(argv[2]);
  Connection first(argv[1], port);
  Connection second(argv[1], port);
  first.say({"FLUSHALL"});
  const std::string large(300'000, 'x');
  first.say({"SET", "s", "value"});
  first.say({"SET", "large", large});
  first.say({"RPUSH", "l", "a", std::string_view("\0\r\n", 3), ""});
  first.say({"HSET", "h", "a", "1", "b", "2"});
  first.say({"ZADD", "z", "1", "one", "2.5", "two"});
  for (int turn = 0; turn < 5; ++turn) {
    first.say({"GET", "s"});
    first.say({"GET", "large"});
    first.say({"LRANGE", "l", "0", "-1"});
    first.say({"HGETALL", "h"});
    first.say({"HGET", "h", "none"});
    first.say({"ZRANGE", "z", "0", "-1", "WITHSCORES"});
    first.say({"MGET", "s", "none", "l"});
    first.say({"TTL", "s"});
    second.say({"APPEND", "s", "+"});
    second.say({"HINCRBY", "h", "a", "1"});
  }
  first.say({"LPUSH", "s", "x"});
  first.say({"GET"});
  first.say({"NOSUCH", "x"});
  for (int i = 0; i < 1000; ++i) {
    first.append({"INCR", "n"});
    first.append({"GET", "n"});
    first.append({"GET", "s"});
  }
  for (int i = 0; i < 3000; ++i) {
    std::printf("%s%s", first.next().c_str(), i % 30 == 29 ? "\n" : " ");
  }
  first.say({"MULTI"});
  first.say({"INCR", "n"});
  first.say({"LRANGE", "l", "0", "-1"});
  first.say({"EXEC"});
  first.say({"WATCH", "n"});
  second.say({"INCR", "n"});
  first.say({"MULTI"});
  first.say({"GET", "n"});
  first.say({"EXEC"});
  first.say({"EVAL", "return {KEYS[1], ARGV[1], false, 3}", "1", "k", "v"});
  first.say({"BLPOP", "none", "0.01"});
  first.say({"SELECT", "1"});
  first.say({"GET", "s"});
  asynchronous(argv[1], port, second);
  first.say({"QUIT"});
  return 0;
}
