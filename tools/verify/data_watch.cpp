#include "data_watch.hpp"

namespace tiercache::verify {
namespace {

constexpr KeyId kMark = 0xffffff;

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

void DataWatch::check() {
  const Nanos began = now_nanos();
  switch (look()) {
    case Data::kept:
      run_.violations.confirm_before(began, run_.book);
      return;
    case Data::unknown:
      return;
    case Data::lost:
      break;
  }
  ++losses_;
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
