#include "fuzzing.h"
#include "x509/asn1/bounds.h"
#include "x509/judge/check.h"
#include "x509/objects/spki.h"

using namespace hsmbridge;
using namespace hsmbridge::x509;

namespace {

void check(const Certificate& certificate, Expectation expected) {
  const Instant now = certificate.tbs.validity.not_before;
  expected.intermediates = {certificate};
  expected.anchors = {certificate};
  const Answer answer = check_answer(certificate, expected, now);
  fuzz::promise(answer.findings.size() <= kMostFindings, "findings are bounded");
  for (const Finding& finding : answer.findings) {
    const FindingKind& kind = finding_kind(finding.name);
    fuzz::promise(finding.explanation.size() <= kMostExplanation + 100, "explanations are bounded");
    if (kind.finding_class == FindingClass::never_acceptable) {
      fuzz::promise(finding.severity == Severity::fatal, "what is never acceptable is fatal");
    }
  }
  // Where everything that can be accepted is accepted, only what never can be is fatal.
  for (const FindingKind& kind : finding_kinds()) {
    if (kind.acceptable) expected.accept.emplace_back(kind.name);
  }
  for (const Finding& finding : check_answer(certificate, expected, now).findings) {
    fuzz::promise((finding.severity == Severity::fatal) ==
                      (finding_kind(finding.name).finding_class == FindingClass::never_acceptable),
                  "what is accepted is not fatal");
  }
}

}  // namespace

// A certificate that came back against what was asked: against what it says itself, and against a plain server's.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto certificate = fuzz::accepted([&] { return parse_certificate(ByteView(data, size)); });
  if (!certificate) return 0;
  Expectation same;
  same.spki = certificate->spki();
  same.content = content_like(certificate->content());
  same.validity = certificate->tbs.validity;
  check(*certificate, same);
  const Answer answer = check_answer(*certificate, same, certificate->tbs.validity.not_before);
  for (const char* name : {"key-differs", "san-missing", "san-unrequested", "subject-changed", "key-usage-changed"}) {
    fuzz::promise(answer.find(name) == nullptr, "a certificate answers what it says itself");
  }
  Expectation server;
  server.spki = spki_from({KeyType::ed25519, 255}, Bytes(32, 1));
  server.content.subject = Name::parse("C=CH, O=Example, CN=www.example.com");
  server.content.subject_alternative_names = {GeneralName::parse("dns:www.example.com")};
  server.content.extended_key_usage = {parse_extended_key_usage("serverAuth")};
  check(*certificate, server);
  return 0;
}
