#include "epoll_loop/request_counter.hpp"

#include <string>

#include <doctest/doctest.h>

namespace tiercache::epoll_loop {
namespace {

constexpr std::string_view kGet = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";

TEST_CASE("requests are counted when their last line ends, however the bytes were cut") {
  std::string stream;
  for (int i = 0; i < 20; ++i) {
    stream += kGet;
  }
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    CAPTURE(piece);
    RequestCounter counter;
    std::size_t requests = 0;
    std::size_t at = 0;
    for (; at < stream.size(); at += piece) {
      const std::string_view bytes = std::string_view(stream).substr(at, piece);
      requests += counter.count(bytes);
      CHECK(requests == (at + bytes.size()) / kGet.size());
    }
    CHECK(requests == 20);
  }
}

TEST_CASE("requests of more arguments have more lines") {
  RequestCounter counter;
  CHECK(counter.count("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n") ==
        1);
  CHECK(counter.count("$1\r\nb\r\n") == 1);
}

TEST_CASE("what is no array of bulk strings is noticed") {
  for (const char* text : {"PING\r\n", "*\r\n", "*0\r\n", "*x\r\n", "*-1\r\n"}) {
    CAPTURE(text);
    RequestCounter counter;
    CHECK(counter.count(text) == 0);
    CHECK(counter.failed());
    CHECK(counter.count(kGet) == 0);
  }
}

}  // namespace
}  // namespace tiercache::epoll_loop
