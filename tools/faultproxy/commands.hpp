// The line protocol: one command a line, answered by lines of which the last begins with OK or ERR.
#pragma once

#include <string>
#include <string_view>

namespace tiercache::faultproxy {

class Forwarder;

// On the forwarder's thread. OK is followed by the number of connections concerned. Every line of
// the answer ends with a newline.
std::string run_command(Forwarder& forwarder, std::string_view line);

std::string_view commands_help();

}  // namespace tiercache::faultproxy
