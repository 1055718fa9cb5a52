// Every way in which a segment may end or be spoilt: what was whole is read, what is torn is cut,
// and no damage is passed over.
#include "tiercache/journal/record.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace tiercache::journal;

namespace {

constexpr std::uint64_t kSeed = 0x1234'5678'9abc'def0;
constexpr std::uint64_t kFirst = 41;

// Each was made durable before the next was written.
std::vector<Record> some() {
  std::vector<Record> records = {
      {kFirst, 0, {{"a", "1"}}},
      {kFirst + 1, 3, {{"key", std::string("\0\xff\r\n", 4)}, {"b", std::nullopt}}},
      {kFirst + 2, 0, {}},
      {kFirst + 3, 0, {{"", ""}, {std::string(300, 'k'), std::string(500, 'v')}}},
      {kFirst + 4, 15, {{"last", std::nullopt}}}};
  for (Record& record : records) {
    record.durable = record.sequence - 1;
  }
  return records;
}

struct Made {
  std::string bytes;
  std::vector<std::size_t> ends;  // of the header and of each record
};

Made make(const std::vector<Record>& records) {
  Made made;
  append_segment_header(made.bytes, {7, kFirst - 2, kFirst}, kSeed);
  made.ends.push_back(made.bytes.size());
  for (const Record& record : records) {
    append_record(made.bytes, record, kSeed);
    made.ends.push_back(made.bytes.size());
  }
  return made;
}

}  // namespace

TEST_CASE("what is written is read") {
  const Made made = make(some());
  CHECK(made.ends[0] == kSegmentHeader);
  CHECK(read_segment_header(made.bytes, kSeed) == SegmentHeader{7, kFirst - 2, kFirst});
  CHECK_FALSE(read_segment_header(made.bytes, kSeed + 1));
  const Scanned scanned = scan_segment(made.bytes, kFirst, kSeed);
  CHECK(scanned.end == End::clean);
  CHECK(scanned.size == made.bytes.size());
  CHECK(scanned.records == some());
  CHECK(made.ends[2] - made.ends[1] == kRecordHeader + payload_size(some()[1]));
}

TEST_CASE("cut anywhere, the records before the cut are there and the end is torn") {
  const Made made = make(some());
  for (std::size_t size = kSegmentHeader; size <= made.bytes.size(); size++) {
    CAPTURE(size);
    std::size_t whole = 0;
    while (whole + 1 < made.ends.size() && made.ends[whole + 1] <= size) {
      whole++;
    }
    const Scanned scanned = scan_segment(made.bytes.substr(0, size), kFirst, kSeed);
    REQUIRE(scanned.records.size() == whole);
    REQUIRE(scanned.size == made.ends[whole]);
    REQUIRE(scanned.end == (size == made.ends[whole] ? End::clean : End::torn));
    // The disk had more room for it than bytes. (Zeros may be what was missing.)
    const Scanned zeros =
        scan_segment(made.bytes.substr(0, size) + std::string(600, '\0'), kFirst, kSeed);
    const std::vector<Record> records = some();
    REQUIRE(zeros.records.size() >= whole);
    REQUIRE(std::equal(zeros.records.begin(), zeros.records.end(), records.begin()));
    REQUIRE(zeros.end == End::torn);
  }
  for (std::size_t size = 0; size < kSegmentHeader; size++) {
    CHECK_FALSE(read_segment_header(made.bytes.substr(0, size), kSeed));
  }
}

TEST_CASE("with any bit changed no record is read wrong, and damage before the last one is seen") {
  const Made made = make(some());
  const std::vector<Record> records = some();
  for (std::size_t at = 0; at < made.bytes.size(); at++) {
    std::size_t hit = 0;  // 0: the header
    while (made.ends[hit] <= at) {
      hit++;
    }
    for (unsigned bit = 0; bit < 8; bit++) {
      CAPTURE(at);
      CAPTURE(bit);
      std::string bytes = made.bytes;
      bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1U << bit));
      if (hit == 0) {
        REQUIRE_FALSE(read_segment_header(bytes, kSeed));
        continue;
      }
      const Scanned scanned = scan_segment(bytes, kFirst, kSeed);
      REQUIRE(scanned.records.size() == hit - 1);
      REQUIRE(std::equal(scanned.records.begin(), scanned.records.end(), records.begin()));
      REQUIRE(scanned.size == made.ends[hit - 1]);
      // Nobody can tell the last record from one that was never written whole.
      REQUIRE(scanned.end == (hit == records.size() ? End::torn : End::damaged));
    }
  }
}

TEST_CASE("records in another order than they were written are damage") {
  std::vector<Record> records = some();
  std::swap(records[1], records[2]);
  const Made made = make(records);
  const Scanned scanned = scan_segment(made.bytes, kFirst, kSeed);
  CHECK(scanned.records.size() == 1);
  CHECK(scanned.end == End::damaged);
}

