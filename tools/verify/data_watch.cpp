#include "data_watch.hpp"

namespace tiercache::verify {
namespace {

constexpr KeyId kMark = 0xffffff;
// Of the strings only the hottest are looked for: few others are in L1.
constexpr KeyId kHot = 500;
constexpr Nanos kGrace = 500'000'000;
constexpr int kLastLook = 2;

}  // namespace

bool DataWatch::begin() {
  mark_name_ = run_.names.name(kMark, 0);
  run_id_ = run_id();
  return !run_id_.empty() && set_mark();
}

std::string DataWatch::run_id() {
  constexpr std::string_view kField = "run_id:";
  const auto reply = redis_.call({"INFO", "server"});
  if (!reply || reply->kind != Reply::Kind::bulk) {
    return {};
  }
  const std::size_t at = reply->text.find(kField);
  return at == std::string_view::npos ? std::string()
                                      : std::string(reply->text.substr(at + kField.size(), 40));
}

bool DataWatch::set_mark() {
  mark_ = "mark " + std::to_string(losses_);
  const auto reply = redis_.call({"SET", mark_name_, mark_});
  return reply && reply->is("OK");
}

DataWatch::Data DataWatch::look() {
  const auto reply = redis_.call({"GET", mark_name_});
  if (!reply || reply->kind == Reply::Kind::error) {
    return Data::unknown;
  }
  if (reply->kind == Reply::Kind::nil || reply->text != mark_) {
    return Data::lost;
  }
  const std::string id = run_id();
  if (id.empty()) {
    return Data::unknown;
  }
  if (id != run_id_) {
    run_id_ = id;
    return Data::lost;
  }
  return Data::kept;
}

void DataWatch::remember_names() {
  std::vector<OldName> names;
  const Plan& plan = run_.plan;
  for (KeyId key = 0; key < run_.book.size(); ++key) {
    if (!plan.strings.has(key) || key - plan.strings.first < kHot) {
      names.push_back({key, run_.book.incarnation(key)});
    }
  }
  looks_.push_back({now_nanos() + run_.max_staleness() + kGrace, 1, std::move(names)});
}

void DataWatch::look_for_leftovers(Nanos now) {
  if (looks_.empty() || looks_.front().due > now) {
    return;
  }
  const Look look = std::move(looks_.front());
  looks_.pop_front();
  std::vector<OldName> left =
      find_leftovers(run_, tally_, look.names, look.number == kLastLook ? Blame::yes : Blame::no);
  if (look.number < kLastLook && !left.empty()) {
    looks_.push_back(
        {now_nanos() + run_.max_staleness() + kGrace, look.number + 1, std::move(left)});
  }
}

void DataWatch::check() {
  const Nanos began = now_nanos();
  switch (look()) {
    case Data::kept:
      run_.violations.confirm_before(began, run_.book);
      look_for_leftovers(began);
      return;
    case Data::unknown:
      return;
    case Data::lost:
      break;
  }
  ++losses_;
  remember_names();
  for (KeyId key = 0; key < run_.book.size(); ++key) {
    if (run_.book.incarnation(key) < kMaxIncarnation) {
      run_.book.renew(key);
    }
  }
  run_.violations.drop_pending();
  if (const std::string id = run_id(); !id.empty()) {
    run_id_ = id;
  }
  set_mark();
}

}  // namespace tiercache::verify
