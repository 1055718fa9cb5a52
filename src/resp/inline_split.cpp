#include "inline_split.hpp"

namespace tiercache::resp {
namespace {

bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// Vertical tab and form feed separate words only in front of one: inside, they are part of it.
bool ends_word(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}

char unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Both take the text behind the opening quote, append what it stands for, and return how many bytes
// it has including the closing quote; 0 when there is none.
std::size_t read_double_quoted(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      return i + 1;
    }
    if (text[i] != '\\' || i + 1 == text.size()) {
      out.push_back(text[i]);
      continue;
    }
    ++i;
    if (text[i] == 'x' && i + 2 < text.size()) {
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
        continue;
      }
    }
    out.push_back(unescape(text[i]));
  }
  return 0;
}

std::size_t read_single_quoted(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\'') {
      return i + 1;
    }
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '\'') {
      ++i;
    }
    out.push_back(text[i]);
  }
  return 0;
}

}  // namespace

std::optional<std::size_t> split_inline(std::string_view line, std::vector<std::string_view>& args,
                                        std::string& unquoted) {
  unquoted.clear();
  unquoted.reserve(line.size());  // unquoting never lengthens, so views into it stay valid
  std::size_t count = 0;
  std::size_t i = 0;
  while (true) {
    while (i < line.size() && is_blank(line[i])) {
      ++i;
    }
    if (i == line.size()) {
      return count;
    }
    const std::size_t begin = i;
    while (i < line.size() && !ends_word(line[i]) && line[i] != '"' && line[i] != '\'') {
      ++i;
    }
    std::string_view word = line.substr(begin, i - begin);
    if (i < line.size() && !ends_word(line[i])) {
      const std::size_t stored = unquoted.size();
      unquoted.append(word);
      const std::string_view rest = line.substr(i + 1);
      const std::size_t used =
          line[i] == '"' ? read_double_quoted(rest, unquoted) : read_single_quoted(rest, unquoted);
      i += 1 + used;
      if (used == 0 || (i < line.size() && !is_blank(line[i]))) {
        return std::nullopt;
      }
      word = std::string_view(unquoted).substr(stored);
    }
    if (count == args.size()) {
      args.resize(count < 16 ? 16 : count * 2);
    }
    args[count++] = word;
  }
}

}  // namespace tiercache::resp
