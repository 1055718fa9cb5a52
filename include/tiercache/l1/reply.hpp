// The bytes of a reply as an entry holds them. A plain bulk string ("$5\r\nhello\r\n") is kept
// without its framing, which costs a 64-byte value seven bytes and with them, often, a size class
// of the allocator; everything else is kept as it came. What is read back is the same, byte for
// byte.
//
// A view: it belongs to whoever holds the entry (the shard's lock, or a Pin).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tiercache::l1 {

class Reply {
 public:
  enum class Framing : std::uint8_t { as_is, bulk };

  Reply() = default;
  Reply(std::string_view body, Framing framing) noexcept : body_(body), framing_(framing) {
  }
  // Takes the framing off if that is what a bulk string of this length has.
  static Reply of(std::string_view frame) noexcept;

  // What is stored: the string's own bytes where bulk() is true, else the whole frame.
  std::string_view body() const noexcept {
    return body_;
  }
  bool bulk() const noexcept {
    return framing_ == Framing::bulk;
  }
  // Of the whole frame.
  std::size_t size() const noexcept;
  // Appends the whole frame.
  void append_to(std::string& out) const;
  // What of the frame goes before body() and after it.
  void append_head_to(std::string& out) const;
  std::string_view foot() const noexcept;
  std::string str() const {
    std::string out;
    append_to(out);
    return out;
  }
  friend bool operator==(const Reply& reply, std::string_view frame) noexcept {
    if (!reply.bulk()) {
      return reply.body_ == frame;
    }
    // The shortest framing there is settles nearly all of them.
    return reply.body_.size() + kShortestFraming <= frame.size() && reply.size() == frame.size() &&
           reply.body_ == of(frame).body_;
  }

 private:
  static constexpr std::size_t kShortestFraming = 6;  // "$5\r\n" and "\r\n"

  std::string_view body_;
  Framing framing_ = Framing::as_is;
};

}  // namespace tiercache::l1
