#include "tools/rig/server/file_server.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tools/rig/server/listening.h"

#include <fmt/core.h>
#include <httplib.h>
#include <unistd.h>

namespace hsmbridge::rig {

class FileServer::Inside {
 public:
  Inside(const std::filesystem::path& dir, std::optional<int> port) : file_(dir / "files.json") {
    std::filesystem::create_directories(dir / "public");
    // RFC 2585 §4.
    server_.set_file_extension_and_mimetype_mapping("crl", "application/pkix-crl");
    server_.set_file_extension_and_mimetype_mapping("cer", "application/pkix-cert");
    server_.set_file_extension_and_mimetype_mapping("crt", "application/pkix-cert");
    server_.set_mount_point("/", (dir / "public").string());
    listen(port);
    write_file(
        file_,
        as_bytes(
            Json::object({{"url", url()}, {"pid", static_cast<std::int64_t>(::getpid())}, {"port", port_}}).pretty() +
            "\n"),
        FileMode::private_0600, Existing::replace);
  }

  std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }

 private:
  void listen(std::optional<int> port) {
    if (!port && std::filesystem::exists(file_)) {
      try {
        listening_.emplace(server_, static_cast<int>(Json::parse(as_text(read_file(file_))).at("port").as_integer()));
      } catch (const Error&) {
        listening_.reset();
      }
    }
    std::filesystem::remove(file_);
    if (!listening_) listening_.emplace(server_, port);
    port_ = listening_->port();
  }

  const std::filesystem::path file_;
  httplib::Server server_;
  std::optional<Listening> listening_;
  int port_ = -1;
};

FileServer::FileServer(const std::filesystem::path& dir, std::optional<int> port)
    : inside_(std::make_unique<Inside>(std::filesystem::absolute(dir), port)) {}

FileServer::~FileServer() = default;

std::string FileServer::url() const {
  return inside_->url();
}

}  // namespace hsmbridge::rig
