// CACHE WARM and CACHE CONFIG: what runs on the control thread.
#include "admin_impl.hpp"
#include "facts.hpp"
#include "replies.hpp"
#include "words.hpp"

#include "tiercache/config/load.hpp"
#include "tiercache/config/schema.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

namespace tiercache::admin {

const Admin::Subcommand Admin::kWarmActions[] = {
    {"start", &Admin::warm_start},
    {"status", &Admin::warm_status},
    {"stop", &Admin::warm_stop},
};

const Admin::Subcommand Admin::kConfigActions[] = {
    {"get", &Admin::config_get},
    {"set", &Admin::config_set},
};

void Admin::act(std::span<const Subcommand> actions, const Request& request,
                proxy::Responder responder) {
  const std::string name = lower_case(request.args[2]);
  for (const Subcommand& action : actions) {
    if (action.name == name) {
      (this->*action.handle)(request, std::move(responder));
      return;
    }
  }
  responder.reply(unknown_subcommand(request.args[2]));
}

void Admin::warm(const Request& request, proxy::Responder responder) {
  act(kWarmActions, request, std::move(responder));
}

void Admin::warm_start(const Request& request, proxy::Responder responder) {
  const command::Args args = request.args;
  if (args.size() < 4 || args.size() % 2 != 0) {
    responder.reply(args.size() < 4 ? wrong_arguments("cache|warm")
                                    : error_reply("ERR syntax error"));
    return;
  }
  const ConfigPtr settings = parts_.settings.get();
  warmup::Job job;
  job.db = request.asker.db;
  job.pattern = args[3];
  job.rate = settings->warm.rate;
  job.batch = settings->warm.batch;
  for (std::size_t i = 4; i < args.size(); i += 2) {
    const std::string option = lower_case(args[i]);
    const auto number = positive_number(args[i + 1]);
    if (option != "limit" && option != "rate") {
      responder.reply(error_reply("ERR syntax error"));
      return;
    }
    if (!number || (option == "rate" && *number > std::numeric_limits<std::uint32_t>::max())) {
      responder.reply(error_reply("ERR value is not an integer or out of range"));
      return;
    }
    if (option == "limit") {
      job.limit = *number;
    } else {
      job.rate = static_cast<std::uint32_t>(*number);
    }
  }
  if (!settings->l1.enabled) {
    responder.reply(error_reply("ERR there is nothing to warm: l1.enabled is false"));
    return;
  }
  on_control(std::move(responder), [this, job = std::move(job)] {
    const Status status = parts_.warmup.start(job);
    return status ? std::string("+OK\r\n") : error_reply("ERR " + status.error().detail);
  });
}

void Admin::warm_status(const Request& request, proxy::Responder responder) {
  if (request.args.size() != 3) {
    responder.reply(wrong_arguments("cache|warm"));
    return;
  }
  std::vector<Fact> facts = warm_facts(parts_.warmup.progress());
  for (Fact& fact : facts) {
    constexpr std::string_view kPrefix = "warm_";
    fact.name.erase(0, kPrefix.size());
  }
  const resp::Version version = request.asker.version;
  std::string out;
  resp::append_map_header(out, facts.size() + 1, version);
  for (const Fact& fact : facts) {
    append_fact(out, fact);
  }
  const std::vector<warmup::NamedProgress> all = parts_.warmups.progress();
  resp::append_bulk(out, "warmups");
  resp::append_array_header(out, all.size());
  for (const warmup::NamedProgress& one : all) {
    out += facts_reply(warmup_facts(one), version);
  }
  responder.reply(std::move(out));
}

void Admin::warm_stop(const Request& request, proxy::Responder responder) {
  if (request.args.size() != 3) {
    responder.reply(wrong_arguments("cache|warm"));
    return;
  }
  on_control(std::move(responder), [this] {
    return parts_.warmup.stop() ? std::string("+OK\r\n") : error_reply("ERR no warmup is running");
  });
}

void Admin::config(const Request& request, proxy::Responder responder) {
  act(kConfigActions, request, std::move(responder));
}

void Admin::config_get(const Request& request, proxy::Responder responder) {
  std::vector<std::pair<std::string, std::string>> found;
  const ConfigPtr settings = parts_.settings.get();
  for (const std::string_view pattern : request.args.subspan(3)) {
    for (auto& setting : config::get_matching(*settings, pattern)) {
      if (std::ranges::find(found, setting) == found.end()) {
        found.push_back(std::move(setting));
      }
    }
  }
  std::string out;
  resp::append_map_header(out, found.size(), request.asker.version);
  for (const auto& [name, value] : found) {
    resp::append_bulk(out, name);
    resp::append_bulk(out, value);
  }
  responder.reply(std::move(out));
}

// All or none.
void Admin::config_set(const Request& request, proxy::Responder responder) {
  if (request.args.size() < 5 || request.args.size() % 2 == 0) {
    responder.reply(wrong_arguments("cache|config"));
    return;
  }
  std::vector<std::string> words(request.args.begin() + 3, request.args.end());
  on_control(std::move(responder), [this, words = std::move(words)] {
    config::Config next = *parts_.settings.get();
    for (std::size_t i = 0; i < words.size(); i += 2) {
      if (Status status = config::set_live(next, words[i], words[i + 1]); !status) {
        return error_reply(
            std::string("ERR CACHE CONFIG SET failed (possibly related to argument '")
                .append(shown(words[i]))
                .append("') - ")
                .append(status.error().detail));
      }
    }
    parts_.settings.apply(std::make_shared<const config::Config>(std::move(next)));
    return std::string("+OK\r\n");
  });
}

}  // namespace tiercache::admin
