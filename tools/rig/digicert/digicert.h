#pragma once

#include "base/json.h"
#include "tools/rig/digicert/error.h"
#include "tools/rig/digicert/fields.h"
#include "tools/rig/digicert/profiles.h"
#include "tools/rig/pki/authority.h"
#include "tools/rig/server/line_file.h"
#include "tools/rig/server/record.h"
#include "tools/rig/server/simulator.h"

#include <filesystem>
#include <map>
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
  // The first is the one that clients are given, to the second one a profile is bound; none: kept in
  // DIR/digicert-api-keys.json.
  std::vector<DigicertApiKey> api_keys;
  bool client_certificates = false;  // the server demands them: then nobody needs an API key
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
class Digicert final : public Simulator {
 public:
  Digicert(DigicertOptions options, const Clock& clock);

  Answer handle(const Call& call) override;
  // POST /rig/approve {"id", "by"} and POST /rig/reject {"id", "by", "reason"}; "id" may be left out when one request
  // waits.
  std::optional<Answer> control(const std::string& what, const Json& body) override;
  Json requests() const override;
  // "api_keys", "root" (the file with the root of what it issues) and "profiles".
  Json about() const override;
  std::string trouble() const override;
  std::optional<Bytes> certificate_for_another_key(ByteView certificate) override;
  void reset() override;

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

    template <class Self, class Visit>
    static void members(Self& self, Visit visit) {
      visit("serial", self.serial);
      visit("der", self.der);
      visit("profile", self.profile);
      visit("seat", self.seat);
      visit("status", self.status);
      visit("reason", self.reason);
      visit("created", self.created);
      visit("revoked", self.revoked);
      visit("subject", self.subject);
      visit("names", self.names);
    }
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

    template <class Self, class Visit>
    static void members(Self& self, Visit visit) {
      visit("id", self.id);
      visit("csr", self.csr);
      visit("created", self.created);
      visit("state", self.state);
      visit("approved_by", self.approved_by);
      visit("message", self.message);
      visit("serial", self.serial);
      visit("shape", self.order.shape);
      visit("profile", self.order.profile);
      visit("seat", self.order.seat);
      visit("validity", self.order.validity);
      visit("delivery_format", self.order.delivery_format);
      visit("include_ca_chain", self.order.include_ca_chain);
      visit("subject", self.order.subject);
      visit("names", self.order.names);
    }
  };
  struct Asked {
    const Call& call;
    std::vector<std::string> captured;  // what stood in place of the stars of the route
    std::string token;                  // id of the API token, "" for a client certificate
    Json body;
  };
  struct Route {
    std::string_view method;
    std::string_view path;
    Answer (Digicert::*handler)(const Asked&);
  };
  static const std::vector<Route>& routes();
  struct Page {
    std::size_t offset;
    std::size_t limit;
  };
  static Page page_of(const Call& call);

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
  const DigicertProfile& profile_of(const std::string& id) const;  // which is known to be there
  const DigicertProfile& visible_profile(const std::string& id, const std::string& token) const;
  const DigicertProfile& usable_profile(const std::string& id, const std::string& token, std::string_view field) const;
  Request& open_request(const Json& body);
  std::string word(std::string_view word) const;  // in the letter case that the options want

  void keep(const Certificate& certificate);
  void keep(const Request& request);
  void load();
  void keep_advanced() override;

  const DigicertOptions options_;
  const Authority ca_;
  std::vector<DigicertProfile> profiles_;
  // Guarded by mutex_, as everything below.
  LineFile state_;
  std::vector<Certificate> certificates_;
  std::vector<Request> requests_;
  std::size_t issued_ = 0;
};

}  // namespace hsmbridge::rig
