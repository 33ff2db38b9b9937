#include "service/certificates/files.h"

#include "base/error.h"
#include "service/certificates/certificates.h"
#include "service/content/csr.h"
#include "x509/judge/chain.h"
#include "x509/objects/pem_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <utility>

namespace hsmbridge::service {

namespace {

// Trust anchors: what cannot be used is named, and the others count.
void add_anchors(x509::Expectation& expected, const std::string& file, x509::Given given,
                 const std::function<void(const std::string&)>& left_out) {
  const auto bundle = x509::bundle_in_file(file, given);
  for (const Bytes& der : bundle.certificates) expected.anchors.push_back(x509::parse_certificate(der));
  for (const auto& why : bundle.skipped) {
    if (left_out) left_out(fmt::format("{}: left out: {}", file, why));
  }
}

// The answer to a CSR: everything that a request would judge before it installs.
x509::Answer against_request(const x509::Certificate& certificate, x509::Expectation expected,
                             const std::string& csr_file, Instant at) {
  const auto csr = csr_in(csr_file);
  const bool judges_chain = !expected.anchors.empty();
  expected.spki = csr.spki;
  expected.content = csr.content;
  x509::Answer answer = x509::check_answer(certificate, expected, at);
  if (!judges_chain) {
    // Nobody named an anchor: then the question was the request alone.
    auto& findings = answer.findings;
    findings.erase(std::remove_if(findings.begin(), findings.end(),
                                  [](const x509::Finding& row) { return row.name == "chain-unanchored"; }),
                   findings.end());
  }
  return answer;
}

x509::Answer against_anchors(const x509::Certificate& certificate, const x509::Expectation& expected, Instant at) {
  x509::Answer answer;
  auto chain = x509::build_chain(certificate, expected.intermediates, expected.anchors, at);
  answer.chain = std::move(chain.chain);
  if (!chain.anchored) answer.findings.push_back({"chain-unanchored", x509::Severity::fatal, chain.why});
  return answer;
}

}  // namespace

std::vector<x509::Certificate> certificates_in(const std::string& file) {
  std::vector<x509::Certificate> certificates;
  for (const Bytes& der : x509::certificates_in_file(file, x509::Given::to_be_read)) {
    try {
      certificates.push_back(x509::parse_certificate(der));
    } catch (Error& error) {
      throw error.prefix(file);
    }
  }
  return certificates;
}

bool may_name_certificate(const std::string& typed) {
  constexpr std::size_t kLeast = 4;
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == ':'; };
  return typed.size() >= kLeast && std::all_of(typed.begin(), typed.end(), fits);
}

workflow::CertificateRecord stored_certificate(workflow::Store& store, const std::string& typed) {
  try {
    return find_certificate(store, typed);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    throw Error{ErrorKind::not_found, fmt::format("there is no file {}, and {}", typed, error.message())}.hint(
        error.hint());
  }
}

VerifiedCertificate verify_certificate(const VerifyCertificate& question) {
  VerifiedCertificate result;
  x509::Expectation expected;
  if (question.profile != nullptr) {
    for (const auto& anchor : question.profile->anchors) {
      add_anchors(expected, anchor.string(), x509::Given::to_be_believed, question.left_out);
    }
    expected.accept = question.profile->accept;
    if (question.profile->validity) expected.lifetime = *question.profile->validity;
  }
  for (const auto& anchor : question.anchors) {
    add_anchors(expected, anchor, x509::Given::to_be_read, question.left_out);
  }
  expected.accept.insert(expected.accept.end(), question.accept.begin(), question.accept.end());
  if (!question.csr && expected.anchors.empty()) {
    throw Error{ErrorKind::invalid_input, "there is nothing to verify against"}.hint(
        "give --csr FILE, --anchor FILE or both");
  }
  const auto given = certificates_in(question.file);
  expected.intermediates.assign(given.begin() + 1, given.end());
  for (const auto& chain : question.chain) {
    const auto more = certificates_in(chain);
    expected.intermediates.insert(expected.intermediates.end(), more.begin(), more.end());
  }
  if (!question.csr) {
    for (const auto& name : expected.accept) x509::finding_kind(name);
  }
  auto answer = question.csr ? against_request(given.front(), expected, *question.csr, question.at)
                             : against_anchors(given.front(), expected, question.at);
  result.ok = !answer.fatal();
  result.subject = given.front().subject().to_string();
  result.findings = std::move(answer.findings);
  for (const auto& certificate : answer.chain) result.chain.push_back(certificate.subject().to_string());
  return result;
}

}  // namespace hsmbridge::service
