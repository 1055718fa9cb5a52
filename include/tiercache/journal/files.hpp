// Files that have to outlive a crash, as the journal, its dead letters and the hot keys need them.
// Any thread; each blocks until the system has done it.
#pragma once

#include "tiercache/base/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace tiercache::journal {

std::string text_of(int error);
Error failed(const std::string& what, int error);
// Makes the names in a directory durable. False: errno says why not.
bool sync_directory(const std::string& path);
// At most so many bytes. An error names the file.
Result<std::string> read_file(const std::string& path, std::size_t most);
// 0: all was written. Else errno.
int write_all(int fd, std::string_view bytes);

}  // namespace tiercache::journal
