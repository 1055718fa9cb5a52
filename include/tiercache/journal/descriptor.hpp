// An open file, closed with its owner.
#pragma once

#include <unistd.h>

namespace tiercache::journal {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    reset(-1);
  }
  void reset(int fd) noexcept {
    if (fd_ >= 0) {
      ::close(fd_);
    }
    fd_ = fd;
  }
  int get() const noexcept {
    return fd_;
  }

 private:
  int fd_ = -1;
};

}  // namespace tiercache::journal
