#include "tiercache/proxy/extensions.hpp"

#include "reply_queue.hpp"
#include "session.hpp"

#include "tiercache/base/check.hpp"
#include "tiercache/proxy/worker.hpp"

#include <utility>

namespace tiercache::proxy {

Responder::Responder(Responder&& other) noexcept
    : hub_(std::exchange(other.hub_, nullptr)), ticket_(other.ticket_) {
}

Responder& Responder::operator=(Responder&& other) noexcept {
  std::swap(hub_, other.hub_);
  std::swap(ticket_, other.ticket_);
  return *this;
}

Responder::~Responder() {
  if (hub_ != nullptr) {
    reply("-ERR tiercache: no answer\r\n");
  }
}

void Responder::reply(std::string bytes) {
  TC_CHECK(hub_ != nullptr);
  answer_ticket(*std::exchange(hub_, nullptr), ticket_, std::move(bytes));
}

void answer_ticket(Hub& hub, std::uint64_t packed, std::string bytes) {
  const Ticket ticket = Ticket::unpack(packed);
  Worker& worker = *hub.workers.at(ticket.worker);
  worker.post([&worker, ticket, bytes = std::move(bytes)]() mutable {
    if (Session* session = worker.find(ticket.session)) {
      session->on_extension(session->op_of(ticket.op), std::move(bytes));
    }
  });
}

void NoExtensions::cache_command(const Asker& /*asker*/, command::Args /*args*/,
                                 Responder responder) {
  responder.reply("-ERR unknown command 'CACHE'\r\n");
}

std::string NoExtensions::augment(command::Args /*args*/, std::string upstream_reply,
                                  resp::Version /*version*/) {
  return upstream_reply;
}

std::optional<std::string> NoExtensions::offline(command::Args /*args*/,
                                                 resp::Version /*version*/) {
  return std::nullopt;
}

}  // namespace tiercache::proxy
