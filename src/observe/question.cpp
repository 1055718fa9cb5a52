#include "question.hpp"

#include "tiercache/command/table.hpp"

#include <charconv>

namespace tiercache::observe {

namespace {

using Kind = l2::Reply::Kind;

Question integer_question(std::vector<std::string> words, std::int64_t expected) {
  return {std::move(words), Kind::integer, {}, expected};
}

// A reply to GET.
std::optional<Question> about_string(std::string_view key, const l1::Reply& reply) {
  if (reply == "$-1\r\n") {
    return integer_question({"EXISTS", std::string(key)}, 0);
  }
  const std::string_view bytes = reply.body();
  if (!reply.bulk() || bytes.size() > kLargestCompared) {
    return std::nullopt;
  }
  if (bytes.empty()) {
    // -1 of an empty string and of nothing else: a missing key counts as endless zero bits.
    return integer_question({"BITPOS", std::string(key), "0"}, -1);
  }
  // One byte more than the entry has, so that a longer value shows.
  return Question{
      {"GETRANGE", std::string(key), "0", std::to_string(bytes.size())}, Kind::text, bytes};
}

// What stands behind the type byte of a one-line reply.
std::optional<std::string_view> line_of(const l1::Reply& reply, char type) {
  constexpr std::string_view kEnd = "\r\n";
  const std::string_view frame = reply.body();
  if (reply.bulk() || !frame.starts_with(type) || !frame.ends_with(kEnd)) {
    return std::nullopt;
  }
  return frame.substr(1, frame.size() - 1 - kEnd.size());
}

}  // namespace

std::optional<Question> question_about(std::string_view key, const l1::Variant& variant,
                                       const l1::Reply& reply) {
  const auto commands = command::Table::builtin()->commands();
  if (variant.command >= commands.size()) {
    return std::nullopt;
  }
  const std::string_view name = commands[variant.command].name;
  if (name == "get") {
    return about_string(key, reply);
  }
  if (!variant.args.empty() || name.find('|') != std::string_view::npos) {
    return std::nullopt;
  }
  // Whatever replies with a number or a word always does, or with an error.
  std::vector<std::string> words{std::string(name), std::string(key)};
  if (const auto word = line_of(reply, '+')) {
    return Question{std::move(words), Kind::status, *word};
  }
  const auto digits = line_of(reply, ':');
  std::int64_t number = 0;
  if (!digits) {
    return std::nullopt;
  }
  const auto [stop, error] =
      std::from_chars(digits->data(), digits->data() + digits->size(), number);
  if (error != std::errc() || stop != digits->data() + digits->size()) {
    return std::nullopt;
  }
  return integer_question(std::move(words), number);
}

Answer compare(const Question& question, const l2::Reply& reply) {
  if (reply.is_error()) {
    // The key holds another type now; no other error says anything about it.
    return reply.text.starts_with("WRONGTYPE") ? Answer::differs : Answer::none;
  }
  const bool equal = reply.kind == question.kind && reply.integer == question.integer &&
                     reply.text == question.text;
  return equal ? Answer::equal : Answer::differs;
}

}  // namespace tiercache::observe
