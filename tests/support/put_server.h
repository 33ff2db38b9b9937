#pragma once

#include "support/tls_server.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::test {

// A web server over HTTPS that takes files by PUT as RFC 9110 §13.1 says (If-Match, If-None-Match), with strong ETags;
// and what goes wrong with such servers, on demand.
class PutServer {
 public:
  enum class Fault {
    none,
    no_etag,
    weak_etag,
    same_etag,    // whatever is there
    error,        // 500 to each PUT, which does nothing
    lost,         // the PUT is done, and no answer comes
    lost_undone,  // neither
    overtaken,    // somebody else puts something right before the PUT
    keeps_old,    // 200, and nothing is done
    hangs,        // no GET is answered
  };

  PutServer()
      : identity_(authority_.issue("files", "IP:127.0.0.1")),
        server_({identity_, TLS1_2_VERSION, TLS1_3_VERSION, {}, {}}, [this](ServerConnection& connection) {
          while (const auto request = connection.read_request()) serve(connection, *request);
        }) {}

  std::string url() const { return server_.url(); }
  std::string ca() const { return authority_.ca().certificate_file.string(); }
  void fail(Fault fault) {
    const std::lock_guard lock(mutex_);
    fault_ = fault;
  }
  void set(const std::string& path, const std::string& octets) {
    const std::lock_guard lock(mutex_);
    put(path, octets);
  }
  void remove(const std::string& path) {
    const std::lock_guard lock(mutex_);
    files_.erase(path);
  }
  std::optional<std::string> file(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(path);
    return found == files_.end() ? std::nullopt : std::optional(found->second.octets);
  }
  // "GET /issuing.crl", in order.
  std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  std::size_t count(std::string_view line) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count(lines_.begin(), lines_.end(), line));
  }
  // 403 to each PUT there.
  void deny(const std::string& path) {
    const std::lock_guard lock(mutex_);
    denied_ = path;
  }
  // The value of Authorization that is wanted; "" for none.
  void expect(const std::string& authorization) {
    const std::lock_guard lock(mutex_);
    authorization_ = authorization;
  }

 private:
  struct File {
    std::string octets;
    std::string etag;
  };
  static std::string header(const std::string& request, const std::string& name) {
    const std::string field = "\r\n" + name + ": ";
    const auto at = request.find(field);
    if (at == std::string::npos || at > request.find("\r\n\r\n")) return "";
    const auto begin = at + field.size();
    return request.substr(begin, request.find("\r\n", begin) - begin);
  }
  void put(const std::string& path, const std::string& octets) {
    files_[path] = {octets, "\"" + std::to_string(++last_etag_) + "\""};
  }
  std::string etag_line(const std::string& etag) const {
    switch (fault_) {
      case Fault::no_etag:
        return "";
      case Fault::weak_etag:
        return "ETag: W/" + etag + "\r\n";
      case Fault::same_etag:
        return "ETag: \"0\"\r\n";
      default:
        return "ETag: " + etag + "\r\n";
    }
  }
  void serve(ServerConnection& connection, const std::string& request) {
    std::unique_lock lock(mutex_);
    const auto space = request.find(' ');
    const std::string method = request.substr(0, space);
    const std::string path = request.substr(space + 1, request.find(' ', space + 1) - space - 1);
    lines_.push_back(method + " " + path);
    if (header(request, "Authorization") != authorization_) return connection.answer(401, "");
    const auto found = files_.find(path);
    if (method == "GET") {
      if (fault_ == Fault::hangs) {
        lock.unlock();
        return connection.hang();
      }
      if (found == files_.end()) return connection.answer(404, "");
      return connection.answer(200, found->second.octets, "application/pkix-crl", etag_line(found->second.etag));
    }
    if (method != "PUT") return connection.answer(405, "");
    if (path == denied_) return connection.answer(403, "");
    if (fault_ == Fault::error) return connection.answer(500, "");
    if (fault_ == Fault::lost_undone) return connection.close_properly();
    if (fault_ == Fault::overtaken) put(path, "somebody else's");
    const auto now = files_.find(path);
    const std::string match = header(request, "If-Match");
    const std::string none_match = header(request, "If-None-Match");
    const std::string there = now == files_.end() ? "" : fault_ == Fault::same_etag ? "\"0\"" : now->second.etag;
    if ((match.empty() && none_match.empty()) || (!match.empty() && match != there) ||
        (none_match == "*" && now != files_.end())) {
      return connection.answer(412, "");
    }
    if (fault_ != Fault::keeps_old) put(path, request.substr(request.find("\r\n\r\n") + 4));
    if (fault_ == Fault::lost) return connection.close_properly();
    connection.answer(now == files_.end() ? 201 : 204, "");
  }

  TestAuthority authority_{"Files CA"};
  Identity identity_;
  std::mutex mutex_;
  Fault fault_ = Fault::none;
  std::string authorization_;
  std::string denied_;
  std::map<std::string, File> files_;
  unsigned last_etag_ = 0;
  std::vector<std::string> lines_;
  TlsServer server_;
};

}  // namespace hsmbridge::test
