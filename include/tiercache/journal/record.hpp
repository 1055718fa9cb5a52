// How a journal's bytes are made and read: segments of a header and of records, each with its
// length and a checksum. Pure.
//
//   segment: "TCJ2", previous_size u64, previous_next u64, first u64, checksum u64; then records
//   record:  head and payload
//   head:    size u32 (of the payload), sequence u64, durable u64, checksum u64 of the payload,
//            checksum u64 of these
//   payload: db u32, changes u32; each: kind u8, key u32 + bytes, value u32 + bytes
//
// Numbers are little-endian, checksums XXH3 with a seed that only the journal knows: so no value
// that a client writes can be taken for a record. A record's sequence is one more than that of the
// record before it in its segment. `previous_size` is how many bytes of the segment before count,
// and `previous_next` the sequence that would have followed there: what stands behind them was
// never acknowledged, or is in this segment. `first` may be larger: there are gaps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::journal {

struct Change {
  std::string key;
  std::optional<std::string> value;  // nothing: it is removed

  bool operator==(const Change&) const = default;
};

// What is done together.
struct Record {
  std::uint64_t sequence = 0;
  std::uint32_t db = 0;
  std::vector<Change> changes;
  std::uint64_t durable = 0;  // all up to this sequence were on disk when it was written

  bool operator==(const Record&) const = default;
};

inline constexpr std::size_t kMaxPayload = std::size_t{1} << 30U;
inline constexpr std::size_t kSegmentHeader = 36;
inline constexpr std::size_t kRecordHeader = 36;

// REQUIRES: the payload is kMaxPayload at most.
void append_record(std::string& out, const Record& record, std::uint64_t seed);
// Of its payload.
std::size_t payload_size(const Record& record) noexcept;

struct SegmentHeader {
  std::uint64_t previous_size = 0;
  std::uint64_t previous_next = 0;
  std::uint64_t first = 0;  // the sequence of its first record

  bool operator==(const SegmentHeader&) const = default;
};
void append_segment_header(std::string& out, const SegmentHeader& header, std::uint64_t seed);
// Nothing: it is none.
std::optional<SegmentHeader> read_segment_header(std::string_view bytes,
                                                 std::uint64_t seed) noexcept;

// What a segment ends with, behind the last record that is whole.
enum class End : std::uint8_t {
  clean,
  torn,     // bytes of which no record can be made; nothing says that it ever was on disk
  damaged,  // such bytes, and a record behind them says so: acknowledged ones are lost
};
struct Scanned {
  std::vector<Record> records;
  std::size_t size = 0;  // up to the end of the last of them, the header included
  End end = End::clean;
};
// The bytes of a whole segment, of which the header has been read. Costs one pass, and where it
// does not end cleanly one more over the rest, whatever is in there. A group of records is written
// at once and may reach the disk in any order, so a record behind a hole proves a loss only if what
// is missing was durable when that record was written.
Scanned scan_segment(std::string_view bytes, std::uint64_t first, std::uint64_t seed);

}  // namespace tiercache::journal
