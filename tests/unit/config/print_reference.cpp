// Writes conf/reference.toml's text to the standard output.
#include "tiercache/config/schema.hpp"

#include <iostream>

int main() {
  std::cout << tiercache::config::reference_toml();
}
