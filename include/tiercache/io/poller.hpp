// Tells the Streams of one io_context that there is something to read, all that are ready in one
// turn of its loop; and what is to be done at the end of such a turn, when all of them have been
// read: what they caused can then be done once. First whoever answers, then whoever sends on what
// these ask for.
//
// Cost: one epoll_wait a turn beside Asio's own. Edges are counted, not levels: a stream costs no
// other system call than its reads. At most kMostAtOnce streams a turn; the others are next.
//
// One for each io_context, which owns it (an Asio service). One thread, that of the io_context.
#pragma once

#include "tiercache/io/stream.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/intrusive/list.hpp>

struct epoll_event;

namespace tiercache::io {

struct TurnEnds;

enum class TurnEnd : std::uint8_t { answer, send };
inline constexpr std::size_t kTurnEnds = 2;

// Something that has work left for the end of the turn. Going out of life takes it off.
class AtTurnEnd : public Hook<TurnEnds> {
 public:
  virtual void on_turn_end() = 0;

 protected:
  ~AtTurnEnd() = default;
};

class Poller final : public boost::asio::execution_context::service {
 public:
  using key_type = Poller;
  static boost::asio::execution_context::id id;
  static constexpr int kMostAtOnce = 128;

  // By of(). Throws boost::system::system_error where the system refuses an epoll instance.
  explicit Poller(boost::asio::io_context& io);
  ~Poller() override;

  static Poller& of(boost::asio::io_context& io);

  // on_turn_end() is called once: at the end of this turn, or behind all handlers that are ready to
  // run if there is none, or if this turn has that part of its end behind it.
  void at_turn_end(AtTurnEnd& work, TurnEnd part);

 private:
  friend class Stream;
  class Watch;
  template <class T, class Tag>
  using List = boost::intrusive::list<T, boost::intrusive::base_hook<Hook<Tag>>,
                                      boost::intrusive::constant_time_size<false>>;

  void shutdown() override;
  bool add(Stream& stream) noexcept;
  void await_writable(Stream& stream) noexcept;
  void forget(Stream& stream) noexcept;
  void visit(Stream& stream);
  void turn();
  void tell(epoll_event& event);
  void run_visits();
  void run_turn_ends();
  void post_turn_ends();

  boost::asio::io_context& io_;
  int epoll_ = -1;
  std::unique_ptr<Watch> watch_;
  List<Stream, EveryStream> streams_;
  List<Stream, StreamsToVisit> visits_;
  std::array<List<AtTurnEnd, TurnEnds>, kTurnEnds> turn_ends_;
  // Of the turn that runs: what is still to be told, so that who goes meanwhile is not.
  epoll_event* events_ = nullptr;
  int count_ = 0;
  bool visits_posted_ = false;
  bool in_turn_ends_ = false;
  bool ends_posted_ = false;
};

}  // namespace tiercache::io
