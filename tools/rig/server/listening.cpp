#include "tools/rig/server/listening.h"

#include "base/error.h"

#include <fmt/core.h>
#include <httplib.h>
#include <sys/socket.h>

#include <chrono>
#include <utility>

namespace hsmbridge::rig {

Listening::Listening(httplib::Server& server, std::optional<int> port) : server_(server) {
  // cpp-httplib's own choice, SO_REUSEPORT, lets two servers take one port and share its connections by chance.
  server_.set_socket_options([](socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  if (port) {
    port_ = server_.bind_to_port("127.0.0.1", *port) ? *port : -1;
  } else {
    port_ = server_.bind_to_any_port("127.0.0.1");
  }
  if (port_ <= 0) {
    throw Error{ErrorKind::unavailable, fmt::format("port {} of 127.0.0.1 is not available", port.value_or(0))};
  }
  thread_ = std::thread([this] { server_.listen_after_bind(); });
  // stop() before the listening loop runs would be lost.
  while (!server_.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds{1});
}

Listening::~Listening() {
  stop();
  thread_.join();
}

void Listening::stop() {
  // cpp-httplib does not expect to be stopped twice.
  if (!std::exchange(stopped_, true)) server_.stop();
}

}  // namespace hsmbridge::rig
