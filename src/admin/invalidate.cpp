// CACHE FLUSH and CACHE INVALIDATE: letting go of copies.
#include "admin_impl.hpp"
#include "replies.hpp"
#include "words.hpp"

#include "tiercache/base/glob.hpp"
#include "tiercache/base/words.hpp"
#include "tiercache/invalidation/l1_walk.hpp"

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>

namespace tiercache::admin {

using invalidation::L1Walk;
using invalidation::Notice;

namespace {

std::string integer_reply(std::int64_t value) {
  std::string out;
  resp::append_integer(out, value);
  return out;
}

}  // namespace

// A flush only empties: it says nothing about Redis. So a flight that is under way may still
// commit what it brings, for that is true.
void Admin::flush(const Request& request, proxy::Responder responder) {
  if (request.args.size() > 3) {
    responder.reply(wrong_arguments("cache|flush"));
    return;
  }
  const bool everything = request.args.size() == 2;
  std::vector<L1Walk::Part> parts;
  for (const proxy::Node& node : parts_.hub.nodes()) {
    if (everything) {
      // Dead from here on; the walk gives the memory back and counts.
      node.cache.status().bump_generation();
      parts.push_back({&node.cache, [generation = node.cache.status().view().generation](
                                        const l1::Store& store, const l1::Entry& entry) {
                         return store.generation_of(entry) < generation;
                       }});
    } else {
      parts.push_back({&node.cache, [db = request.asker.db, pattern = std::string(request.args[2])](
                                        const l1::Store&, const l1::Entry& entry) {
                         return entry.db() == db && glob_match(pattern, entry.key());
                       }});
    }
  }
  go_on_flushing(std::make_shared<L1Walk>(std::move(parts)), owed_.add(std::move(responder)));
}

void Admin::go_on_flushing(std::shared_ptr<L1Walk> walk, std::uint64_t number) {
  boost::asio::post(parts_.control, [this, walk = std::move(walk), number] {
    if (walk->step(std::chrono::steady_clock::now())) {
      owed_.reply(number, integer_reply(walk->erased()));
    } else {
      go_on_flushing(walk, number);
    }
  });
}

const Admin::Subcommand Admin::kInvalidateActions[] = {
    {"key", &Admin::invalidate_keys},      {"namespace", &Admin::invalidate_namespace},
    {"prefix", &Admin::invalidate_prefix}, {"soft", &Admin::invalidate_soft},
    {"tag", &Admin::invalidate_tag},
};

void Admin::invalidate(const Request& request, proxy::Responder responder) {
  act(kInvalidateActions, request, std::move(responder));
}

std::vector<Notice> Admin::notices(const Request& request, Notice::Scope scope,
                                   command::Args values) {
  std::vector<Notice> notices;
  if (parts_.handlers.wants(Notice::Kind::command)) {
    const std::string_view name =
        scope == Notice::Scope::tag ? request.args[3] : std::string_view();
    for (const std::string_view value : values) {
      notices.push_back({Notice::Kind::command, scope, std::string(name), std::string(value),
                         request.asker.db, request.how == invalidation::How::soften});
    }
  }
  return notices;
}

invalidation::Invalidator::Done Admin::counted(std::uint64_t number) {
  return [this, number](const Result<std::int64_t>& removed) {
    owed_.reply(number, removed ? integer_reply(removed.value())
                                : error_reply("ERR tiercache: not all copies are invalidated: " +
                                              removed.error().detail));
  };
}

// SOFT goes before what it is about, since a key may be called so.
void Admin::invalidate_soft(const Request& request, proxy::Responder responder) {
  std::vector<std::string_view> args{request.args[0], request.args[1]};
  args.insert(args.end(), request.args.begin() + 3, request.args.end());
  if (args.size() < 4 || request.how == invalidation::How::soften) {
    responder.reply(wrong_arguments("cache|invalidate"));
    return;
  }
  act(kInvalidateActions, {request.asker, args, invalidation::How::soften}, std::move(responder));
}

// Those have no copies.
std::string Admin::lives_here(const Request& request, namespaces::Index index) const {
  const proxy::Spaces& spaces = parts_.hub.workers.at(request.asker.worker)->spaces();
  if (spaces.local(index) == proxy::Spaces::kNotLocal) {
    return {};
  }
  return "the keys of namespace '" + spaces.set().at(index).name +
         "' live in the proxy alone; DEL removes them";
}

void Admin::invalidate_keys(const Request& request, proxy::Responder responder) {
  const proxy::Spaces& spaces = parts_.hub.workers.at(request.asker.worker)->spaces();
  std::vector<std::string> keys;
  for (const std::string_view key : request.args.subspan(3)) {
    if (const std::string why = lives_here(request, spaces.find(key)); !why.empty()) {
      responder.reply(error_reply("ERR tiercache: " + why));
      return;
    }
    keys.emplace_back(key);
  }
  std::vector<Notice> told = notices(request, Notice::Scope::key, request.args.subspan(3));
  parts_.invalidator.keys(
      request.asker.db, std::move(keys), request.how,
      parts_.handlers.told(std::move(told), counted(owed_.add(std::move(responder)))));
}

// The last word may be WAIT: then the answer is the count, once all copies are gone. Handlers are
// told at that time in any case.
void Admin::invalidate_matching(const Request& request, Notice::Scope scope,
                                const std::function<Result<invalidation::Selection>()>& select,
                                proxy::Responder responder) {
  const std::size_t words = scope == Notice::Scope::tag ? 5 : 4;
  const bool waits = request.args.size() == words + 1 && is_word(request.args.back(), "wait");
  if (request.args.size() != words + (waits ? 1 : 0)) {
    responder.reply(wrong_arguments("cache|invalidate"));
    return;
  }
  Result<invalidation::Selection> selection = select();
  if (!selection) {
    responder.reply(error_reply("ERR tiercache: " + selection.error().detail));
    return;
  }
  using invalidation::Invalidator;
  const std::uint64_t number = owed_.add(std::move(responder));
  const Status begun = parts_.invalidator.matching(
      std::move(selection).value(), request.how, Invalidator::Tell::first_outcome,
      waits ? counted(number) : Invalidator::Done(),
      parts_.handlers.told(notices(request, scope, request.args.subspan(words - 1, 1)), {}));
  if (!begun) {
    owed_.reply(number, error_reply("ERR tiercache: " + begun.error().detail));
  } else if (!waits) {
    owed_.reply(number, "+OK\r\n");
  }
}

void Admin::invalidate_namespace(const Request& request, proxy::Responder responder) {
  const auto select = [&]() -> Result<invalidation::Selection> {
    const namespaces::Index index = parts_.invalidator.find(request.args[3]);
    if (index == namespaces::kDefault) {
      return Error{ErrorCode::invalid, "there is no namespace '" + shown(request.args[3]) + "'"};
    }
    if (std::string why = lives_here(request, index); !why.empty()) {
      return Error{ErrorCode::invalid, std::move(why)};
    }
    return invalidation::Selection{request.asker.db, index, {}};
  };
  invalidate_matching(request, Notice::Scope::space, select, std::move(responder));
}

void Admin::invalidate_prefix(const Request& request, proxy::Responder responder) {
  const auto select = [&]() -> Result<invalidation::Selection> {
    return invalidation::Selection{request.asker.db, namespaces::kDefault,
                                   std::string(request.args[3])};
  };
  invalidate_matching(request, Notice::Scope::prefix, select, std::move(responder));
}

// The parts of a key are its tags: TAG account 7.
void Admin::invalidate_tag(const Request& request, proxy::Responder responder) {
  const auto select = [&]() -> Result<invalidation::Selection> {
    const std::string_view name = request.args[3];
    if (!parts_.invalidator.has_part(name)) {
      return Error{ErrorCode::invalid,
                   "no namespace with a source has keys with a part '" + shown(name) + "'"};
    }
    invalidation::Selection selection{request.asker.db, namespaces::kDefault, {}};
    selection.part = {std::string(name), std::string(request.args[4])};
    return selection;
  };
  invalidate_matching(request, Notice::Scope::tag, select, std::move(responder));
}

}  // namespace tiercache::admin
