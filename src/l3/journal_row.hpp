// The name of the row of kJournalTable that says how far a journal has come. A source has some of
// a journal's changes only, and another source may lead to the same database, so its name is part
// of it. Where there is no such row yet the journal's own holds, which earlier versions wrote.
// Pure.
#pragma once

#include <string>
#include <string_view>

namespace tiercache::l3 {

inline std::string journal_row(std::string_view journal, std::string_view source) {
  std::string row(journal);
  return source.empty() ? row : row.append("/").append(source);
}

}  // namespace tiercache::l3
