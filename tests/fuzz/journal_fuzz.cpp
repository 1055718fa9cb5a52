// Any bytes as a segment of a journal: no crash; the records that are read are those that the same
// bytes are made of, and what is cut off behind them changes nothing.
#include "tiercache/base/check.hpp"
#include "tiercache/journal/record.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace tiercache::journal;

namespace {

constexpr std::uint64_t kSeed = 7;
constexpr std::uint64_t kFirst = 1;

void check(std::string_view bytes) {
  const Scanned scanned = scan_segment(bytes, kFirst, kSeed);
  TC_CHECK(scanned.size <= bytes.size());
  std::string again(bytes.substr(0, kSegmentHeader));
  for (const Record& record : scanned.records) {
    append_record(again, record, kSeed);
  }
  TC_CHECK(again == bytes.substr(0, scanned.size));
  const Scanned cut = scan_segment(bytes.substr(0, scanned.size), kFirst, kSeed);
  TC_CHECK(cut.end == End::clean);
  TC_CHECK(cut.records == scanned.records);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)read_segment_header(bytes, kSeed);
  std::string segment;
  append_segment_header(segment, {0, kFirst, kFirst}, kSeed);
  const std::size_t header = segment.size();
  check(segment + std::string(bytes));
  // As a payload whose checksum is right, so that the reader gets to see it; and as a value.
  Record record{kFirst, 0, {{"k", std::string(bytes)}, {std::string(bytes), std::nullopt}}};
  append_record(segment, record, kSeed);
  check(segment);
  TC_CHECK(scan_segment(segment, kFirst, kSeed).records.at(0) == record);
  if (size > 0 && segment.size() > header) {
    std::string spoilt = segment;
    spoilt[header + data[0] % (segment.size() - header)] ^= static_cast<char>(data[size - 1] | 1U);
    check(spoilt);
    TC_CHECK(scan_segment(spoilt, kFirst, kSeed).records.empty());
  }
  return 0;
}
