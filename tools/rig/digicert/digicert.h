#pragma once

#include "base/json.h"
#include "tools/rig/digicert/error.h"
#include "tools/rig/digicert/profiles.h"
#include "tools/rig/pki/authority.h"
#include "tools/rig/server/simulator.h"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge::rig {

struct DigicertApiKey {
  std::string id;   // a UUID, for profiles that are bound to tokens
  std::string key;  // what x-api-key carries
};

// Where sources disagree or are silent, each reading is a switch; its words are those of the command line.
enum class DigicertShape { both, real, tutorial };
// {"errors":[{"code","message","field"}]} as its pages and clients show, or {"error":{"code","message"}} as two of its
// texts describe.
enum class DigicertEnvelope { array, object };
enum class DigicertWrongKey { json, text };
enum class DigicertText { pem, base64 };
enum class DigicertChain { ca_certs, certificate };
enum class DigicertFormats { ordered, reversed, without_root, missing, none };
enum class DigicertRejection { status, error };
enum class DigicertIds { uuid, number };
enum class DigicertWords { usual, other };  // other: enumerations in the other letter case

struct DigicertOptions {
  std::filesystem::path dir;
  // The first is the one that clients are given, to the second one a profile is bound; none: kept in
  // DIR/digicert-api-keys.json.
  std::vector<DigicertApiKey> api_keys;
  bool client_certificates = false;  // the server demands them: then nobody needs an API key
  DigicertShape shape = DigicertShape::both;
  DigicertEnvelope envelope = DigicertEnvelope::array;
  DigicertWrongKey wrong_key = DigicertWrongKey::json;
  DigicertText certificate_text = DigicertText::pem;
  DigicertChain chain_in = DigicertChain::ca_certs;
  DigicertFormats formats = DigicertFormats::ordered;
  DigicertRejection rejection_as = DigicertRejection::status;
  DigicertIds request_ids = DigicertIds::uuid;
  DigicertWords words = DigicertWords::usual;
  std::chrono::seconds connector_delay{20};  // how long the Microsoft CA takes
  std::chrono::seconds search_lag{0};        // how long a search does not show what was issued
  std::string pending_retry_after;           // Retry-After of a PENDING answer
  std::size_t more_profiles = 0;
};

// DigiCert Trust Lifecycle Manager, simulated after its pages, its OpenAPI of 2022 and its own clients: profiles,
// certificates (request, pick-up, details, formats, renewal, revocation, search), the user. Certificates are real ones
// of its own two-level CA. What was made survives a restart.
// Thread rule: every function may be called from any thread.
class Digicert final : public Simulator {
 public:
  Digicert(DigicertOptions options, const Clock& clock);

  // POST /rig/approve {"id", "by"} and POST /rig/reject {"id", "by", "reason"}; "id" may be left out when one request
  // waits.
  std::optional<Json> control(const std::string& what, const Json& body) override;
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
      visit("serial", self.serial, "der", self.der, "profile", self.profile, "seat", self.seat, "status", self.status,
            "reason", self.reason, "created", self.created, "revoked", self.revoked, "subject", self.subject, "names",
            self.names);
    }
  };
  struct Request {
    std::string id;
    Ordered order;
    Bytes public_key;
    Instant created;
    std::string state = "pending";  // pending, pending_second_approval, approved, rejected
    std::vector<std::string> approved_by;
    std::string message;
    std::string serial;

    template <class Self, class Visit>
    static void members(Self& self, Visit visit) {
      visit("id", self.id, "public_key", self.public_key, "created", self.created, "state", self.state, "approved_by",
            self.approved_by, "message", self.message, "serial", self.serial, "shape", self.order.shape, "profile",
            self.order.profile, "seat", self.order.seat, "validity", self.order.validity, "delivery_format",
            self.order.delivery_format, "include_ca_chain", self.order.include_ca_chain, "subject", self.order.subject,
            "names", self.order.names);
    }
  };
  using Route = Endpoint<Digicert>;
  static const std::vector<Route>& routes();
  // Offset and limit.
  static std::pair<std::size_t, std::size_t> page_of(const Call& call);

  // digicert.cpp
  Answer answer(const Call& call) override;
  Answer worded(Answer refused) const override;
  std::string authenticated(const Call& call) const;
  Answer hello(const Asked& asked);
  Answer who_am_i(const Asked& asked);
  Answer list_profiles(const Asked& asked);
  Answer show_profile(const Asked& asked);
  // requests.cpp
  Answer request_certificate(const Asked& asked);
  Answer pick_up(const Asked& asked);
  Answer renew(const Asked& asked);
  Ordered read_order(const Json& body) const;
  void read_attributes(const Json& json, const std::string& path, Ordered& order) const;
  void read_terms(Fields& fields, Ordered& order) const;
  Csr checked_csr(const std::string& text, const DigicertProfile& profile, std::string_view field) const;
  void check_attributes(const Ordered& order, const DigicertProfile& profile) const;
  void check_duplicate(const Ordered& order, const DigicertProfile& profile) const;
  Certificate& issue(const Ordered& order, const DigicertProfile& profile, const Bytes& public_key);
  std::string state_of(const Request& request) const;
  void settle(Request& request);
  Json issued_json(const Certificate& certificate, const Ordered& order) const;
  // certificates.cpp
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

  void save(const Certificate& certificate) { keep("certificate", kept(certificate)); }
  void save(const Request& request) { keep("request", kept(request)); }

  const DigicertOptions options_;
  const Authority ca_;
  std::vector<DigicertProfile> profiles_;
  // Guarded by mutex_, as everything below.
  Records<Certificate, &Certificate::serial> certificates_;
  Records<Request, &Request::id> requests_;
};

}  // namespace hsmbridge::rig
