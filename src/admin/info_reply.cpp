#include "info_reply.hpp"

#include "words.hpp"

#include <algorithm>
#include <charconv>

namespace tiercache::admin {

InfoWish info_wish(command::Args args) {
  InfoWish wish;
  if (args.size() <= 1) {
    return {true, true};
  }
  for (const std::string_view arg : args.subspan(1)) {
    const std::string section = lower_case(arg);
    const bool all = section == "all" || section == "everything" || section == "default";
    wish.tiercache = wish.tiercache || all || section == "tiercache";
    wish.tiers = wish.tiers || all || section == "tiers";
  }
  return wish;
}

std::optional<std::string_view> info_text(std::string_view reply) {
  const bool verbatim = reply.starts_with('=');
  const std::size_t end = reply.find("\r\n");
  if ((!verbatim && !reply.starts_with('$')) || end == std::string_view::npos) {
    return std::nullopt;
  }
  std::size_t size = 0;
  const auto [stop, error] = std::from_chars(reply.data() + 1, reply.data() + end, size);
  std::string_view text = reply.substr(end + 2);
  if (error != std::errc() || stop != reply.data() + end || text.size() != size + 2 ||
      !text.ends_with("\r\n")) {
    return std::nullopt;
  }
  text.remove_suffix(2);
  if (verbatim) {
    if (!text.starts_with("txt:")) {
      return std::nullopt;
    }
    text.remove_prefix(4);
  }
  return text;
}

std::string with_blocked(std::string_view redis, std::uint32_t more) {
  constexpr std::string_view kField = "\nblocked_clients:";
  std::string text(redis);
  const std::size_t field = text.find(kField);
  if (field == std::string::npos) {
    return text;
  }
  const std::size_t begin = field + kField.size();
  const std::size_t end = std::min(text.find('\r', begin), text.size());
  std::uint64_t count = 0;
  std::from_chars(text.data() + begin, text.data() + end, count);
  text.replace(begin, end - begin, std::to_string(count + more));
  return text;
}

std::string info_reply(std::string_view redis, std::string_view ours, resp::Version version) {
  std::string text(redis);
  if (!redis.empty() && !ours.empty()) {
    text.append("\r\n");
  }
  text.append(ours);
  std::string out;
  resp::append_verbatim(out, "txt", text, version);
  return out;
}

}  // namespace tiercache::admin
