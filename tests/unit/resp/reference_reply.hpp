// A reply scanner that is as plain as the protocol's description: recursive, on a whole input,
// one function per shape. The real one is compared with it, in unit tests and under the fuzzer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

namespace tiercache::resp::reference {

enum class Verdict { complete, incomplete, error };

struct Scan {
  Verdict verdict;
  std::size_t end = 0;     // after complete: bytes of the frame
  char first_byte = '\0';  // after complete: type of the reply behind its attributes
};

class Parser {
 public:
  Parser(std::string_view input, int max_depth) : input_(input), depth_left_(max_depth) {
  }

  Scan frame() {
    char type = '\0';
    const Verdict verdict = value(true, type);
    return {verdict, pos_, type};
  }

 private:
  // A value with the attributes in front of it.
  Verdict value(bool top_level, char& type) {
    const bool at_end = pos_ == input_.size();
    type = at_end ? '\0' : input_[pos_];
    if (type == '|') {
      return attributed(top_level, type);
    }
    if (at_end) {
      return Verdict::incomplete;
    }
    ++pos_;
    if (type == '+' || type == '-' || type == '(') {
      return line("\r\n").verdict;
    }
    if (type == ',') {
      return number("0123456789+-.eEinfaINFA");
    }
    const Line header = short_line();
    if (header.verdict != Verdict::complete) {
      return std::string_view(":#_$!=*~%>").find(type) == std::string_view::npos ? Verdict::error
                                                                                 : header.verdict;
    }
    switch (type) {
      case ':':
        return integer(header.text, true) ? Verdict::complete : Verdict::error;
      case '#':
        return header.text == "t" || header.text == "f" ? Verdict::complete : Verdict::error;
      case '_':
        return header.text.empty() ? Verdict::complete : Verdict::error;
      case '$':
        return header.text == "-1" ? Verdict::complete : bulk(header.text, 0);
      case '!':
        return bulk(header.text, 0);
      case '=':
        return bulk(header.text, 4);
      case '*':
        return header.text == "-1" ? Verdict::complete : aggregate(header.text, 1);
      case '~':
      case '>':
        return aggregate(header.text, 1);
      case '%':
        return aggregate(header.text, 2);
      default:
        return Verdict::error;
    }
  }

  Verdict attributed(bool top_level, char& type) {
    ++pos_;
    const Line header = short_line();
    if (header.verdict != Verdict::complete) {
      return header.verdict;
    }
    if (elements_left_ == 0) {
      return Verdict::error;
    }
    --elements_left_;
    if (top_level) {
      const Verdict verdict = aggregate(header.text, 2);
      return verdict == Verdict::complete ? value(true, type) : verdict;
    }
    return aggregate(header.text, 2, 1);
  }

  Verdict aggregate(std::string_view count_text, std::uint64_t factor, std::uint64_t extra = 0) {
    const auto count = integer(count_text, false);
    if (!count || *count < 0) {
      return Verdict::error;
    }
    const std::uint64_t values = static_cast<std::uint64_t>(*count) * factor + extra;
    if (values > elements_left_ || (values > 0 && depth_left_ == 0)) {
      return Verdict::error;
    }
    elements_left_ -= values;
    --depth_left_;
    for (std::uint64_t i = 0; i < values; ++i) {
      char type = '\0';
      if (const Verdict verdict = value(false, type); verdict != Verdict::complete) {
        return verdict;
      }
    }
    ++depth_left_;
    return Verdict::complete;
  }

  Verdict bulk(std::string_view length_text, std::int64_t least) {
    const auto length = integer(length_text, false);
    if (!length || *length < least || *length > (std::int64_t{1} << 30)) {
      return Verdict::error;
    }
    const std::string_view rest = input_.substr(pos_);
    const auto size = static_cast<std::size_t>(*length);
    const std::string_view tail = rest.substr(std::min(size, rest.size())).substr(0, 2);
    if (tail != std::string_view("\r\n").substr(0, tail.size())) {
      return Verdict::error;
    }
    if (rest.size() < size + 2) {
      return Verdict::incomplete;
    }
    pos_ += size + 2;
    return Verdict::complete;
  }

  struct Line {
    Verdict verdict;
    std::string_view text;
  };

  Line line(std::string_view terminator) {
    const std::size_t end = input_.find(terminator, pos_);
    if (end == std::string_view::npos) {
      return {Verdict::incomplete, {}};
    }
    const std::string_view text = input_.substr(pos_, end - pos_);
    pos_ = end + terminator.size();
    return {Verdict::complete, text};
  }

  // At most 32 bytes with its CR, which must stand before the first LF.
  Line short_line() {
    const std::size_t begin = pos_;
    const Line found = line("\n");
    const std::size_t size =
        found.verdict == Verdict::complete ? found.text.size() : input_.size() - begin;
    if (size > 32 || (found.verdict == Verdict::complete && !found.text.ends_with('\r'))) {
      return {Verdict::error, {}};
    }
    return found.verdict == Verdict::complete
               ? Line{Verdict::complete, found.text.substr(0, found.text.size() - 1)}
               : found;
  }

  Verdict number(std::string_view alphabet) {
    const std::size_t end = input_.find_first_not_of(alphabet, pos_);
    if (end == std::string_view::npos) {
      return Verdict::incomplete;
    }
    const std::string_view tail = input_.substr(end, 2);
    if (tail == "\r") {
      return Verdict::incomplete;
    }
    if (tail != "\r\n" || end == pos_) {
      return Verdict::error;
    }
    pos_ = end + 2;
    return Verdict::complete;
  }

  // Reads the number, then compares spellings: lengths have only one.
  static std::optional<std::int64_t> integer(std::string_view text, bool any_spelling) {
    if (text.empty() || text.find_first_not_of("0123456789", text[0] == '-' || text[0] == '+') !=
                            std::string_view::npos) {
      return std::nullopt;
    }
    try {
      const std::int64_t value = std::stoll(std::string(text));
      return any_spelling || std::to_string(value) == text ? std::optional(value) : std::nullopt;
    } catch (const std::exception&) {
      return std::nullopt;
    }
  }

  std::string_view input_;
  std::size_t pos_ = 0;
  int depth_left_;
  std::uint64_t elements_left_ = std::uint64_t{1} << 32;
};

inline Scan scan(std::string_view input, int max_depth) {
  return Parser(input, max_depth).frame();
}

}  // namespace tiercache::resp::reference
