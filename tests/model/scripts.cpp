// The list of explored scripts; see scripts.hpp for the notation.
#include "scripts.hpp"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <utility>

namespace model {

namespace {

constexpr std::string_view kOperations = "RrQWwNMPLXEUBF";
constexpr std::size_t kMostSessions = 4;
constexpr std::size_t kMostOperations = 16;
constexpr std::size_t kMostFaults = 8;  // of one kind; also keeps the counts within the digest

Error wrong(std::string text) {
  return {ErrorCode::invalid, std::move(text)};
}

// False: no such letter.
bool add(Script& script, char letter) {
  switch (letter) {
    case 'd':
      script.direct_a++;
      return true;
    case 'D':
      script.direct_both++;
      return true;
    case 'f':
      script.direct_flush++;
      return true;
    case 'e':
      script.event_losses++;
      return true;
    case 'l':
      script.data_losses++;
      return true;
    case '2':
    case '3':
      script.depth = static_cast<unsigned>(letter - '0');
      return true;
    case '1':
      script.one_link = true;
      return true;
    case 't':
      script.tracking = true;
      return true;
    case 'a':
      script.age = true;
      return true;
    case 'z':
      script.every_hit_fenced = true;
      return true;
    case 'S':
      script.session_scripts = true;
      return true;
    case 'c':
      script.stripes = 1;
      return true;
    case 'T':
      script.ticks = 3;
      script.expires = true;
      return true;
    case 's':
      script.ticks = 3;
      script.short_staleness = true;
      return true;
    case 'p':
      script.pttl_apart = true;
      return true;
    case 'm':
      script.failovers++;
      return true;
    case 'n':
      script.deafenings++;
      return true;
    case 'x':
      script.swaps++;
      return true;
    default:
      return false;
  }
}

Status check_session(const std::string& operations) {
  if (operations.empty() || operations.size() > kMostOperations) {
    return wrong("a session has 1 to " + std::to_string(kMostOperations) + " operations");
  }
  bool own_link = false;
  for (const char letter : operations) {
    if (kOperations.find(letter) == std::string_view::npos) {
      return wrong("no operation is called '" + std::string(1, letter) + "'; there are " +
                   std::string(kOperations));
    }
    const bool needs_own = letter == 'E' || letter == 'U' || letter == 'B';
    if (needs_own != own_link && (needs_own || letter == 'X')) {
      return wrong("'" + operations + "': " +
                   (needs_own ? std::string("E, U and B come after an X")
                              : std::string("an X comes after the E or U of the one before")));
    }
    own_link = letter == 'X' || (own_link && letter != 'E' && letter != 'U');
  }
  return Unit{};
}

Status check_faults(const Script& script, const std::string& letters) {
  for (const char letter : letters) {
    if (static_cast<std::size_t>(std::count(letters.begin(), letters.end(), letter)) >
        kMostFaults) {
      return wrong("more than " + std::to_string(kMostFaults) + " '" + std::string(1, letter) +
                   "'");
    }
  }
  const bool only_reads = std::all_of(
      script.sessions.begin(), script.sessions.end(),
      [](const std::string& one) { return one.find_first_not_of("RrQMP") == std::string::npos; });
  if (script.failovers > 1 || (script.failovers == 1 && !only_reads)) {
    return wrong("m is there once, and with reads only (R r Q M P)");
  }
  if (script.with_canary() && (script.tracking || script.age)) {
    return wrong("n and x go with keyspace events only, without t and a");
  }
  return Unit{};
}

}  // namespace

Result<Script> parse_script(const std::string& text) {
  Script parsed;
  parsed.name = text;
  std::istringstream words(text);
  std::string sessions;
  std::string letters;
  std::string more;
  words >> sessions >> letters >> more;
  if (sessions.empty() || !more.empty()) {
    return wrong("a script is sessions, joined by |, then a blank and letters for faults");
  }
  sessions += '|';
  for (std::size_t at = 0; at < sessions.size();) {
    const std::size_t end = sessions.find('|', at);
    parsed.sessions.push_back(sessions.substr(at, end - at));
    if (Status status = check_session(parsed.sessions.back()); !status) {
      return std::move(status).error();
    }
    at = end + 1;
  }
  if (parsed.sessions.size() > kMostSessions) {
    return wrong("at most " + std::to_string(kMostSessions) + " sessions");
  }
  for (const char letter : letters) {
    if (!add(parsed, letter)) {
      return wrong("no fault or circumstance is called '" + std::string(1, letter) + "'");
    }
  }
  if (Status status = check_faults(parsed, letters); !status) {
    return std::move(status).error();
  }
  return parsed;
}

Script script(const std::string& text) {
  auto parsed = parse_script(text);
  TC_CHECK(static_cast<bool>(parsed));
  return std::move(parsed).value();
}

std::vector<Case> cases() {
  std::vector<Case> all;
  // One key, reads and writes: the race of fills with writes and events.
  for (const char* text : {"RRR|RR d", "RWR|RR d", "RW|WR d", "RRR|WR d", "RR|RR dd", "RWR|RR d2",
                           "RR|WR d2", "RRR|RR d2", "RWR|WR d1", "RR|RR dd21", "RWR|RR z",
                           "RR|R dz2", "RQ|QR dz", "RR|RR dt", "RW|RR dt"}) {
    all.push_back({script(text)});
  }
  // Two commands of one key, two keys, snapshots.
  for (const char* text :
       {"RQ|QR d", "RQ|QR d2", "RQR|Q dd", "RQ|WQ d", "MM|R D", "MR|WR D", "MM|RQ D2", "NM|MR 2",
        "MM|Rr D2", "MM|N t", "RrR|w dc2", "MM|R Dz", "MW|MR D",
        // Entries of another command that came by the same link.
        "QRQ d", "QRQ|R d1", "RQR|Q d21", "QR|RQ dt"}) {
    all.push_back({script(text)});
  }
  // Reads past L1, scripts, flushes, links of one's own.
  for (const char* text : {"PR|RR d2", "RPR|RP d", "LR|RR 2", "LRR|R d", "LR|R t2", "LRR|RR S",
                           "FR|RR 2", "FR|MR D", "RF|R fd", "FL|RR 2", "XRE|WR", "RXRE|R d2",
                           "XRERR|R d2", "XBUR|RR 2", "XRUR|WR 2", "WXUR|RR d2", "RXR|RR d2"}) {
    all.push_back({script(text)});
  }
  // Faults, time.
  for (const char* text :
       {"RR|R de", "RR|RR de", "RW|RR el", "RR|RR dl", "RWR|R l2", "RR|R fe", "RRR|R T", "RW|RR T",
        "MM|R DT", "LR|R le", "LR|R e", "RR|R dd2", "WXR|R 3", "WR|R d3"}) {
    all.push_back({script(text)});
  }
  // Staleness in time, a PTTL apart from its read, a failover, notifications off, SWAPDB.
  for (const char* text : {"RR|RR ds", "RWR|R s", "RR|RR das", "RRR|R Tp", "RW|R Tp", "MM|R Tp",
                           "RR|RR dm", "RR|R dml", "RR|R dn", "RW|R dn", "RW|RR x"}) {
    all.push_back({script(text)});
  }
  // No events at all.
  for (const char* text : {"RWR|RR da2", "RQ|QR da2", "PRR|RR da", "LR|RR a2", "MR|NR Da",
                           "FR|RR a2", "RXRE|R da2", "LR|R aS", "RR|R ea"}) {
    all.push_back({script(text)});
  }
  for (const char* text : {"RWR|RWR d", "RWR|RWR d2", "RRR|RRR dd2", "RQW|QRR d2", "MRM|NR D2",
                           "RR|RR|RR d", "RW|RR|QR d", "PRP|RWR d2", "LRW|RLR 2", "FRR|RFR 2",
                           "RXREW|RWR d2", "RRW|RR dle", "WRR|RWR dt2", "MMR|RQW Dt", "RRR|RWR dz2",
                           "RRR|WR dT", "RR|RR dn", "RW|RR dn", "RWR|R ds2"}) {
    all.push_back({script(text), true});
  }
  return all;
}

std::vector<Mutant> mutants() {
  std::vector<Mutant> all;
  for (const auto& part :
       {mutants_of_fills(), mutants_of_reads(), mutants_of_writes(), mutants_of_links()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace model
