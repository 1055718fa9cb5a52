// Arguments for the fuzz where the samples of COMMAND DOCS would not do: values of all kinds,
// time-outs that end, deadlines that are either past or far, numbers that do not cost memory; and
// whole requests for commands whose arguments the documentation does not describe, or only some of
// which two servers can be compared by.
//
// Owner: the stream. The same seed gives the same choices.
#pragma once

#include "rules.hpp"

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>

namespace tiercache::twin {

class Values {
 public:
  explicit Values(std::uint64_t seed) : random_(seed) {
  }

  std::uint32_t below(std::uint32_t n) {
    return static_cast<std::uint32_t>(random_() % n);
  }
  bool percent(std::uint32_t share) {
    return below(100) < share;
  }

  // For CommandSamples::choose_by.
  std::optional<std::string> choose(std::string_view command, std::string_view name,
                                    std::string_view type);
  // A whole request; nothing where the samples are good enough.
  std::optional<Words> form(const std::string& command);
  // Makes a sample such that its effect is the same on both servers.
  void refine(const std::string& command, Words& words);
  // One thing wrong with it.
  void spoil(Words& words);

 private:
  std::string pick(std::span<const std::string_view> choices);
  std::string value();
  std::string stream_id();

  std::mt19937_64 random_;
  std::uint64_t last_id_ = 100;
};

}  // namespace tiercache::twin
