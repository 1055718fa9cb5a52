#include "tiercache/journal/record.hpp"

#include "tiercache/base/check.hpp"

#include <concepts>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tiercache::journal {

namespace {

constexpr std::string_view kMagic = "TCJ2";
constexpr std::size_t kPayloadHeader = 8;
constexpr std::size_t kChangeHeader = 9;

enum : std::uint8_t { kRemoved = 0, kPut = 1 };

template <std::unsigned_integral T>
void append_number(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof value; i++) {
    out += static_cast<char>(value >> (8 * i));
  }
}

// REQUIRES: there are so many bytes.
template <std::unsigned_integral T>
T number_at(std::string_view bytes, std::size_t at) noexcept {
  T value = 0;
  for (std::size_t i = 0; i < sizeof value; i++) {
    value |= static_cast<T>(static_cast<T>(static_cast<unsigned char>(bytes[at + i])) << (8 * i));
  }
  return value;
}

std::uint64_t checksum(std::string_view bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

// The next of a run of sized strings; nothing if it is cut short.
std::optional<std::string_view> take_text(std::string_view& bytes) noexcept {
  if (bytes.size() < 4) {
    return std::nullopt;
  }
  const auto size = number_at<std::uint32_t>(bytes, 0);
  if (bytes.size() - 4 < size) {
    return std::nullopt;
  }
  const std::string_view text = bytes.substr(4, size);
  bytes.remove_prefix(4 + size);
  return text;
}

std::optional<Record> read_payload(std::string_view bytes) {
  if (bytes.size() < kPayloadHeader) {
    return std::nullopt;
  }
  Record record;
  record.db = number_at<std::uint32_t>(bytes, 0);
  const auto changes = number_at<std::uint32_t>(bytes, 4);
  bytes.remove_prefix(kPayloadHeader);
  for (std::uint32_t i = 0; i < changes; i++) {
    if (bytes.empty() || static_cast<unsigned char>(bytes[0]) > kPut) {
      return std::nullopt;
    }
    const bool put = bytes[0] == kPut;
    bytes.remove_prefix(1);
    const auto key = take_text(bytes);
    const auto value = key ? take_text(bytes) : std::nullopt;
    if (!value || (!put && !value->empty())) {
      return std::nullopt;
    }
    Change change{std::string(*key), std::nullopt};
    if (put) {
      change.value = std::string(*value);
    }
    record.changes.push_back(std::move(change));
  }
  return bytes.empty() ? std::optional(std::move(record)) : std::nullopt;
}

struct Head {
  std::uint32_t size = 0;
  std::uint64_t sequence = 0;
  std::uint64_t durable = 0;
  std::uint64_t sum = 0;
};
constexpr std::size_t kHeadSummed = kRecordHeader - 8;

// The head that stands here; nothing if none does. Costs the same whatever the bytes are.
std::optional<Head> read_head(std::string_view bytes, std::uint64_t seed) noexcept {
  if (bytes.size() < kRecordHeader || number_at<std::uint32_t>(bytes, 0) > kMaxPayload ||
      checksum(bytes.substr(0, kHeadSummed), seed) !=
          number_at<std::uint64_t>(bytes, kHeadSummed)) {
    return std::nullopt;
  }
  return Head{number_at<std::uint32_t>(bytes, 0), number_at<std::uint64_t>(bytes, 4),
              number_at<std::uint64_t>(bytes, 12), number_at<std::uint64_t>(bytes, 20)};
}

// The record that begins here; nothing if none does.
std::optional<Record> read_record(std::string_view bytes, std::uint64_t seed) {
  const auto head = read_head(bytes, seed);
  if (!head || bytes.size() - kRecordHeader < head->size) {
    return std::nullopt;
  }
  const std::string_view payload = bytes.substr(kRecordHeader, head->size);
  if (checksum(payload, seed + head->sequence) != head->sum) {
    return std::nullopt;
  }
  auto record = read_payload(payload);
  if (record) {
    record->sequence = head->sequence;
    record->durable = head->durable;
  }
  return record;
}

}  // namespace

std::size_t payload_size(const Record& record) noexcept {
  std::size_t size = kPayloadHeader;
  for (const Change& change : record.changes) {
    size += kChangeHeader + change.key.size() + (change.value ? change.value->size() : 0);
  }
  return size;
}

void append_record(std::string& out, const Record& record, std::uint64_t seed) {
  const std::size_t size = payload_size(record);
  TC_CHECK(size <= kMaxPayload);
  const std::size_t begin = out.size();
  out.append(kRecordHeader, '\0');
  append_number(out, record.db);
  append_number(out, static_cast<std::uint32_t>(record.changes.size()));
  for (const Change& change : record.changes) {
    const std::string_view value = change.value ? std::string_view(*change.value) : "";
    out += static_cast<char>(change.value ? kPut : kRemoved);
    append_number(out, static_cast<std::uint32_t>(change.key.size()));
    out += change.key;
    append_number(out, static_cast<std::uint32_t>(value.size()));
    out += value;
  }
  const std::string_view payload = std::string_view(out).substr(begin + kRecordHeader);
  std::string head;
  append_number(head, static_cast<std::uint32_t>(size));
  append_number(head, record.sequence);
  append_number(head, record.durable);
  append_number(head, checksum(payload, seed + record.sequence));
  append_number(head, checksum(head, seed));
  out.replace(begin, head.size(), head);
}

void append_segment_header(std::string& out, const SegmentHeader& header, std::uint64_t seed) {
  std::string bytes(kMagic);
  append_number(bytes, header.previous_size);
  append_number(bytes, header.previous_next);
  append_number(bytes, header.first);
  append_number(bytes, checksum(bytes, seed));
  out += bytes;
}

std::optional<SegmentHeader> read_segment_header(std::string_view bytes,
                                                 std::uint64_t seed) noexcept {
  if (bytes.size() < kSegmentHeader || !bytes.starts_with(kMagic) ||
      number_at<std::uint64_t>(bytes, 28) != checksum(bytes.substr(0, 28), seed)) {
    return std::nullopt;
  }
  return SegmentHeader{number_at<std::uint64_t>(bytes, 4), number_at<std::uint64_t>(bytes, 12),
                       number_at<std::uint64_t>(bytes, 20)};
}

Scanned scan_segment(std::string_view bytes, std::uint64_t first, std::uint64_t seed) {
  Scanned scanned;
  scanned.size = kSegmentHeader;
  std::uint64_t next = first;
  while (scanned.size < bytes.size()) {
    auto record = read_record(bytes.substr(scanned.size), seed);
    if (!record || record->sequence != next) {
      break;
    }
    next++;
    scanned.size += kRecordHeader + payload_size(*record);
    scanned.records.push_back(std::move(*record));
  }
  if (scanned.size >= bytes.size()) {
    return scanned;
  }
  // Only the journal can have made a head with the right checksum, so there is no need for the rest
  // of the record; and what a client has put there costs no more than to look at it.
  scanned.end = End::torn;
  for (std::size_t at = scanned.size; at + kRecordHeader <= bytes.size(); at++) {
    const auto later = read_head(bytes.substr(at), seed);
    if (later && later->durable >= next) {
      scanned.end = End::damaged;
      break;
    }
  }
  return scanned;
}

}  // namespace tiercache::journal
