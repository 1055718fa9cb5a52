#include "admin_impl.hpp"
#include "command_reply.hpp"
#include "facts.hpp"
#include "info_reply.hpp"
#include "replies.hpp"
#include "words.hpp"

#include "tiercache/command/cache_docs.hpp"
#include "tiercache/command/table.hpp"
#include "tiercache/proxy/gather.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <span>
#include <vector>

#include <boost/asio/post.hpp>

namespace tiercache::admin {

namespace {

Time now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

std::uint64_t Owed::add(proxy::Responder responder) {
  MutexLock lock(mutex_);
  const std::uint64_t number = next_++;
  responders_.emplace(number, std::move(responder));
  return number;
}

void Owed::reply(std::uint64_t number, std::string bytes) {
  MutexLock lock(mutex_);
  const auto found = responders_.find(number);
  if (found != responders_.end()) {
    found->second.reply(std::move(bytes));
    responders_.erase(found);
  }
}

const Admin::Subcommand Admin::kSubcommands[] = {
    {"cache|clients", &Admin::clients},
    {"cache|config", &Admin::config},
    {"cache|explain", &Admin::explain},
    {"cache|flush", &Admin::flush},
    {"cache|help", &Admin::help},
    {"cache|hot", &Admin::hot},
    {"cache|invalidate", &Admin::invalidate},
    {"cache|key", &Admin::key},
    {"cache|latency", &Admin::latency},
    {"cache|slowlog", &Admin::slowlog},
    {"cache|stats", &Admin::stats},
    {"cache|topology", &Admin::topology},
    {"cache|warm", &Admin::warm},
};

void Admin::cache_command(const proxy::Asker& asker, command::Args args,
                          proxy::Responder responder) {
  if (args.size() < 2) {
    responder.reply(wrong_arguments("cache"));
    return;
  }
  const std::string name = "cache|" + lower_case(args[1]);
  const command::Command* command = command::Table::builtin()->find_name(name);
  for (const Subcommand& sub : kSubcommands) {
    if (command != nullptr && sub.name == name) {
      if (!command::arity_fits(*command, args)) {
        responder.reply(wrong_arguments(name));
        return;
      }
      (this->*sub.handle)({asker, args}, std::move(responder));
      return;
    }
  }
  responder.reply(unknown_subcommand(args[1]));
}

void Admin::on_control(proxy::Responder responder, std::function<std::string()> work) {
  const std::uint64_t number = owed_.add(std::move(responder));
  boost::asio::post(parts_.control,
                    [this, number, work = std::move(work)] { owed_.reply(number, work()); });
}

void Admin::help(const Request& /*request*/, proxy::Responder responder) {
  std::vector<std::string> lines{"CACHE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"};
  constexpr std::string_view kPrefix = "CACHE ";
  for (const command::CommandDoc& doc : command::cache_subcommand_docs()) {
    lines.emplace_back(doc.syntax.substr(doc.syntax.starts_with(kPrefix) ? kPrefix.size() : 0));
    lines.push_back(std::string("    ").append(doc.summary));
  }
  std::string out;
  resp::append_array_header(out, lines.size());
  for (const std::string& line : lines) {
    resp::append_simple(out, line);
  }
  responder.reply(std::move(out));
}

void Admin::stats(const Request& request, proxy::Responder responder) {
  responder.reply(facts_reply(stats_facts(parts_, now()), request.asker.version));
}

namespace {

std::string_view ttl_name(l1::Ttl ttl) {
  switch (ttl) {
    case l1::Ttl::none:
      return "none";
    case l1::Ttl::exact:
      return "exact";
    case l1::Ttl::capped:
      return "capped";
    case l1::Ttl::missing:
      return "missing";
  }
  return "none";
}

void append_entry(std::string& out, const l1::Entry& entry, Time at, resp::Version version) {
  const auto commands = command::Table::builtin()->commands();
  resp::append_map_header(out, 6, version);
  resp::append_bulk(out, "command");
  resp::append_bulk(out, entry.command() < commands.size() ? commands[entry.command()].name : "");
  resp::append_bulk(out, "bytes");
  resp::append_integer(out, static_cast<std::int64_t>(entry.reply().size()));
  resp::append_bulk(out, "ttl_ms");
  resp::append_integer(out, entry.expire_at() == kNever
                                ? -1
                                : (entry.expire_at() - at) / std::chrono::milliseconds(1));
  resp::append_bulk(out, "redis_ttl");
  resp::append_bulk(out, ttl_name(entry.ttl()));
  resp::append_bulk(out, "fenced");
  resp::append_integer(out, entry.fenced() ? 1 : 0);
  resp::append_bulk(out, "negative");
  resp::append_integer(out, entry.negative() ? 1 : 0);
}

}  // namespace

// Which shard has the key is the cache's own knowledge: all are asked, the others have nothing.
void Admin::key(const Request& request, proxy::Responder responder) {
  const resp::Version version = request.asker.version;
  const std::string_view name = request.args[2];
  coherence::Cache& cache = parts_.hub.node_of(name).cache;
  const l1::Key key{cache.hash(request.asker.db, name), request.asker.db, name};
  const coherence::View view = cache.status().view();
  const Time at = now();
  std::size_t count = 0;
  std::string entries;
  cache.for_each_shard([&](coherence::Shard& shard) {
    l1::Store& store = shard.store();
    store.for_each_variant(key, [&](l1::Entry& entry) {
      if (store.alive(entry, at, view.generation)) {
        count++;
        append_entry(entries, entry, at, version);
      }
    });
  });
  std::string out;
  resp::append_map_header(out, 3, version);
  resp::append_bulk(out, "db");
  resp::append_integer(out, request.asker.db);
  resp::append_bulk(out, "state");
  resp::append_bulk(out, count == 0 ? "absent" : "cached");
  resp::append_bulk(out, "entries");
  resp::append_array_header(out, count);
  out.append(entries);
  responder.reply(std::move(out));
}

void Admin::clients(const Request& request, proxy::Responder responder) {
  using Lines = std::vector<std::pair<std::uint64_t, std::string>>;
  const auto ask = [](const proxy::Worker& worker) {
    Lines lines;
    worker.each_client([&](const proxy::ClientFacts& client) {
      lines.emplace_back(client.id, client_line(client, worker.index()));
    });
    return lines;
  };
  const std::uint64_t number = owed_.add(std::move(responder));
  const resp::Version version = request.asker.version;
  proxy::gather<Lines>(parts_.hub, ask, [this, number, version](std::vector<Lines> parts) {
    Lines all;
    for (Lines& part : parts) {
      std::move(part.begin(), part.end(), std::back_inserter(all));
    }
    std::ranges::sort(all);
    std::string text;
    for (const auto& line : all) {
      text.append(line.second);
    }
    std::string out;
    resp::append_verbatim(out, "txt", text, version);
    owed_.reply(number, std::move(out));
  });
}

std::string Admin::augment(command::Args args, std::string upstream_reply, resp::Version version) {
  if (args.empty()) {
    return upstream_reply;
  }
  const std::string name = lower_case(args[0]);
  if (name == "command") {
    return with_cache_command(args, std::move(upstream_reply), version);
  }
  const InfoWish wish = info_wish(args);
  const auto text = info_text(upstream_reply);
  const std::uint32_t paused = parts_.hub.paused.load(std::memory_order_relaxed);
  if (name != "info" || !text || !(wish.any() || paused > 0)) {
    return upstream_reply;
  }
  return info_reply(paused > 0 ? with_blocked(*text, paused) : *text,
                    sections(wish, Upstream::as_seen), version);
}

std::optional<std::string> Admin::offline(command::Args args, resp::Version version) {
  const InfoWish wish = info_wish(args);
  if (args.empty() || lower_case(args[0]) != "info" || !wish.any()) {
    return std::nullopt;
  }
  return info_reply("", sections(wish, Upstream::down), version);
}

std::string Admin::sections(const InfoWish& wish, Upstream upstream) const {
  std::string text;
  if (wish.tiercache) {
    text = tiercache_section(parts_, now());
  }
  if (wish.tiers) {
    text.append(text.empty() ? "" : "\r\n").append(tiers_section(parts_, upstream, now()));
  }
  return text;
}

std::unique_ptr<proxy::Extensions> make_admin(AdminParts parts) {
  return std::make_unique<Admin>(std::move(parts));
}

}  // namespace tiercache::admin
