// What INFO says about a server. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tiercache::l2 {

// The value of `name` in an INFO text ("name:value\r\n" lines); empty if it is not there.
std::string_view info_field(std::string_view info, std::string_view name);

// Of INFO commandstats, "calls=3,usec=12,..." of the commands that change everything without a
// word; and that the counters began anew, by a command whose own number is then the same each time.
std::string flush_calls(std::string_view statistics);

// The identity of a server process, from its run_id. The same for data links and the event link;
// never 0, which means unknown, unless there is no run_id.
std::uint64_t source_of(std::string_view run_id);

}  // namespace tiercache::l2
