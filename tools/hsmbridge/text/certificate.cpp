#include "tools/hsmbridge/text/certificate.h"

#include "tools/commandline/output.h"
#include "x509/judge/render.h"

#include <fmt/core.h>

namespace hsmbridge::cli {

using commandline::safe;

std::string certificate_text(const x509::Certificate& certificate) {
  return x509::render(certificate);
}

std::string verified_text(const service::VerifiedCertificate& verified, bool answers_request) {
  std::string text;
  for (const auto& finding : verified.findings) {
    text += fmt::format("{}  {}: {}\n", finding.severity == x509::Severity::fatal ? "fault" : "note ", finding.name,
                        safe(finding.explanation));
  }
  if (!verified.ok) return text;
  text += fmt::format("ok     {}{}\n", safe(verified.subject), answers_request ? " answers the request" : "");
  for (std::size_t i = 1; i < verified.chain.size(); ++i) {
    text += fmt::format("       under {}\n", safe(verified.chain[i]));
  }
  return text;
}

}  // namespace hsmbridge::cli
