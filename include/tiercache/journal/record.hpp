// How a journal's bytes are made and read: segments of a header and of records, each with its
// length and a checksum. Pure.
//
//   segment: "TCJ1", previous_size u64, first u64, checksum u64 of these; then records
//   record:  size u32 (of the payload), checksum u64 (of size and payload), payload
//   payload: sequence u64, db u32, changes u32; each: kind u8, key u32 + bytes, value u32 + bytes
//
// Numbers are little-endian, checksums XXH3 with a seed that only the journal knows: so no value
// that a client writes can be taken for a record. A record's sequence is one more than that of the
// record before it. `previous_size` is how many bytes of the segment before count: what stands
// behind them was never acknowledged.
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

  bool operator==(const Record&) const = default;
};

inline constexpr std::size_t kMaxPayload = std::size_t{1} << 30U;
inline constexpr std::size_t kSegmentHeader = 28;
inline constexpr std::size_t kRecordHeader = 12;

// REQUIRES: the payload is kMaxPayload at most.
void append_record(std::string& out, const Record& record, std::uint64_t seed);
// Of its payload.
std::size_t payload_size(const Record& record) noexcept;

struct SegmentHeader {
  std::uint64_t previous_size = 0;
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
  torn,     // bytes of which no record can be made, nor of anything behind them
  damaged,  // such bytes, with a whole record behind them: acknowledged ones are lost
};
struct Scanned {
  std::vector<Record> records;
  std::size_t size = 0;  // up to the end of the last of them, the header included
  End end = End::clean;
};
// The bytes of a whole segment, of which the header has been read. Costs one pass, and where it
// does not end cleanly one more over the rest.
Scanned scan_segment(std::string_view bytes, std::uint64_t first, std::uint64_t seed);

}  // namespace tiercache::journal
