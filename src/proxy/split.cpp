#include "split.hpp"

#include "split_bulks.hpp"

#include "tiercache/resp/encoder.hpp"
#include "tiercache/resp/reply_header.hpp"
#include "tiercache/topology/slots.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <boost/unordered/unordered_flat_map.hpp>

namespace tiercache::proxy {

namespace {

std::string strange() {
  std::string out;
  resp::append_error(out, "ERR tiercache: a node answers something strange");
  return out;
}

// "*2", the cursor, the rest.
std::string merge_scan(const Split& split, std::string_view reply) {
  constexpr std::string_view kHead = "*2\r\n";
  if (!reply.starts_with(kHead)) {
    return strange();
  }
  reply.remove_prefix(kHead.size());
  const resp::ReplyHeader header = resp::read_reply_header(reply);
  const auto length = static_cast<std::size_t>(std::max<std::int64_t>(header.number, 0));
  if (!header.ok || reply[0] != '$' || reply.size() < header.size + length + 2) {
    return strange();
  }
  std::uint64_t cursor = 0;
  const char* const first = reply.data() + header.size;
  const auto [end, error] = std::from_chars(first, first + length, cursor);
  if (error != std::errc{} || end != first + length ||
      cursor >> (64U - ScanCursor::kNodeBits) != 0) {
    return strange();
  }
  const std::uint64_t ours =
      cursor != 0 ? cursor << ScanCursor::kNodeBits | split.node : split.next_node;
  std::string out(kHead);
  resp::append_bulk(out, std::to_string(ours));
  out.append(reply.substr(header.size + length + 2));
  return out;
}

std::string merge_join(std::span<const std::string> replies) {
  std::size_t count = 0;
  std::string all;
  for (const std::string& reply : replies) {
    const std::size_t end = reply.find("\r\n");
    std::size_t its = 0;
    if (!reply.starts_with('*') || end == std::string::npos) {
      return strange();
    }
    const auto [stop, error] = std::from_chars(reply.data() + 1, reply.data() + end, its);
    if (error != std::errc{} || stop != reply.data() + end) {
      return strange();
    }
    count += its;
    all.append(reply, end + 2);
  }
  std::string out;
  resp::append_array_header(out, count);
  return out.append(all);
}

std::string pick_any(std::uint64_t random, std::span<const std::string> replies) {
  for (std::size_t i = 0; i < replies.size(); i++) {
    const std::string& reply = replies[(random + i) % replies.size()];
    if (!reply.starts_with("$-1") && !reply.starts_with('_')) {
      return reply;
    }
  }
  return replies.front();
}

}  // namespace

std::optional<Merge> merge_of_all(std::string_view name) {
  struct Row {
    std::string_view name;
    Merge merge;
  };
  constexpr std::array<Row, 12> kRows = {{
      {"dbsize", Merge::sum},
      {"flushall", Merge::same},
      {"flushdb", Merge::same},
      {"function|delete", Merge::same},
      {"function|flush", Merge::same},
      {"function|load", Merge::same},
      {"function|restore", Merge::same},
      {"keys", Merge::join},
      {"randomkey", Merge::any},
      {"scan", Merge::scan},
      {"script|flush", Merge::same},
      {"script|load", Merge::same},
  }};
  const auto found =
      std::find_if(kRows.begin(), kRows.end(), [&](const Row& row) { return row.name == name; });
  return found == kRows.end() ? std::nullopt : std::optional(found->merge);
}

std::optional<ScanCursor> read_cursor(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  constexpr std::uint64_t kNodes = (std::uint64_t{1} << ScanCursor::kNodeBits) - 1;
  return ScanCursor{static_cast<std::uint8_t>(number & kNodes), number >> ScanCursor::kNodeBits};
}

std::optional<Split> split(std::string_view name, command::Args args) {
  Split split;
  if (name == "mget") {
    split.merge = Merge::elements;
  } else if (name == "mset") {
    split.merge = Merge::same;
  } else if (name != "del" && name != "unlink" && name != "exists" && name != "touch") {
    return std::nullopt;
  }
  const std::size_t step = split.merge == Merge::same ? 2 : 1;
  if (args.size() < 2 || (args.size() - 1) % step != 0) {
    return std::nullopt;
  }
  split.keys = (args.size() - 1) / step;
  boost::unordered_flat_map<topology::Slot, std::size_t> part_of;
  for (std::size_t i = 0; i < split.keys; i++) {
    const std::size_t at = 1 + i * step;
    const auto [found, fresh] =
        part_of.try_emplace(topology::slot_of(args[at]), split.parts.size());
    if (fresh) {
      split.parts.emplace_back().args.push_back(args[0]);
    }
    SplitPart& part = split.parts[found->second];
    part.args.insert(part.args.end(), args.begin() + static_cast<std::ptrdiff_t>(at),
                     args.begin() + static_cast<std::ptrdiff_t>(at + step));
    part.positions.push_back(static_cast<std::uint32_t>(i));
  }
  return split;
}

std::string merge(const Split& split, std::span<const std::string> replies) {
  for (const std::string& reply : replies) {
    if (reply.starts_with('-')) {
      return reply;
    }
  }
  std::string out;
  switch (split.merge) {
    case Merge::same:
      return replies.front();
    case Merge::join:
      return merge_join(replies);
    case Merge::scan:
      return merge_scan(split, replies.front());
    case Merge::any:
      return pick_any(split.random, replies);
    case Merge::sum:
    case Merge::elements:
      break;
  }
  if (split.merge == Merge::sum) {
    std::int64_t sum = 0;
    for (const std::string& reply : replies) {
      const resp::ReplyHeader header = resp::read_reply_header(reply);
      if (!header.ok || !reply.starts_with(':')) {
        return strange();
      }
      sum += header.number;
    }
    resp::append_integer(out, sum);
    return out;
  }
  std::vector<std::string_view> elements(split.keys);
  for (std::size_t i = 0; i < split.parts.size(); i++) {
    const std::vector<std::uint32_t>& positions = split.parts[i].positions;
    const auto its = split_bulks(replies[i], positions.size());
    if (its.empty()) {
      return strange();
    }
    for (std::size_t j = 0; j < positions.size(); j++) {
      elements[positions[j]] = its[j];
    }
  }
  resp::append_array_header(out, split.keys);
  for (const std::string_view element : elements) {
    out.append(element);
  }
  return out;
}

}  // namespace tiercache::proxy
