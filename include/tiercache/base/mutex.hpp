// A mutex that clang's -Wthread-safety understands (libstdc++'s carries no annotations).
// Held for tens of nanoseconds, never across I/O.
#pragma once

#include <mutex>

#if defined(__clang__)
#define TC_ANNOTATE(x) __attribute__((x))
#else
#define TC_ANNOTATE(x)
#endif

#define TC_GUARDED_BY(mutex) TC_ANNOTATE(guarded_by(mutex))
#define TC_REQUIRES(mutex) TC_ANNOTATE(requires_capability(mutex))

namespace tiercache {

class TC_ANNOTATE(capability("mutex")) Mutex {
 public:
  void lock() TC_ANNOTATE(acquire_capability()) {
    mutex_.lock();
  }
  void unlock() TC_ANNOTATE(release_capability()) {
    mutex_.unlock();
  }

 private:
  std::mutex mutex_;
};

class TC_ANNOTATE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) TC_ANNOTATE(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() TC_ANNOTATE(release_capability()) {
    mutex_.unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace tiercache
