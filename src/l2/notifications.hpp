// The flags of notify-keyspace-events: whether they are enough for us, and what to set. Pure.
#pragma once

#include <string>
#include <string_view>

namespace tiercache::l2 {

// K, and every class of events that changes a value or a TTL. A stands for all of them.
bool notifications_suffice(std::string_view flags);
// The same flags and what is missing: nothing is taken away from others who listen.
std::string with_needed_notifications(std::string_view flags);

}  // namespace tiercache::l2