TEST_CASE("a record within a torn one's value is not taken for one") {
  std::string forged;
  append_record(forged, {kFirst + 9, 0, {{"k", "v"}}}, 0);  // its writer does not know the seed
  const Made made = make({{kFirst, 0, {{"k", forged}}}});
  const Scanned scanned = scan_segment(made.bytes.substr(0, made.bytes.size() - 1), kFirst, kSeed);
  CHECK(scanned.records.empty());
  CHECK(scanned.end == End::torn);
}

// What a power cut in the middle of a write leaves: the disk takes blocks in any order.
TEST_CASE("a hole in a group that was written at once is a torn end, before it damage") {
  std::vector<Record> records = some();
  for (std::size_t i = 2; i < records.size(); i++) {
    records[i].durable = kFirst + 1;  // the last three together
  }
  const Made made = make(records);
  for (std::size_t lost = 0; lost < records.size(); lost++) {
    CAPTURE(lost);
    std::string bytes = made.bytes;
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(made.ends[lost]),
              bytes.begin() + static_cast<std::ptrdiff_t>(made.ends[lost + 1]), '\0');
    const Scanned scanned = scan_segment(bytes, kFirst, kSeed);
    CHECK(scanned.records.size() == lost);
    CHECK(scanned.size == made.ends[lost]);
    CHECK(scanned.end == (lost < 2 ? End::damaged : End::torn));
  }
}

// A sector is written whole or not at all; which of them have been when the power goes nobody
// knows, nor how long the file is.
TEST_CASE("whatever of the last group is on disk, all before it is found, and of it a beginning") {
  constexpr std::size_t kSector = 512;
  for (unsigned seed = 0; seed < 2000; seed++) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::vector<Record> records;
    std::uint64_t durable = kFirst - 1;
    std::size_t acknowledged = 0;
    const std::size_t groups = 1 + random() % 4;
    for (std::size_t group = 0; group < groups; group++) {
      acknowledged = records.size();
      durable = kFirst + acknowledged - 1;
      for (std::size_t left = 1 + random() % 6; left > 0; left--) {
        const std::uint64_t sequence = kFirst + records.size();
        records.push_back({sequence, 0, {{"k", std::string(random() % 900, 'v')}}, durable});
      }
    }
    const Made made = make(records);
    const std::size_t begin = made.ends[acknowledged];
    std::string bytes = made.bytes.substr(0, begin + random() % (made.bytes.size() - begin + 1));
    for (std::size_t at = begin / kSector * kSector; at < bytes.size(); at += kSector) {
      if (random() % 2 == 0) {
        const std::size_t from = std::max(at, begin);
        const std::size_t to = std::min(at + kSector, bytes.size());
        std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(from),
                  bytes.begin() + static_cast<std::ptrdiff_t>(to), '\0');
      }
    }
    const Scanned scanned = scan_segment(bytes, kFirst, kSeed);
    REQUIRE(scanned.end != End::damaged);
    REQUIRE(scanned.records.size() >= acknowledged);
    REQUIRE(std::equal(scanned.records.begin(), scanned.records.end(), records.begin()));
    // What was acknowledged rots: where a later group is there, that is seen.
    if (acknowledged > 0) {
      bytes = made.bytes;
      bytes[kSegmentHeader + random() % (begin - kSegmentHeader)] ^= 1;
      REQUIRE(scan_segment(bytes, kFirst, kSeed).end == End::damaged);
    }
  }
}

// Each offset looks like the head of a record as large as what follows, with a sequence that may be
// the next: with one checksum over all of it this takes minutes.
TEST_CASE("a torn end costs one pass, whatever a client has put there") {
  constexpr std::size_t kSize = std::size_t{4} << 20U;
  const Made made = make({{kFirst, 0, {{"k", "v"}}}});
  std::string forged;
  append_record(forged, {kFirst + 2, 0, {}, kFirst + 1}, 0);
  forged.resize(28);
  std::string bytes = made.bytes;
  std::size_t count = 0;
  while (bytes.size() < kSize) {
    const std::size_t rest = kSize - std::min(kSize, bytes.size() + 2 * kRecordHeader);
    for (std::size_t i = 0; i < 4; i++) {
      forged[i] = static_cast<char>(rest >> (8 * i));
    }
    bytes += forged;
    count++;
  }
  CHECK(count > 100'000);
  const auto begin = std::chrono::steady_clock::now();
  const Scanned scanned = scan_segment(bytes, kFirst, kSeed);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
  CHECK(scanned.records.size() == 1);
  CHECK(scanned.end == End::torn);
}
