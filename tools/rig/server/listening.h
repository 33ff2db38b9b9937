#pragma once

#include <optional>
#include <thread>

namespace httplib {
class Server;
}

namespace hsmbridge::rig {

// A server that listens on 127.0.0.1 in a thread of its own, as long as this lives. The server must outlive it.
class Listening {
 public:
  // Without a port a free one. Listens when the constructor returns. Throws unavailable when the port is taken.
  Listening(httplib::Server& server, std::optional<int> port);
  // Waits for the handlers that run.
  ~Listening();
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

  int port() const { return port_; }
  // Takes no connection any more.
  void stop();

 private:
  httplib::Server& server_;
  int port_ = -1;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace hsmbridge::rig
