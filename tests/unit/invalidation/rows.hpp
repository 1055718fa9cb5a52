// What the database of the schedules has of a key at each version, as a string or as a hash, which
// reads of it clients send, and what their replies tell. Pure.
//
// The string is the version's number. The hash of version 3 is doc=3 f1=3 f2=3 f3=3: so each read
// tells the version, or at least bounds it, one of an absent field too, and a reply that is made of
// two versions shows. Of version 0 there is nothing.
#pragma once

#include <algorithm>
#include <climits>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiercache::invalidation::testing {

using Fields = std::vector<std::string>;  // each name, and its value behind it

inline Fields fields_of_version(int version) {
  const std::string value = std::to_string(version);
  Fields fields{"doc", value};
  for (int i = 1; i <= version; i++) {
    fields.insert(fields.end(), {"f" + std::to_string(i), value});
  }
  return fields;
}

inline std::optional<std::string> find_field(const Fields& fields, std::string_view name) {
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
    if (fields[i] == name) {
      return fields[i + 1];
    }
  }
  return std::nullopt;
}

struct Row {
  enum class What {
    whole,        // GET, GETRANGE; HGETALL
    element,      // MGET
    length,       // STRLEN; HSTRLEN of doc
    exists,       // EXISTS
    field,        // HGET of doc
    late_field,   // HGET of f<at>, there from that version on
    late_exists,  // HEXISTS of it
    fields,       // HMGET of it and doc
    names,        // HKEYS
    values,       // HVALS
    count,        // HLEN
    misfit,       // a read of a string, of a hash
  };
};

struct RowRead {
  std::string words;
  Row::What what = Row::What::whole;
  int at = 0;
};

// The kinds that the schedules draw from, those that tell most more often.
inline constexpr Row::What kStringReads[] = {
    Row::What::whole, Row::What::whole,   Row::What::whole,  Row::What::whole,
    Row::What::whole, Row::What::element, Row::What::length, Row::What::exists};
inline constexpr Row::What kHashReads[] = {
    Row::What::whole,      Row::What::whole,       Row::What::field,  Row::What::field,
    Row::What::late_field, Row::What::late_field,  Row::What::fields, Row::What::fields,
    Row::What::count,      Row::What::count,       Row::What::names,  Row::What::values,
    Row::What::length,     Row::What::late_exists, Row::What::exists, Row::What::misfit};

inline RowRead row_read(bool hash, Row::What what, int at, const std::string& key) {
  using What = Row::What;
  const std::string late = " f" + std::to_string(at);
  const auto of = [&](std::string_view command, const std::string& rest = "") {
    return RowRead{std::string(command) + " " + key + rest, what, at};
  };
  switch (what) {
    case What::whole:
      return hash ? of("HGETALL") : at % 4 == 0 ? of("GETRANGE", " 0 -1") : of("GET");
    case What::element:
      return of("MGET");
    case What::length:
      return hash ? of("HSTRLEN", " doc") : of("STRLEN");
    case What::exists:
      return of("EXISTS");
    case What::field:
      return of("HGET", " doc");
    case What::late_field:
      return of("HGET", late);
    case What::late_exists:
      return of("HEXISTS", late);
    case What::fields:
      return of("HMGET", late + " doc");
    case What::names:
      return of("HKEYS");
    case What::values:
      return of("HVALS");
    case What::count:
      return of("HLEN");
    case What::misfit:
      return of(at % 2 == 0 ? "GET" : "STRLEN");
  }
  return {};
}

// A reply taken apart: its type, and each line and bulk string in it; a nil is none.
struct RowReply {
  char type = 0;
  std::vector<std::optional<std::string>> parts;
};

// The first reply of these bytes, which goes from them; nothing if it is not whole.
inline std::optional<RowReply> take_reply(std::string& bytes) {
  RowReply reply;
  std::size_t at = 0;
  for (std::size_t left = 1; left > 0; left--) {
    const std::size_t end = bytes.find("\r\n", at);
    if (end == bytes.npos) {
      return std::nullopt;
    }
    const char type = bytes[at];
    const std::string line = bytes.substr(at + 1, end - at - 1);
    reply.type = reply.type == 0 ? type : reply.type;
    at = end + 2;
    if (type == '_' || line == "-1") {
      reply.parts.emplace_back();
    } else if (type == '*' || type == '%') {
      left += std::stoul(line) * (type == '%' ? 2 : 1);
    } else if (type != '$') {
      reply.parts.emplace_back(line);
    } else if (const std::size_t size = std::stoul(line); at + size + 2 > bytes.size()) {
      return std::nullopt;
    } else {
      reply.parts.emplace_back(bytes.substr(at, size));
      at += size + 2;
    }
  }
  bytes.erase(0, at);
  return reply;
}

inline constexpr int kAnyVersion = INT_MAX;
inline constexpr int kNoVersion = -1;  // such a reply is wrong, whatever is in the database

// The newest version that may be answered so. Errors tell nothing.
inline int newest_told(const RowRead& read, const RowReply& reply) {
  using What = Row::What;
  const auto& parts = reply.parts;
  const auto number = [](const std::optional<std::string>& part) {
    return part && !part->empty() ? std::stoi(*part) : 0;
  };
  const auto either = [](bool there, int then, int otherwise) {
    return there ? then : otherwise;
  };
  if (reply.type == '-') {
    const bool misfits = parts.at(0)->starts_with("WRONGTYPE");
    return misfits == (read.what == What::misfit) || !misfits ? kAnyVersion : kNoVersion;
  }
  switch (read.what) {
    case What::whole: {
      if (reply.type == '$' || reply.type == '_') {
        return number(parts.at(0));
      }
      Fields fields;
      for (const auto& part : parts) {
        fields.push_back(part.value_or(""));
      }
      const int version = fields.size() < 2 ? 0 : number(fields[1]);
      return fields == (version == 0 ? Fields() : fields_of_version(version)) ? version
                                                                              : kNoVersion;
    }
    case What::element:
    case What::field:
      return number(parts.at(0));
    case What::length: {
      int most = 0;
      for (int digits = number(parts.at(0)); digits > 0; digits--) {
        most = most * 10 + 9;
      }
      return most;
    }
    case What::exists:
      return either(number(parts.at(0)) == 1, kAnyVersion, 0);
    case What::late_field:
      return parts.at(0) ? either(number(parts.at(0)) >= read.at, number(parts.at(0)), kNoVersion)
                         : read.at - 1;
    case What::late_exists:
      return either(number(parts.at(0)) == 1, kAnyVersion, read.at - 1);
    case What::fields: {
      const int version = number(parts.at(1));
      const bool there = parts.at(0).has_value();
      const bool fits = there == (version >= read.at) && (!there || parts.at(0) == parts.at(1));
      return fits ? version : kNoVersion;
    }
    case What::names:
    case What::count: {
      const int fields =
          read.what == What::count ? number(parts.at(0)) : static_cast<int>(parts.size());
      return std::max(fields - 1, 0);
    }
    case What::values: {
      const bool alike = std::ranges::all_of(parts, [&](const auto& one) {
        return number(one) == static_cast<int>(parts.size()) - 1;
      });
      return either(alike, std::max(static_cast<int>(parts.size()) - 1, 0), kNoVersion);
    }
    case What::misfit:  // Redis has not the key, nor has the source
      return 0;
  }
  return kNoVersion;
}

}  // namespace tiercache::invalidation::testing
