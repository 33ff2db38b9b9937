// Decisions about requests by VenafiProvider's account.
#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "providers/venafi/progress.h"
#include "providers/venafi/provider.h"
#include "x509/judge/same_name.h"
#include "x509/names/general_name.h"
#include "x509/objects/csr.h"
#include "x509/objects/pem.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge::venafi {
namespace {

using namespace workflow;

// Whoever approves a request of ours must approve what we sent.
void must_ask_for(const CertificateRequest& request, ByteView csr) {
  const auto sent = [&] {
    try {
      return x509::read_csr(as_bytes(request.csr));
    } catch (const Error& error) {
      throw Error{ErrorKind::corrupt,
                  fmt::format("the service does not show the CSR of request {}: {}", request.id, error.message())};
    }
  }();
  if (!equal(sent, csr)) {
    throw Error{ErrorKind::corrupt, fmt::format("request {} at the service is for another CSR than ours", request.id)};
  }
}

// What two names have in common when they are one, however it is written. A text that is no such name is like none that
// is one; nobody can ask for it.
std::string key_of(std::string_view prefix, const std::string& value) {
  try {
    return comparison_key(x509::GeneralName::parse(std::string(prefix) + value));
  } catch (const Error&) {
    return "unreadable " + value;
  }
}

std::vector<std::string> sorted(std::vector<std::string> keys) {
  std::sort(keys.begin(), keys.end());
  return keys;
}

// How the names that would be certified differ from the CSR's, or why nobody can tell; "" when they do not.
std::string other_than_csr(const CertificateRequest& request) {
  if (!request.other_names.empty())
    return "the request asks for names that differ from the CSR's: " + request.other_names;
  std::optional<x509::Csr> csr;
  try {
    csr = x509::parse_csr(x509::read_csr(as_bytes(request.csr)));
  } catch (const Error& error) {
    return "the CSR, and so its names, cannot be shown: " + error.message();
  }
  if (!request.names) return "";
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kTypes{
      {{"dNSName", "dns:"}, {"iPAddress", "ip:"}, {"rfc822Name", "email:"}, {"uniformResourceIdentifier", "uri:"}}};
  for (const auto& [type, prefix] : kTypes) {
    const auto found = request.names->find(std::string(type));
    const std::vector<std::string> there = found == request.names->end() ? std::vector<std::string>{} : found->second;
    std::vector<std::string> theirs;
    for (const std::string& name : there) theirs.push_back(key_of(prefix, name));
    std::vector<std::string> ours;
    for (const x509::GeneralName& name : csr->content.subject_alternative_names) {
      if (name.text.starts_with(prefix)) ours.push_back(key_of(prefix, name.text.substr(prefix.size())));
    }
    if (sorted(std::move(theirs)) == sorted(std::move(ours))) continue;
    const std::string text = joined(there);
    return fmt::format("its {} names are not the CSR's: {}", type, text.empty() ? "none" : printable(text));
  }
  return "";
}

// For whoever decides about it: what the CSR asks for, names and key included, and what would be certified instead;
// without a CSR what the service says of it.
std::string asked_for(const CertificateRequest& request) {
  std::string text;
  try {
    const x509::Csr csr = x509::parse_csr(x509::read_csr(as_bytes(request.csr)));
    const std::string names = joined(csr.content.subject_alternative_names, ", ", &x509::GeneralName::text);
    text = fmt::format("{} ({}), {} key", csr.content.subject.to_string(), names.empty() ? "no names" : names,
                       x509::key_text(csr.spki));
  } catch (const Error&) {
    text = printable(request.subject);
  }
  if (!request.validity.empty()) text += ", validity " + printable(request.validity.substr(0, 60));
  if (const std::string other = other_than_csr(request); !other.empty()) text += "; ATTENTION: " + other;
  return text;
}

// The service's own word about the decision, beside its HTTP status: somebody else may have decided a moment before.
void must_be_decided(const CertificateRequest& now, ApprovalAuthority::Decision decision) {
  const RequestStatus standing = standing_of(now.status);
  const bool taken = decision == ApprovalAuthority::Decision::reject
                         ? now.status == "REJECTED_APPROVAL"
                         : standing == RequestStatus::awaiting_approval ||
                               standing == RequestStatus::awaiting_issuance || standing == RequestStatus::ready;
  if (taken) return;
  throw Error{ErrorKind::outcome_unknown,
              fmt::format("the service answered the {} of request {} with the status {}",
                          decision == ApprovalAuthority::Decision::reject ? "rejection" : "approval", now.id,
                          now.status.empty() ? "\"\"" : now.status)}
      .hint("look at the request again: a decision is final there");
}

}  // namespace

Report VenafiProvider::standing(const ProviderReference& reference, ByteView csr, Duration limit) {
  const Status answer = client_->request(reference.str(), limit / 2);
  if (!answer.request) {
    throw Error{ErrorKind::not_found,
                fmt::format("the service has no certificate request {}: {}", reference.str(), answer.unknown_why)};
  }
  must_be_about(*answer.request, reference);
  if (!csr.empty()) must_ask_for(*answer.request, csr);
  Report report = venafi::report_of(*answer.request);
  report.reference = ProviderReference(answer.request->id);
  add_approvals(answer.request->id, report, limit / 2);
  // What the service says of an error is added to what is requested, and never replaces it.
  if (!report.message.empty()) {
    report.progress.note += (report.progress.note.empty() ? "" : "; ") + ("the service says: " + report.message);
  }
  report.message = asked_for(*answer.request);
  return report;
}

void VenafiProvider::decide(const ProviderReference& reference, Decision decision, const std::string& reason,
                            Duration limit) {
  // The service's own bound.
  if (reason.size() > 1024) {
    throw Error{ErrorKind::invalid_input, "the reason is longer than the 1024 characters that the service takes"};
  }
  if (decision == Decision::approve) {
    const Status before = client_->request(reference.str(), limit / 2);
    if (!before.request) {
      throw Error{ErrorKind::not_found,
                  fmt::format("the service has no certificate request {}: {}", reference.str(), before.unknown_why)};
    }
    must_be_about(*before.request, reference);
    if (const std::string other = other_than_csr(*before.request); !other.empty()) {
      throw Error{ErrorKind::refused, fmt::format("request {} is not approved: {}", reference.str(), other)}.hint(
          "reject it, or have somebody approve it who sees all of it in the service's own console");
    }
  }
  const CertificateRequest now = client_->decide(reference.str(), decision, reason, limit / 2);
  if (!equal_ignoring_case(now.id, reference.str())) {
    throw Error{ErrorKind::outcome_unknown, fmt::format("a decision about request {} was answered with request {}",
                                                        reference.str(), printable(now.id))}
        .hint("look at both before deciding once more: a decision is final there");
  }
  must_be_decided(now, decision);
}

}  // namespace hsmbridge::venafi
