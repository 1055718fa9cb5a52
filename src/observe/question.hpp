// What to ask Redis about an entry, and what it must answer if the entry is true. Pure.
//
// The answer is never larger than the entry, whatever the key has become: it is read on the control
// thread, where events wait behind it. So a string is not asked for by GET, and replies that may be
// of any size (hashes, lists, ...) are not asked for at all, nor those whose order Redis may change
// without a write.
#pragma once

#include "judge.hpp"

#include "tiercache/l1/entry.hpp"
#include "tiercache/l2/reply.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::observe {

// Larger strings are not compared.
inline constexpr std::size_t kLargestCompared = std::size_t{256} * 1024;

struct Question {
  std::vector<std::string> words;
  // What Redis must answer. `text` points into the entry's reply.
  l2::Reply::Kind kind = l2::Reply::Kind::nil;
  std::string_view text{};
  std::int64_t integer = 0;
};

// Nothing: no such question is known. `reply` as the entry has it; it outlives the question.
std::optional<Question> question_about(std::string_view key, const l1::Variant& variant,
                                       const l1::Reply& reply);

Answer compare(const Question& question, const l2::Reply& reply);

}  // namespace tiercache::observe
