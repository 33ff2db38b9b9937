#include "x509/judge/advice.h"

#include "base/error.h"
#include "x509/judge/same_name.h"
#include "x509/names/dns_name.h"

#include <algorithm>

namespace hsmbridge::x509 {
namespace {

// Whether the common name can only be meant for a server: a host name with a dot, or an address, in a certificate that
// may be a server's.
bool names_server(const Content& content, const GeneralName& name) {
  if (name.kind == GeneralNameKind::ip) return true;
  return name.kind == GeneralNameKind::dns && name.text.find('.') != std::string::npos &&
         !(content.basic_constraints && content.basic_constraints->ca);
}

bool may_be_server(const Content& content) {
  static const Oid kServerAuth{"1.3.6.1.5.5.7.3.1"};
  static const Oid kAny{"2.5.29.37.0"};
  const auto& purposes = content.extended_key_usage;
  return purposes.empty() || std::any_of(purposes.begin(), purposes.end(),
                                         [](const Oid& one) { return one == kServerAuth || one == kAny; });
}

}  // namespace

std::vector<std::string> advice(const Content& content) {
  std::vector<std::string> sentences;
  const auto common_name = content.subject.find(oids::kCommonName);
  if (!common_name || !may_be_server(content)) return sentences;
  const auto& alternatives = content.subject_alternative_names;
  Name only;
  try {
    only = Name::from({{{oids::kCommonName, *common_name, StringType::utf8}}});
  } catch (const Error&) {
    return sentences;  // not a name that could be asked for; `validate` says so
  }
  for (const GeneralName& name : names_in_subject(only)) {
    if (!names_server(content, name)) continue;
    const std::string cn = "the common name \"" + printable(*common_name) + "\"";
    const auto same = std::find_if(alternatives.begin(), alternatives.end(),
                                   [&](const GeneralName& one) { return comparison_key(one) == comparison_key(name); });
    if (alternatives.empty()) {
      sentences.push_back(cn + " names a server, and there is no alternative name: clients look at alternative names " +
                          "only, and the CA may refuse it; add --san " + name.text);
    } else if (same == alternatives.end()) {
      sentences.push_back(cn +
                          " is not among the alternative names: clients ignore it, and the CA may refuse it; add " +
                          "--san " + name.text + " or leave the common name out");
    } else if (const std::string plain = same->text.substr(same->text.find(':') + 1); plain != *common_name) {
      sentences.push_back(cn + " and the alternative name \"" + plain + "\" are one name in two spellings: CAs want " +
                          "the same characters in both, or change them; write the common name as " + plain);
    }
  }
  return sentences;
}

}  // namespace hsmbridge::x509
