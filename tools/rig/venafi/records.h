#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "tools/rig/venafi/csr.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What the simulated service holds. In memory: a restart forgets requests and certificates, but no key and no CA.
namespace hsmbridge::rig::venafi {

// A request that waits longer for its approvers is rejected automatically (autoRejectionThreshold).
constexpr int kAutoRejectionDays = 7;

// How requests for a template go.
struct Script {
  std::vector<std::string> before = {};     // statuses, one a look at the request, the first at creation
  std::string end = "ISSUED";               // then this one
  std::string error = "";                   // errorInformation's message at the end
  std::vector<std::string> approvers = {};  // user names; empty: nobody is asked
  unsigned required = 0;
  std::string final_approver = "";  // a user name, "" for none
  enum class Revocation { at_once, slow, approval, fails } revocation = Revocation::at_once;
};

struct TemplateRecord {
  std::string id;
  std::string name;
  std::string authority = "BUILTIN";
  std::string status = "AVAILABLE";
  std::string reason;
  std::string validity = "P90D";
  bool csr_upload_allowed = true;
  bool key_reuse = true;
  std::map<std::string, std::vector<std::string>> subject;  // "CN" -> expressions
  std::map<std::string, std::vector<std::string>> names;    // "dNSName" -> expressions
  std::vector<int> rsa_lengths{2048, 3072, 4096};
  std::vector<std::string> curves{"P256", "P384", "P521", "ED25519"};
  std::vector<std::string> extended_usages;  // "SERVER", "CLIENT", in place of those of the CSR
  Script script;
};

struct ApplicationRecord {
  std::string id;
  std::string name;
  std::map<std::string, std::string> templates;  // alias -> id
};

struct Decision {
  std::string user;  // id
  std::string status;
  std::string reason;
  Instant at{};
};

struct CloudRequest {
  std::string id;
  std::string status;
  std::string application;
  std::string issuing_template;
  std::string owner;  // user id
  std::string csr_pem;
  CsrFacts csr;
  std::string validity;
  std::string existing_certificate;
  std::vector<std::string> tags;
  Json client;
  Json usage_metadata;
  Instant created{};
  Instant modified{};
  std::vector<std::string> certificates;
  std::string error;
  std::size_t step = 0;  // how far the script has gone
  std::vector<Decision> outcomes;
  bool overdue = false;  // rejected because nobody approved it in time
};

struct Revocation {
  std::string status;
  std::string reason;
  std::string comment;
  std::string error;
  std::string rejection;
  int looks_left = 0;  // after so many looks the authority has done it
  bool done = false;
};

struct CloudCertificate {
  std::string id;
  std::string request;  // "" for the authority's own
  Bytes der;
  Instant available_at{};
  Instant not_before{};
  Instant not_after{};
  std::string status = "ACTIVE";
  std::string version = "CURRENT";
  std::optional<Revocation> revocation;
};

// What the rig can make go wrong: POST /rig/knobs.
struct Knobs {
  std::chrono::seconds inventory_lag{0};
  int not_signed = 0;  // so many more times contents answer 409
  bool nested_args = false;
  enum class Dates { with_colon, without_colon } dates = Dates::with_colon;
  std::chrono::seconds token_lifetime{900};
  bool wrong_key = false;
  enum class Chain { as_asked, reversed, missing } chain = Chain::as_asked;
  enum class Validity { kept, clipped, ignored } validity = Validity::kept;
  bool without_ids = false;     // ISSUED, and no certificateIds
  bool drops_tags = false;      // searches and requests show no tags
  bool hides_requests = false;  // searches find nothing

  template <class Self, class Visit>
  static void members(Self& self, Visit visit) {
    visit("inventory_lag_seconds", self.inventory_lag, "not_signed", self.not_signed, "nested_args", self.nested_args,
          "dates", self.dates, "token_seconds", self.token_lifetime, "wrong_key", self.wrong_key, "chain", self.chain,
          "validity", self.validity, "without_ids", self.without_ids, "drops_tags", self.drops_tags, "hides_requests",
          self.hides_requests);
  }
};
inline std::vector<std::string_view> words_of(Knobs::Dates) {
  return {"+00:00", "+0000"};
}
inline std::vector<std::string_view> words_of(Knobs::Chain) {
  return {"as-asked", "reversed", "missing"};
}
inline std::vector<std::string_view> words_of(Knobs::Validity) {
  return {"kept", "clipped", "ignored"};
}

}  // namespace hsmbridge::rig::venafi
