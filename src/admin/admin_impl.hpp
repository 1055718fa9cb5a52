// Admin's inside: the table of subcommands and what each does. See admin.hpp.
#pragma once

#include "facts.hpp"
#include "info_reply.hpp"

#include "tiercache/admin/admin.hpp"
#include "tiercache/base/mutex.hpp"
#include "tiercache/invalidation/l1_walk.hpp"
#include "tiercache/warmup/hot_keys.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tiercache::admin {

// Answers that are owed while others work. What travels through the loops is only a number, so that
// no Responder is left in a queue when the workers go. Any thread.
class Owed {
 public:
  std::uint64_t add(proxy::Responder responder);
  // Once for each number.
  void reply(std::uint64_t number, std::string bytes);

 private:
  Mutex mutex_;
  std::uint64_t next_ TC_GUARDED_BY(mutex_) = 1;
  std::unordered_map<std::uint64_t, proxy::Responder> responders_ TC_GUARDED_BY(mutex_);
};

class Admin final : public proxy::Extensions {
 public:
  explicit Admin(AdminParts parts) : parts_(std::move(parts)) {
  }

  void cache_command(const proxy::Asker& asker, command::Args args,
                     proxy::Responder responder) override;
  std::string augment(command::Args args, std::string upstream_reply,
                      resp::Version version) override;
  std::optional<std::string> offline(command::Args args, resp::Version version) override;

 private:
  struct Request {
    const proxy::Asker& asker;
    command::Args args;
    invalidation::How how = invalidation::How::remove;
  };
  using Handler = void (Admin::*)(const Request&, proxy::Responder);
  struct Subcommand {
    std::string_view name;
    Handler handle;
  };
  static const Subcommand kSubcommands[];
  static const Subcommand kInvalidateActions[];
  static const Subcommand kWarmActions[];
  static const Subcommand kConfigActions[];
  static const Subcommand kSlowlogActions[];

  void help(const Request& request, proxy::Responder responder);
  void stats(const Request& request, proxy::Responder responder);
  void key(const Request& request, proxy::Responder responder);
  void explain(const Request& request, proxy::Responder responder);
  void flush(const Request& request, proxy::Responder responder);
  void hot(const Request& request, proxy::Responder responder);
  void invalidate(const Request& request, proxy::Responder responder);
  void invalidate_keys(const Request& request, proxy::Responder responder);
  void invalidate_namespace(const Request& request, proxy::Responder responder);
  void invalidate_soft(const Request& request, proxy::Responder responder);
  void invalidate_tag(const Request& request, proxy::Responder responder);
  void invalidate_prefix(const Request& request, proxy::Responder responder);
  void clients(const Request& request, proxy::Responder responder);
  void topology(const Request& request, proxy::Responder responder);
  void warm(const Request& request, proxy::Responder responder);
  void warm_start(const Request& request, proxy::Responder responder);
  void warm_status(const Request& request, proxy::Responder responder);
  void warm_stop(const Request& request, proxy::Responder responder);
  void slowlog(const Request& request, proxy::Responder responder);
  void slowlog_get(const Request& request, proxy::Responder responder);
  void slowlog_len(const Request& request, proxy::Responder responder);
  void slowlog_reset(const Request& request, proxy::Responder responder);
  void latency(const Request& request, proxy::Responder responder);
  void config(const Request& request, proxy::Responder responder);
  void config_get(const Request& request, proxy::Responder responder);
  void config_set(const Request& request, proxy::Responder responder);

  // The third word decides.
  void act(std::span<const Subcommand> actions, const Request& request, proxy::Responder responder);
  void go_on_listing(std::shared_ptr<warmup::HotKeys> hot, std::uint64_t number);
  void go_on_flushing(std::shared_ptr<invalidation::L1Walk> walk, std::uint64_t number);
  // What stands against it: empty unless the namespace is of tier l1.
  std::string lives_here(const Request& request, namespaces::Index index) const;
  // Replies with the count, or the error.
  invalidation::Invalidator::Done counted(std::uint64_t number);
  // Of handlers who are told of them.
  std::vector<invalidation::Notice> notices(const Request& request,
                                            invalidation::Notice::Scope scope,
                                            command::Args values);
  void invalidate_matching(const Request& request, invalidation::Notice::Scope scope,
                           const std::function<Result<invalidation::Selection>()>& select,
                           proxy::Responder responder);
  std::string sections(const InfoWish& wish, Upstream upstream) const;
  // Runs `work` on the control thread; its result is the reply.
  void on_control(proxy::Responder responder, std::function<std::string()> work);

  // Runs `work` on each worker's thread; the reply is OK.
  void on_workers(proxy::Responder responder, std::function<void(proxy::Worker&)> work);

  AdminParts parts_;
  Owed owed_;
};

}  // namespace tiercache::admin
