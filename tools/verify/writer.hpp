// A session that writes the keys it owns, in every way there is, and reads some of them right
// after. It alone numbers the states of these keys. A key whose write was lost is left alone for a
// while (the write may still arrive, but nothing can follow it), then it starts again under a new
// name.
#pragma once

#include "due_floors.hpp"
#include "session.hpp"

#include <deque>
#include <string>
#include <vector>

namespace tiercache::verify {

class Writer final : public Session {
 public:
  Writer(RunState& run, Tally& tally, Identity identity, std::uint8_t number);

 protected:
  void prepare(Nanos now) override;
  void on_write(std::span<const Op> ops, const Reply& reply) override;
  void on_unknown(std::span<const Op> ops) override;

 private:
  enum class Follow : std::uint8_t { nothing, read };

  void settle_doubts(Nanos now);
  void release(const Op& op);
  void write_first(Nanos now);
  void write_some(Nanos now);
  KeyId choose();
  void write(KeyId key, Follow follow, Nanos now);
  void write_string(KeyId key, Version version);
  void set_somehow(KeyId key, Version version);
  void set_with(std::string_view command, KeyId key, Version version, std::string_view extra);
  void set_by_script(KeyId key, Version version, bool declared);
  void write_expiring(KeyId key, Nanos now);
  void write_collection(KeyId key, Version version);
  void write_group(const Range& group);
  void erase(KeyId key, Version version);
  void increment(KeyId key);
  void done(OpKind kind, KeyId key, Version version);

  std::uint8_t number_;
  std::vector<KeyId> strings_{};  // the hottest first
  std::vector<KeyId> others_{};   // one of each group
  std::size_t written_first_ = 0;
  DueFloors due_;
  struct Doubt {
    Nanos until;
    KeyId key;
  };
  std::deque<Doubt> doubts_{};
  std::vector<char> doubtful_;
  // A script that names no key may be refused by a server of a Cluster: nothing may be written
  // behind it until it is answered. The script's state; 0: none.
  std::vector<Version> held_by_;
  std::string value_{};
  bool pops_ = true;
};

}  // namespace tiercache::verify
