// The list of explored scripts; see scripts.hpp for the notation.
#include "scripts.hpp"

#include <sstream>

namespace model {

Script script(const std::string& text) {
  Script parsed;
  parsed.name = text;
  std::istringstream words(text);
  std::string sessions;
  std::string rest;
  words >> sessions >> rest;
  std::istringstream list(sessions);
  for (std::string one; std::getline(list, one, '|');) {
    parsed.sessions.push_back(one);
  }
  for (const char letter : rest) {
    switch (letter) {
      case 'd':
        parsed.direct_a++;
        break;
      case 'D':
        parsed.direct_both++;
        break;
      case 'f':
        parsed.direct_flush++;
        break;
      case 'e':
        parsed.event_losses++;
        break;
      case 'l':
        parsed.data_losses++;
        break;
      case '2':
        parsed.depth = 2;
        break;
      case '3':
        parsed.depth = 3;
        break;
      case '1':
        parsed.one_link = true;
        break;
      case 't':
        parsed.tracking = true;
        break;
      case 'a':
        parsed.age = true;
        break;
      case 'z':
        parsed.every_hit_fenced = true;
        break;
      case 'S':
        parsed.session_scripts = true;
        break;
      case 'c':
        parsed.stripes = 1;
        break;
      case 'T':
        parsed.ticks = 3;
        break;
      default:
        TC_CHECK(false);  // a letter that scripts.hpp does not list
    }
  }
  return parsed;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  // One key, reads and writes: the race of fills with writes and events.
  for (const char* text :
       {"RRR|RR d", "RWR|RR d", "RW|WR d", "RRR|WR d", "RR|RR dd", "RWR|RR d2", "RR|WR d2",
        "RRR|RR d2", "RWR|WR d1", "RR|RR dd21", "RWR|RR z", "RR|R dz2", "RR|RR dt", "RW|RR dt"}) {
    all.push_back({script(text)});
  }
  // Two commands of one key, two keys, snapshots.
  for (const char* text :
       {"RQ|QR d", "RQ|QR d2", "RQR|Q dd", "RQ|WQ d", "MM|R D", "MR|WR D", "MM|RQ D2", "NM|MR 2",
        "MM|Rr D2", "MM|N t", "RrR|w dc2", "MM|R Dz", "MW|MR D"}) {
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
  // No events at all.
  for (const char* text : {"RWR|RR da2", "RQ|QR da2", "PRR|RR da", "LR|RR a2", "MR|NR Da",
                           "FR|RR a2", "RXRE|R da2", "LR|R aS", "RR|R ea"}) {
    all.push_back({script(text)});
  }
  for (const char* text :
       {"RWR|RWR d", "RWR|RWR d2", "RRR|RRR dd2", "RQW|QRR d2", "MRM|NR D2", "RR|RR|RR d",
        "RW|RR|QR d", "PRP|RWR d2", "LRW|RLR 2", "FRR|RFR 2", "RXREW|RWR d2", "RRW|RR dle",
        "WRR|RWR dt2", "MMR|RQW Dt", "RRR|RWR dz2", "RRR|WRR dT2"}) {
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
