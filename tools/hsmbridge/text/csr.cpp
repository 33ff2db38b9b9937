#include "tools/hsmbridge/text/csr.h"

#include "x509/judge/render.h"
#include "x509/objects/pem.h"

namespace hsmbridge::cli {

std::string csr_text(const x509::Csr& csr) {
  return x509::render(csr);
}

std::string csr_pem(ByteView der) {
  return x509::csr_to_pem(der);
}

std::string summary_of(const x509::Content& content) {
  std::string names;
  for (const x509::GeneralName& name : content.subject_alternative_names) {
    names += (names.empty() ? "" : ", ") + name.text;
  }
  if (content.subject.empty()) return names;
  return content.subject.to_string() + (names.empty() ? "" : " (" + names + ")");
}

}  // namespace hsmbridge::cli
