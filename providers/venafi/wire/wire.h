#pragma once

#include "base/clock.h"
#include "base/json.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The service's JSON as structs. What is read may have fields that are unknown here, null for absent, and numbers where
// texts are documented or the other way round: all of that was seen. A part that cannot be understood at all throws
// corrupt naming it; no JSON at all is a proxy or a cut connection and throws unavailable.
namespace hsmbridge::venafi {

// ---- errors ---------------------------------------------------------------------------------------------------------

struct ServiceError {
  std::int64_t code = 0;  // 0: it gave none
  std::string message;
  Json args;  // as it came: strings, numbers, lists in lists
};

// A refusal in the service's own form.
struct Refusal {
  std::vector<ServiceError> errors;
};
// What an answer other than a success says, when it is in one of the service's own forms:
//   {"errors":[{"code","message","args"}]}     the service itself
//   {"_error":{"code":"IAM_401","message"}}    the gateway of an NGTS service
//   401 with plain text, "Invalid api key"     the gate that looks at credentials
// Nothing for anything else: HTML, an empty 404, another server's JSON.
std::optional<Refusal> refusal_from(long status, std::string_view content_type, std::string_view body);
// A token endpoint's refusal (RFC 6749 §5.2), {"error","error_description"}, or any of the above.
std::optional<Refusal> token_refusal_from(long status, std::string_view content_type, std::string_view body);

// ---- answers --------------------------------------------------------------------------------------------------------

// GET /v1/useraccounts.
struct UserAccount {
  std::string username;
  std::string company;                 // its urlPrefix, else its id; "" when the account has no company
  std::string ids;                     // of the user and the company, in one text; "" when not both are told
  std::optional<Instant> valid_until;  // of the API key
};
UserAccount user_account_from(std::string_view body);

// GET …/applications/name/{name}.
struct ApplicationInfo {
  std::string id;
  std::map<std::string, std::string> templates;  // alias -> template id
};
ApplicationInfo application_from(std::string_view body);

struct KeyTypeRule {
  std::string type;                   // "RSA", "EC"
  std::vector<std::int64_t> lengths;  // RSA
  std::vector<std::string> curves;    // EC: "P256", "ED25519"
};

// A certificate issuing template. A list is nothing when the service does not state it.
struct Template {
  using Expressions = std::optional<std::vector<std::string>>;
  std::string id;
  std::string name;
  std::string authority;  // "BUILTIN", "ZTPKI"
  std::string status;     // "AVAILABLE"; "" when it does not say
  std::string reason;
  std::string product;
  std::string validity;  // ISO 8601, "P90D"; "" when it does not say
  std::optional<bool> csr_upload_allowed;
  std::optional<bool> key_reuse;
  Expressions common_name, organization, unit, state, locality, country;
  Expressions dns, email, ip, uri;
  std::vector<KeyTypeRule> key_types;
  std::vector<std::string> extended_usages;  // "SERVER", "CLIENT"
};
Template template_from(std::string_view body);
// {"certificateIssuingTemplates":[…]}
std::vector<Template> templates_from(std::string_view body);

// One certificate request: POST's single element, GET's object, or a document of a search (which has neither the CSR
// nor apiClientInformation).
struct CertificateRequest {
  std::string id;
  std::string status;                        // its own word
  std::vector<std::string> certificate_ids;  // leaf first
  std::string csr;                           // PEM, "" when not shown
  std::optional<Instant> created;
  std::vector<std::string> applications;
  std::vector<std::string> tags;
  std::string client_type, client_identifier;  // of apiClientInformation
  std::string subject;
  // subjectAlternativeNamesByType, by type ("dNSName"); nothing when it is not shown.
  std::optional<std::map<std::string, std::vector<std::string>>> names;
  // customAttributesInformation: DNS names that the service sets in place of the CSR's, or beside them; as it stands
  // there when it cannot be understood. "" for none.
  std::string other_names;
  std::string validity;  // ISO 8601; "" when it is not shown
  std::string error;     // errorInformation in words, "" for none
};
CertificateRequest certificate_request_from(std::string_view body);
// {"certificateRequests":[one]}. Throws corrupt when there is not exactly one.
CertificateRequest created_from(std::string_view body);

// The answer to POST …/certificaterequests/validation, whose success says that the request would be taken. Throws
// corrupt for a success that does not tell what was validated.
void check_validated(std::string_view body);

struct SearchPage {
  std::vector<CertificateRequest> requests;
  std::optional<std::int64_t> found;    // numFound: over all pages
  std::optional<Instant> server_clock;  // of the answer that carried it
};
SearchPage search_page_from(std::string_view body);

// GET /v1/certificaterequests/approvalrequests/{id}.
struct ApprovalRequest {
  struct Person {
    std::string id;
    std::string type;  // "USER", "TEAM"
  };
  struct Outcome {
    std::string user;
    std::string status;  // "APPROVED", "REJECTED"
    std::string reason;
  };
  std::string entity;  // the certificate request that it is about; "" when it does not say
  std::string status;
  std::int64_t required = 0;  // 0: it does not say
  std::vector<Person> approvers;
  std::optional<Person> final_approver;
  std::vector<Outcome> outcomes;
  std::optional<std::int64_t> rejected_after_days;
  std::optional<Instant> created;
};
ApprovalRequest approval_request_from(std::string_view body);

// GET …/certificates/{id}, and the elements of a certificate search.
struct CertificateDetails {
  std::string id;
  std::string fingerprint;
  std::string status;   // "ACTIVE", "RETIRED", "DELETED"
  std::string version;  // "CURRENT", "OLD"
  std::vector<std::string> tags;
};
CertificateDetails certificate_details_from(std::string_view body);
std::vector<CertificateDetails> certificate_search_from(std::string_view body);

// A token endpoint's success. Throws corrupt for a token of another type than bearer; no error shows any of it.
struct Token {
  std::string value;
  std::optional<Duration> lifetime;
};
Token token_from(std::string_view body);

// What a GraphQL call answered about one certificate's revocation.
struct RevocationAnswer {
  bool present = false;     // the service told of a certificate
  std::string fingerprint;  // of which; "" when it does not say
  std::string status;       // "SUBMITTED"; "" when nobody asked for a revocation
  std::string error;        // why it failed, or who refused it and why
  bool listed = false;      // its issuer's revocation list names it (globalRevocation)
  struct Trouble {
    std::string message;
    std::string code;  // of its extensions; ""
  };
  std::vector<Trouble> troubles;  // GraphQL's own "errors"
};
// `field`: "revokeCertificate" or "certificate". Throws as the others for what is no GraphQL answer.
RevocationAnswer revocation_from(std::string_view body, std::string_view field);

// ---- what is sent ---------------------------------------------------------------------------------------------------

// The type in apiClientInformation of every request of ours.
constexpr std::string_view kClientType = "hsmbridge";

struct NewRequest {
  std::string csr;          // PEM
  std::string application;  // "": left out
  std::string issuing_template;
  std::string existing_certificate;  // "": no renewal
  std::string validity;              // ISO 8601; "": left out
  std::vector<std::string> tags;
  std::string client_identifier;
};
std::string text_of(const NewRequest& request);

struct RequestSearch {
  std::string application;  // "": all
  Instant from{};
  unsigned page = 0;
  unsigned page_size = 100;
};
std::string text_of(const RequestSearch& search);
std::string certificate_search_text(std::string_view fingerprint);
std::string reason_text(std::string_view reason);
std::string revoke_text(std::string_view fingerprint, std::string_view reason, std::string_view comment);
std::string revocation_query_text(std::string_view fingerprint);
// application/x-www-form-urlencoded
std::string federated_token_text(std::string_view jwt);
std::string service_account_token_text(std::string_view jwt);

// "P30D" for whole days, "P1DT12H0M0S" and "PT12H0M0S" else. Whole days never as hours: one of the service's
// authorities ignores those without a word.
std::string iso_duration(Duration duration);
// "P90D", "P1Y2M", "PT2160H": at most so long (a year has 366 days, a month 31). Nothing for another text.
std::optional<Duration> longest_of_iso(std::string_view text);

}  // namespace hsmbridge::venafi
