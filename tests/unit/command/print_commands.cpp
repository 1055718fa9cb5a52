// Writes the table of docs/commands.md to the standard output, or into the page that is named.
#include "commands_page.hpp"
#include "page_file.hpp"

#include <iostream>

using namespace tiercache::command::testing;

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cout << commands_page();
    return 0;
  }
  return write_page(argv[1], commands_page()) ? 0 : 1;
}
