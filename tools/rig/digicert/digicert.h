#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "tools/rig/digicert/ca.h"
#include "tools/rig/digicert/error.h"
#include "tools/rig/digicert/fields.h"
#include "tools/rig/digicert/profiles.h"
#include "tools/rig/server/line_file.h"
#include "tools/rig/server/simulator.h"

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::rig {

struct DigicertApiKey {
  std::string id;   // a UUID, for profiles that are bound to tokens
  std::string key;  // what x-api-key carries
};

// Where sources disagree or are silent, each reading is a switch.
struct DigicertOptions {
  std::filesystem::path dir;
  std::vector<DigicertApiKey> api_keys;  // the first is the one that clients are given
  bool client_certificates = false;      // the server demands them: then nobody needs an API key
  enum class Shape { real, tutorial, both } shape = Shape::both;
  DigicertEnvelope envelope = DigicertEnvelope::array;
  enum class WrongKey { json, text } wrong_key = WrongKey::json;
  enum class CertificateText { pem, base64 } certificate_text = CertificateText::pem;
  enum class ChainIn { certificate, ca_certs } chain_in = ChainIn::ca_certs;
  enum class Formats { ordered, reversed, without_root, missing, none } formats = Formats::ordered;
  enum class RejectionAs { status, error } rejection_as = RejectionAs::status;
  enum class RequestIds { uuid, number } request_ids = RequestIds::uuid;
  enum class Words { usual, other } words = Words::usual;  // other: enumerations in the other letter case
  std::chrono::seconds connector_delay{20};                // how long the Microsoft CA takes
  std::chrono::seconds search_lag{0};                      // how long a search does not show what was issued
  std::string pending_retry_after;                         // Retry-After beside PENDING
  std::size_t more_profiles = 0;
};

// DigiCert Trust Lifecycle Manager, simulated after its pages, its OpenAPI of 2022 and its own clients: profiles,
// certificates (request, pick-up, details, formats, renewal, revocation, search), the user. Certificates are real ones of its own two-level CA. What was made survives a restart. Thread rule:
// every function may be called from any thread.
class Digicert {
 public:
  Digicert(DigicertOptions options, const Clock& clock);

  Answer handle(const Call& call);
  // POST /rig/approve {"id", "by"} and POST /rig/reject {"id", "by", "reason"}; "id" may be left out when one request
  // waits.
  std::optional<Answer> control(const std::string& what, const Json& body);
  Json requests() const;
  const DigicertCa& ca() const { return ca_; }
  const std::vector<DigicertProfile>& profiles() const { return profiles_; }
  const DigicertOptions& options() const { return options_; }
  std::optional<Bytes> certificate_for_another_key(ByteView certificate);
  void advance(std::chrono::seconds by);
  std::chrono::seconds advanced() const;
  void reset();

 private:
  // What a client ordered, whatever the shape.
  struct Ordered {
    std::string shape;  // "real", "tutorial"
    std::string profile;
    std::string seat;
    std::string csr;
    std::optional<std::chrono::seconds> validity;
    std::string delivery_format;
    bool include_ca_chain = false;
    Json subject = Json::object();  // name to list of values, in the order of the request
    Json names = Json::object();
  };
  struct Certificate {
    std::string serial;
    Bytes der;
    std::string profile;
    std::string seat;
    std::string status = "issued";
    std::string reason;
    Instant created;
    std::optional<Instant> revoked;
    Json subject;
    Json names;
  };
  struct Request {
    std::string id;
    Ordered order;
    Bytes csr;
    Instant created;
    std::string state = "pending";  // pending, pending_second_approval, approved, rejected
    std::vector<std::string> approved_by;
    std::string message;
    std::string serial;
  };
  struct Asked {
    const Call& call;
    std::vector<std::string> captured;  // what stood in place of the stars of the route
    std::string token;                  // id of the API token, "" for a client certificate
    Json body;
    std::map<std::string, std::string, std::less<>> query;
  };
  struct Route {
    std::string_view method;
    std::string_view path;
    Answer (Digicert::*handler)(const Asked&);
  };
  static const std::vector<Route>& routes();

  // digicert.cpp
  Answer answer(const Call& call);
  std::string authenticated(const Call& call) const;
  Answer hello(const Asked& asked);
  Answer who_am_i(const Asked& asked);
  Answer list_profiles(const Asked& asked);
  Answer show_profile(const Asked& asked);
  // digicert_requests.cpp
  Answer request_certificate(const Asked& asked);
  Answer pick_up(const Asked& asked);
  Answer renew(const Asked& asked);
  Ordered read_order(const Json& body) const;
  void read_attributes(const Json& json, const std::string& path, Ordered& order) const;
  void read_terms(DigicertFields& fields, Ordered& order) const;
  Bytes checked_csr(const std::string& text, const DigicertProfile& profile, std::string_view field) const;
  void check_attributes(const Ordered& order, const DigicertProfile& profile) const;
  void check_duplicate(const Ordered& order, const DigicertProfile& profile) const;
  Certificate& issue(const Ordered& order, const DigicertProfile& profile, const Bytes& csr);
  std::string state_of(const Request& request) const;
  void settle(Request& request);
  Answer issued_answer(int status, const Certificate& certificate, const Ordered& order) const;
  // digicert_certificates.cpp
  Answer show_certificate(const Asked& asked);
  Answer show_formats(const Asked& asked);
  Answer revoke(const Asked& asked);
  Answer search(const Asked& asked);
  Json details_json(const Certificate& certificate) const;
  std::string status_of(const Certificate& certificate) const;
  std::string text_of(ByteView der) const;
  Certificate& find_certificate(const Asked& asked);
  const DigicertProfile& visible_profile(const std::string& id, const std::string& token) const;
  const DigicertProfile& usable_profile(const std::string& id, const std::string& token, std::string_view field) const;
  Request& open_request(const Json& body);
  std::string word(std::string_view word) const;  // in the letter case that the options want
  Instant now() const;
  static std::string new_id();  // a UUID

  void keep(const Certificate& certificate);
  void keep(const Request& request);
  void load(const Json& line);
  void load();

  const DigicertOptions options_;
  const Clock& clock_;
  const DigicertCa ca_;
  std::vector<DigicertProfile> profiles_;
  mutable std::mutex mutex_;  // guards everything below
  LineFile state_;
  std::vector<Certificate> certificates_;
  std::vector<Request> requests_;
  std::chrono::seconds advanced_{0};
  std::size_t issued_ = 0;
};

}  // namespace hsmbridge::rig
