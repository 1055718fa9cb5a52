// A connected stream socket (TCP or unix) that is read only when there is something to read.
//
// Asio tries a read whenever one is begun, which fails each time, since the last one has taken all
// there was: a system call for each request of a client that waits for its answers. A Stream is
// told by its thread's Poller when something has come, and whether a read has taken all.
//
// One thread, that of the io_context. A Stream may be closed and destroyed at any time, from within
// its own callbacks too; when the io_context goes first the Stream is closed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/require.hpp>
#include <boost/intrusive/list_hook.hpp>
#include <boost/system/error_code.hpp>
#include <sys/uio.h>

namespace tiercache::io {

class Poller;
using boost::system::error_code;

struct EveryStream;
struct StreamsToVisit;
template <class Tag>
using Hook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

class Stream : public Hook<EveryStream>, public Hook<StreamsToVisit> {
 public:
  // Who reads and writes. Called by the Poller, never from within a call of the user's.
  class User {
   public:
    // There is something to receive: bytes, the end, or an error. It is told once; what is then
    // left unread is asked for with visit().
    virtual void on_readable() = 0;
    // After await_writable(), once.
    virtual void on_writable() = 0;
    // The io_context is gone, the stream is closed. The last call.
    virtual void on_detached() {
    }

   protected:
    ~User() = default;
  };

  Stream(boost::asio::io_context& io, User& user) noexcept : io_(io), user_(user) {
  }
  ~Stream() {
    close();
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Takes the descriptor of a connected socket, even if it fails. Keeps the io_context running.
  // REQUIRES: not open.
  void open(int descriptor, error_code& error);
  void close() noexcept;
  // The same, and what the peer has not got yet it will not get: else the system goes on sending.
  void abort() noexcept;
  bool is_open() const noexcept {
    return descriptor_ >= 0;
  }

  // There may be something to receive.
  bool readable() const noexcept {
    return readable_;
  }
  // on_readable() comes again, in a later turn of the loop. REQUIRES: open, readable.
  void visit();
  // Never blocks. Errors: would_block, asio::error::eof, or what the system says.
  std::size_t receive(char* data, std::size_t size, error_code& error) noexcept;
  std::size_t send(std::string_view bytes, error_code& error) noexcept;
  std::size_t send(std::span<const iovec> pieces, error_code& error) noexcept;
  // REQUIRES: open.
  void await_writable() noexcept;

 private:
  friend class Poller;
  using Work = std::decay_t<decltype(boost::asio::require(
      std::declval<boost::asio::io_context::executor_type>(),
      boost::asio::execution::outstanding_work.tracked))>;

  boost::asio::io_context& io_;
  User& user_;
  Poller* poller_ = nullptr;  // while it is open
  std::optional<Work> work_;
  int descriptor_ = -1;
  bool readable_ = false;
  bool ended_ = false;  // the peer sends no more, or the connection broke: a short read is not all
  bool awaits_writable_ = false;
};

}  // namespace tiercache::io
