// A client session under check: it sends batches of commands down one connection, reads the replies
// in order, and judges every read against what this session, this proxy and the direct writers had
// reached when the batch was sent. What it sends is decided by the kinds of session derived from
// it.
//
// Owned by a Worker, used on its thread only. A read costs no allocation. Memory: 4 bytes a key,
// the trace, the buffers.
#pragma once

#include "connection.hpp"
#include "op.hpp"
#include "random.hpp"
#include "run_state.hpp"
#include "tally.hpp"
#include "trace.hpp"

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::verify {

inline constexpr std::size_t kMaxGroup = 16;  // keys of one command

enum class Protocol : std::uint8_t { resp2, resp3 };

struct Identity {
  Lane lane = 0;
  Protocol protocol = Protocol::resp2;
  std::string role{};
  std::uint64_t seed = 1;
};

class Session {
 public:
  Session(RunState& run, Tally& tally, Identity identity);
  virtual ~Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  int fd() const noexcept {
    return connection_.fd();
  }
  bool wants_write() const noexcept {
    return state_ == State::connecting || connection_.has_unsent();
  }
  bool is_idle() const noexcept {
    return next_op_ == ops_.size();
  }
  const std::string& who() const noexcept {
    return who_;
  }
  // Nothing happens before this time unless the peer speaks.
  Nanos next_at() const noexcept {
    return next_at_;
  }

  // Connects, sends the next batch, or gives a silent peer up, as the time demands.
  void step(Nanos now);
  // The descriptor is ready.
  void on_ready(Nanos now);
  void collect_trace(KeyId key, std::vector<TraceLine>& out) const {
    trace_.collect(key, who_, out);
  }

 protected:
  // Fills the next batch with the calls below, or sets next_at_ and leaves it empty.
  virtual void prepare(Nanos now) = 0;
  // A write's reply, its Ops; a lost write.
  virtual void on_write(std::span<const Op> ops, const Reply& reply) = 0;
  virtual void on_unknown(std::span<const Op> ops) = 0;
  // A GET under WATCH.
  virtual void on_watched(const Op&, Seen) {
  }
  // The first batch on a new connection follows.
  virtual void on_connected() {
  }

  // One command: its words, and the name of a key at each kKey.
  void command(std::initializer_list<std::string_view> words);
  void key_word(KeyId key, Version incarnation);
  void begin_command(std::size_t words);
  void word(std::string_view text);
  void word(std::uint64_t number);

  // Reads: the command and its Op.
  void get(KeyId key);
  void read(OpKind kind, KeyId key);
  // SISMEMBER of the record of one of the latest states.
  void read_membership(KeyId key);
  // One of the reads that fit the shape of the key, a hash, list, set or sorted set.
  void read_collection(KeyId key);
  void get_watched(KeyId key);
  void read_many(OpKind kind, std::span<const KeyId> keys);
  // A transaction that reads these keys.
  void read_in_exec(std::span<const KeyId> keys);

  void push_op(const Op& op) {
    ops_.push_back(op);
  }
  Op read_op(OpKind kind, KeyId key) const noexcept;
  // A write that succeeded: nothing older is to be seen from now on.
  void acknowledge(const Op& op);
  // Judges one key of a read.
  void judge_read(const Op& op, Seen seen);
  // Judges what INCR answered: more than anything known before. True if it is a number.
  bool judge_increment(const Op& op, const Reply& reply);
  void violated(Check check, const Op& op, std::string text);
  void note(const Op& op, Step::Result result, Seen seen);
  Nanos sent_at() const noexcept {
    return sent_at_;
  }
  Nanos replied_at() const noexcept {
    return replied_at_;
  }
  Lane lane() const noexcept {
    return identity_.lane;
  }

  RunState& run_;
  Tally& tally_;
  Random random_;
  Nanos next_at_ = 0;

 private:
  enum class State : std::uint8_t { down, connecting, up };

  void lose(Nanos now);
  void begin(Nanos now);
  bool parse_replies();
  void on_reply(std::span<const Op> ops, const Reply& reply);
  void on_read_reply(std::span<const Op> ops, const Reply& reply);
  void judge_together(std::span<const Op> ops, std::span<const Seen> seen);
  void judge_expiry(const Op& op, Version proven, Seen seen);
  Bounds bounds_of(const Op& op, bool& comparable) const noexcept;
  std::string explain(const Op& op, const Bounds& bounds, Seen seen) const;

  Identity identity_;
  std::string who_;
  Connection connection_;
  State state_ = State::down;
  std::vector<Op> ops_{};
  std::size_t next_op_ = 0;
  // Of each key the latest version seen or written, doubled, plus one if written.
  std::vector<std::uint32_t> latest_;
  std::unique_ptr<ReplyParser> parser_ = std::make_unique<ReplyParser>();
  std::unique_ptr<Trace> trace_store_ = std::make_unique<Trace>();
  Trace& trace_ = *trace_store_;
  Nanos sent_at_ = 0;
  Nanos replied_at_ = 0;
};

}  // namespace tiercache::verify
