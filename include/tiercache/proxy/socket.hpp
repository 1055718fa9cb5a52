// A client's socket, TCP or unix. Bound to its thread's io_context by type, which saves a hit the
// calls through a polymorphic executor.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>

namespace tiercache::proxy {

using Socket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol,
                                                boost::asio::io_context::executor_type>;

}  // namespace tiercache::proxy
