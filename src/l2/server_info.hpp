// What INFO says about a server. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace tiercache::l2 {

// The value of `name` in an INFO text ("name:value\r\n" lines); empty if it is not there.
std::string_view info_field(std::string_view info, std::string_view name);

// The identity of a server process, from its run_id. The same for data links and the event link;
// never 0, which means unknown, unless there is no run_id.
std::uint64_t source_of(std::string_view run_id);

}  // namespace tiercache::l2
