#include "split.hpp"

#include "split_bulks.hpp"

#include "tiercache/resp/encoder.hpp"
#include "tiercache/resp/reply_header.hpp"
#include "tiercache/topology/slots.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

namespace tiercache::proxy {

namespace {

std::string strange() {
  std::string out;
  resp::append_error(out, "ERR tiercache: a node answers something strange");
  return out;
}

}  // namespace

std::optional<Split> split(std::string_view name, command::Args args) {
  Split split;
  if (name == "mget") {
    split.merge = Merge::elements;
  } else if (name == "mset") {
    split.merge = Merge::ok;
  } else if (name != "del" && name != "unlink" && name != "exists" && name != "touch") {
    return std::nullopt;
  }
  const std::size_t step = split.merge == Merge::ok ? 2 : 1;
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
  if (split.merge == Merge::ok) {
    return replies.front();
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
