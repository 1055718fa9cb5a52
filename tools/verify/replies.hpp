// Replies of both protocols, as little as the checker needs: one reply at a time out of a buffer,
// without a copy or an allocation. Aggregates of any kind become one flat list of their scalars
// (an EXEC of two MGETs is the list of all their values).
//
// The views and items of a Reply are valid until the next parse() or until the buffer moves.
// Limits: kMaxItems scalars in a reply, kMaxDepth levels, kMaxBulk bytes; beyond: broken.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace tiercache::verify {

struct Reply {
  enum class Kind : std::uint8_t { simple, error, integer, bulk, real, nil, list, push };
  Kind kind = Kind::nil;
  std::string_view text{};  // all but nil, list, push
  std::int64_t integer = 0;
  std::span<const Reply> items{};

  bool is(std::string_view simple_text) const noexcept {
    return kind == Kind::simple && text == simple_text;
  }
};

class ReplyParser {
 public:
  static constexpr std::size_t kMaxItems = 1024;
  static constexpr int kMaxDepth = 8;
  static constexpr std::int64_t kMaxBulk = std::int64_t{64} << 20;
  enum class Status : std::uint8_t { whole, partial, broken };

  // `used` is how many bytes of `in` the reply took; set only when whole.
  Status parse(std::string_view in, std::size_t& used, Reply& out) noexcept;

 private:
  Status parse_one(std::string_view in, std::size_t& at, Reply& out,
                   std::int64_t& children) noexcept;
  Status parse_children(std::string_view in, std::size_t& at, std::int64_t count,
                        int depth) noexcept;

  std::array<Reply, kMaxItems> items_{};
  std::size_t count_ = 0;
};

}  // namespace tiercache::verify
