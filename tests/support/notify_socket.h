#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>

namespace hsmbridge::test {

// The end of a service manager: what $NOTIFY_SOCKET names, a path or "@" and an abstract name.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& address) : descriptor_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (address.size() >= sizeof to.sun_path) throw std::runtime_error("a long path for a socket: " + address);
    std::copy(address.begin(), address.end(), to.sun_path);
    if (address.front() == '@') to.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
    if (::bind(descriptor_, reinterpret_cast<const sockaddr*>(&to), size) != 0) {
      throw std::runtime_error("cannot bind " + address);
    }
  }
  ~NotifySocket() { ::close(descriptor_); }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  bool has_more() const { return readable(0); }
  // The next datagram. Throws after a minute.
  std::string next() const {
    if (!readable(60'000)) throw std::runtime_error("the service manager was told nothing for a minute");
    std::array<char, 4096> text{};
    const auto size = ::recv(descriptor_, text.data(), text.size(), 0);
    return {text.data(), static_cast<std::size_t>(std::max<decltype(size)>(size, 0))};
  }
  // The next datagram with `words` in it; those before it are skipped.
  std::string next_with(const std::string& words) const {
    for (;;) {
      if (auto text = next(); text.find(words) != std::string::npos) return text;
    }
  }

 private:
  bool readable(int milliseconds) const {
    pollfd one{descriptor_, POLLIN, 0};
    return ::poll(&one, 1, milliseconds) == 1;
  }
  int descriptor_;
};

}  // namespace hsmbridge::test
