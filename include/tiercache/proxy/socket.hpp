// A client's socket as it comes from the listener, TCP or unix. Its session reads and writes it as
// an io::Stream.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>

namespace tiercache::proxy {

using Socket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol,
                                                boost::asio::io_context::executor_type>;

}  // namespace tiercache::proxy
