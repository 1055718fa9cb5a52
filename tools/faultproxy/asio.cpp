// Asio is compiled here (BOOST_ASIO_SEPARATE_COMPILATION): the fault proxy shares no code with the
// proxy that it torments.
#include <boost/asio/impl/src.hpp>
