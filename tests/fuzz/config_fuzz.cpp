// Any bytes as a configuration file, as one `key=value` and as a glob: no crash, a message for each
// refusal, and what is accepted prints to a text that parses back to the same configuration.
#include "tiercache/base/check.hpp"
#include "tiercache/config/load.hpp"
#include "tiercache/config/schema.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace {

using namespace tiercache::config;

void check_round_trip(const Config& config) {
  const auto again = parse(to_toml(config, Secrets::reveal, Comments::docs), "printed", Config{});
  TC_CHECK(again);
  TC_CHECK(again.value() == config);
  TC_CHECK(changed_keys(config, again.value()).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  const auto parsed = parse(text, "fuzz");
  if (parsed) {
    check_round_trip(parsed.value());
  } else {
    TC_CHECK(!parsed.error().detail.empty());
    TC_CHECK(parsed.error().detail.find('\r') == std::string::npos);
  }

  Config config;
  const auto status = apply_set(config, text);
  if (!status) {
    TC_CHECK(!status.error().detail.empty());
    TC_CHECK(status.error().detail.find_first_of("\r\n") == std::string::npos);
    TC_CHECK(config == Config{});
  } else if (validate(config)) {
    check_round_trip(config);
  }
  TC_CHECK(get_matching(config, text).size() <= schema().size());
  return 0;
}
