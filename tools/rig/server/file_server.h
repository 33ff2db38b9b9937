#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace hsmbridge::rig {

// The web server of a CA: the files of one folder over HTTP on 127.0.0.1, for CRLs and certificates of CAs. HTTP and not
// HTTPS: who fetches a CRL to verify a certificate would have to verify another one first (RFC 5280 §8). Files in `dir`:
//   public/      what is served, to whoever asks
//   files.json   {"url", "pid", "port"}: written when the server answers, so that its being there says "ready"
class FileServer {
 public:
  // Serves when the constructor returns. `dir` is made when it is not there; without a port that of the last run when it
  // is free, else any free one, so that the addresses in certificates go on to be right. Throws denied, unavailable.
  FileServer(const std::filesystem::path& dir, std::optional<int> port);
  // Stops.
  ~FileServer();
  FileServer(const FileServer&) = delete;
  FileServer& operator=(const FileServer&) = delete;

  std::string url() const;

 private:
  class Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace hsmbridge::rig
