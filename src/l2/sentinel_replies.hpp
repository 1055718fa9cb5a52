// What sentinels and servers answer about who is the master, understood. Pure.
#pragma once

#include "tiercache/base/result.hpp"
#include "tiercache/l2/reply.hpp"
#include "tiercache/topology/sentinel.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::l2 {

// The commands whose replies read_sentinel_answer() understands, in this order.
std::vector<std::vector<std::string>> sentinel_commands(const std::string& master_name);

// An error: the sentinel does not say who is the master. What else it refuses to tell is left out.
Result<topology::SentinelAnswer> read_sentinel_answer(const std::vector<Reply>& replies);

// Of the reply to ROLE. An error: the server cannot say now.
Result<topology::Role> read_role(const Reply& reply);

// The payload of a `+switch-master` message is about this master.
bool names_master(std::string_view payload, std::string_view master_name) noexcept;

}  // namespace tiercache::l2
