#include "service/content/brought_csr.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "workflow/machine/lifecycle.h"
#include "x509/asn1/bounds.h"
#include "x509/judge/advice.h"
#include "x509/judge/check_content.h"
#include "x509/judge/finding_collector.h"
#include "x509/judge/weak_key.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace hsmbridge::service {

namespace {

constexpr const char* kCompromiseReference = "CA/Browser Forum BR 6.1.1.3";

// What `copy` of a profile could name to let a CSR decide, by how the findings about it begin.
// finding, word
constexpr std::pair<std::string_view, std::string_view> kCopyWords[] = {
    {"san-", "san"},          {"subject-", "subject"},         {"common-name-", "subject"},
    {"key-usage-", "usage"},  {"extended-", "extended_usage"}, {"policies-", "policies"},
    {"tls-", "tls_features"},
};

std::string_view copy_word(std::string_view finding) {
  for (const auto& [begin, word] : kCopyWords) {
    if (finding.starts_with(begin)) return word;
  }
  return "";
}

bool copies(const config::ProfileSettings& profile, config::CopyField field) {
  return std::find(profile.copy.begin(), profile.copy.end(), field) != profile.copy.end();
}

// A provider may set these itself, or is asked for them beside the CSR: its own check knows (Provider::check).
bool is_of_templates(std::string_view finding) {
  return finding == "key-usage-missing" || finding == "extended-key-usage-missing" ||
         finding == "basic-constraints-missing";
}

// How a CSR is written, which no certificate has to follow.
bool is_spelling(std::string_view finding) {
  return finding.starts_with("criticality-") || finding == "san-from-subject" ||
         finding == "subject-encoding-changed" || finding == "subject-case-changed" ||
         finding == "subject-order-changed";
}

bool is_about_names(std::string_view finding) {
  return finding.starts_with("san-") || finding.starts_with("subject-") || finding.starts_with("common-name-");
}

bool accepts(const std::vector<std::string>& accepted, std::string_view finding) {
  return std::any_of(accepted.begin(), accepted.end(), [&](const std::string& name) {
    const auto now = x509::accepted_by(name);
    return std::find(now.begin(), now.end(), finding) != now.end();
  });
}

class Comparison {
 public:
  Comparison(const config::ProfileSettings& profile, const std::vector<std::string>& accepted,
             const workflow::Capabilities& provider)
      : profile_(profile), accepted_(accepted), made_here_(provider.full_profile), makes_cas_(provider.beside_csr) {}

  void object(const std::string& finding, const std::string& explanation) {
    judgement_.objections.push_back({finding, explanation, {}});
    const std::string word(copy_word(finding));
    auto& words = judgement_.copy;
    if (!word.empty() && std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
  }
  void take(const x509::Finding& finding) {
    if (is_spelling(finding.name)) return;
    // What `copy` can name is decided by it alone: what a profile accepts of its provider is no leave for a CSR, least
    // of all to ask for powers. Nothing is asked that neither the profile nor the command asks, also what a certificate
    // may have from its CA's template: a CA may take it from the CSR.
    const bool power = finding.severity == x509::Severity::fatal;
    const bool adds = finding.name.ends_with("-added");
    const bool accepted = copy_word(finding.name).empty() && !(power && adds) && accepts(accepted_, finding.name);
    const bool fatal = (power || adds) && !accepted;
    if (made_here_ && finding.name != "ca-unrequested") {
      if (finding.name.ends_with("-missing") || finding.name == "san-dropped") return;  // the profile adds it
      judgement_.notes.push_back(fmt::format("not taken from the CSR, profile {} decides: {} ({})", profile_.name,
                                             finding.name, finding.explanation));
    } else if (fatal) {
      // Nobody makes a CA of a CSR that does not ask for one, but who is asked for it beside the CSR.
      const bool is_ca_nobody_makes = finding.name == "basic-constraints-missing" && power && !makes_cas_;
      if (is_of_templates(finding.name) && !is_ca_nobody_makes) {
        judgement_.notes.push_back(
            fmt::format("asked beside the CSR, where its provider can: {} ({})", finding.name, finding.explanation));
      } else {
        object(finding.name, finding.explanation);
      }
    } else {
      judgement_.notes.push_back(fmt::format("the CSR goes as it is: {} ({})", finding.name, finding.explanation));
    }
  }
  CsrJudgement& judgement() { return judgement_; }

 private:
  const config::ProfileSettings& profile_;
  const std::vector<std::string>& accepted_;
  const bool made_here_, makes_cas_;
  CsrJudgement judgement_;
};

// Attributes that only describe where the CSR was made, or that its maker and the CA use between them.
const x509::Oid kHarmlessAttributes[] = {
    x509::Oid("1.2.840.113549.1.9.2"),    // unstructuredName
    x509::Oid("1.2.840.113549.1.9.7"),    // challengePassword
    x509::Oid("1.2.840.113549.1.9.20"),   // friendlyName, of certmonger
    x509::Oid("1.3.6.1.4.1.311.13.2.2"),  // Microsoft: the provider of the key
    x509::Oid("1.3.6.1.4.1.311.13.2.3"),  // Microsoft: the version of the system
    x509::Oid("1.3.6.1.4.1.311.21.20"),   // Microsoft: the client
};

// What a certificate may have from its issuer, and a CSR may not ask for: some CAs take it from there, and with it the
// address where revocation is looked up, the template, or names that no extension shows.
void object_to_what_steers_a_ca(Comparison& comparison, const x509::Csr& csr) {
  for (const auto& extension : csr.content.other_extensions) {
    if (!x509::only_issuer_gives(extension.oid)) continue;
    comparison.object("extension-added",
                      fmt::format("the CSR asks for extension {}, which only the issuer gives", extension.oid.name()));
  }
  const auto& identifier = csr.content.subject_key_identifier;
  if (identifier && *identifier != x509::key_identifier(csr.spki) &&
      *identifier != x509::key_identifier(csr.spki, x509::KeyIdentifierMethod::sha256)) {
    comparison.object("extension-added", "the CSR asks for a subject key identifier that is not of its key");
  }
  std::vector<std::string> types;
  for (const auto& attribute : csr.other_attributes) {
    const auto* const end = std::end(kHarmlessAttributes);
    if (std::find(std::begin(kHarmlessAttributes), end, attribute.type) != end) {
      types.push_back(attribute.type.name());
    } else {
      comparison.object("attribute",
                        fmt::format("the CSR has the attribute {}, by which some CAs choose names or a template",
                                    attribute.type.name()));
    }
  }
  if (types.empty()) return;
  comparison.judgement().notes.push_back("the CSR goes as it is, with its attributes " + x509::listed(types));
}

void add_what_is_known(std::vector<CsrFault>& faults, ByteView spki, const x509::WeakKeyList* lists,
                       workflow::Records* records) {
  auto fault = compromised(records, x509::spki_hash(spki));
  if (!fault) {
    // Whoever has an RSA key has it for each other exponent too. Nearly all have this one.
    if (const auto rsa = x509::rsa_numbers(spki)) {
      fault = compromised(records, x509::spki_hash(x509::spki_from_rsa(rsa->modulus, Bytes{1, 0, 1})));
    }
  }
  if (fault) faults.push_back(std::move(*fault));
  if (const std::string list = lists == nullptr ? "" : lists->find(spki); !list.empty()) {
    faults.push_back({"key-listed", "its private key is known to others: it is in the list of weak keys " + list,
                      kCompromiseReference});
  }
}

}  // namespace

std::optional<CsrFault> compromised(workflow::Records* records, const SpkiHash& spki) {
  if (records == nullptr || spki.empty()) return std::nullopt;
  for (const auto& key : records->keys({spki, std::nullopt, std::nullopt})) {
    if (key.status != workflow::status::kCompromised) continue;
    return CsrFault{
        "key-compromised",
        fmt::format("its key is compromised: that was recorded here on {}", rfc3339(key.changed_at).substr(0, 10)),
        kCompromiseReference};
  }
  return std::nullopt;
}

bool record_compromise(workflow::Records& records, const SpkiHash& spki, const std::string& actor, Instant now) {
  return records.change_records({{workflow::StatusChange::Of::key, spki.str(), {}, workflow::status::kCompromised}},
                                actor, now) > 0;
}

void add_to(CsrJudgement& judgement, CsrJudgement more) {
  const auto append = [](auto& to, auto& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  };
  // What is wrong with the content of the CSR is wrong with what is copied from it, and is one objection.
  std::erase_if(more.objections, [&](const CsrFault& fault) {
    return std::any_of(judgement.objections.begin(), judgement.objections.end(), [&](const CsrFault& known) {
      return known.name == fault.name && known.explanation == fault.explanation;
    });
  });
  append(judgement.objections, more.objections);
  append(judgement.notes, more.notes);
  append(judgement.copy, more.copy);
}

CsrJudgement examine_csr(const x509::Csr& csr, const x509::WeakKeyList& lists, workflow::Records* records) {
  CsrJudgement judgement;
  judgement.objections = flaws_of(csr);
  // One that names nothing is whole where others name it: compare_csr says whether they do.
  if (csr.content.subject.empty() && csr.content.subject_alternative_names.empty()) {
    std::erase_if(judgement.objections, [](const CsrFault& fault) { return fault.name == "content"; });
  }
  add_what_is_known(judgement.objections, csr.spki, &lists, records);
  return judgement;
}

std::vector<CsrFault> faults_of_key(ByteView spki, const x509::WeakKeyList& lists, workflow::Records* records) {
  std::vector<CsrFault> faults;
  add_what_is_known(faults, spki, &lists, records);
  for (const auto& weakness : x509::key_weaknesses(spki)) {
    if (weakness.name == "rsa-exponent") continue;
    faults.push_back({weakness.name, "its key: " + weakness.explanation, weakness.reference});
  }
  return faults;
}

void refuse_bad_key(const std::string& key, ByteView spki, const x509::WeakKeyList& lists, workflow::Records* records,
                    const std::string& hint) {
  const auto faults = faults_of_key(spki, lists, records);
  if (faults.empty()) return;
  std::string message = key + " gets no certificate:";
  for (const CsrFault& fault : faults) message += fmt::format("\n  - {}: {}", fault.name, sentence_of(fault));
  throw Error{ErrorKind::refused, message}.hint(hint);
}

// A CA that takes keys as they are would put it into a certificate so.
const char* const kKeyEncoding =
    "its key is not encoded as a certificate states it: an RSA key with NULL parameters, a curve by its name, a point "
    "that is not compressed (RFC 3279 section 2.3.1, RFC 5480 section 2)";

CsrCheck check_csr_in(const std::string& file, const config::ProfileSettings* profile, const x509::WeakKeyList* lists,
                      workflow::Records* records) {
  const auto csr = csr_in(file);
  CsrCheck check{check_csr(csr, profile), x509::advice(csr.content)};
  add_what_is_known(check.faults, csr.spki, lists, records);
  if (check.faults.empty() && x509::canonical_spki(csr.spki) != csr.spki) check.notes.emplace_back(kKeyEncoding);
  return check;
}

CsrJudgement compare_csr(const x509::Csr& csr, const x509::RequestedContent& ask,
                         const config::ProfileSettings& profile, const workflow::Capabilities& provider) {
  Comparison comparison(profile, ask.accept, provider);
  if (profile.key && !copies(profile, config::CopyField::key) && !is_of_kind(csr.spki, *profile.key)) {
    comparison.object("key", fmt::format("asked {}, found {}", *profile.key, x509::key_text(csr.spki)));
    comparison.judgement().copy.emplace_back("key");
  }
  // What the profile fixes of a subject stays fixed, whoever writes the rest of it.
  if (copies(profile, config::CopyField::subject)) {
    const x509::Name fixed = profile_content(profile).subject;
    if (!contains(ask.content.subject, fixed)) {
      comparison.object("subject-changed", fmt::format("asked {} among others, found {}", fixed.to_string(),
                                                       ask.content.subject.to_string()));
      comparison.judgement().copy.clear();
    }
  }
  x509::FindingCollector judge({});
  x509::check_content(judge, ask.content, csr.content);
  for (const x509::Finding& finding : judge.take()) comparison.take(finding);
  if (!provider.full_profile) object_to_what_steers_a_ca(comparison, csr);
  if (provider.full_profile && x509::canonical_spki(csr.spki) != csr.spki)
    comparison.object("key-encoding", kKeyEncoding);
  const bool loses_names =
      !csr.content.subject_alternative_names.empty() && ask.content.subject_alternative_names.empty();
  const auto& found = comparison.judgement().objections;
  if (loses_names &&
      std::none_of(found.begin(), found.end(), [](const auto& one) { return is_about_names(one.name); })) {
    comparison.object("san-dropped", "the CSR has alternative names, and the certificate would have none of them");
  }
  if (found.empty()) {
    try {
      x509::validate(ask.content);
    } catch (const Error& error) {
      comparison.object(ask.content.subject.empty() ? "subject-missing" : "content", error.message());
    }
  }
  return std::move(comparison.judgement());
}

void refuse_objections(const x509::Csr& csr, const std::string& name, const CsrJudgement& judgement,
                       const std::string& hint, const workflow::RecordFact& record) {
  if (judgement.objections.empty()) return;
  std::string message = fmt::format("the CSR {} is refused:", name);
  Json reasons = Json::array();
  for (const auto& fault : judgement.objections) {
    message += fmt::format("\n  - {}: {}", fault.name, sentence_of(fault));
    reasons.push(fault.name);
  }
  record("csr-refused", Json::object({{"csr_sha256", hex(sha256(csr.der))},
                                      {"spki_sha256", x509::spki_hash(csr.spki).str()},
                                      {"reasons", reasons}}));
  Error error{ErrorKind::refused, message};
  throw hint.empty() ? error : error.hint(hint);
}

std::string copy_hint(const config::ProfileSettings& profile, const CsrJudgement& judgement) {
  if (judgement.copy.empty()) return "";
  return fmt::format(
      "\"asked\" is what profile {} and the command say, \"found\" what the CSR says; to let the CSR decide: copy: "
      "[{}] "
      "in the profile; or ask for it on the command line",
      profile.name, joined(judgement.copy));
}

workflow::KeyWish brought_key(const x509::Csr& csr) {
  constexpr std::size_t kShown = 12;
  workflow::KeyWish wish;
  wish.source = workflow::KeyWish::Source::brought;
  wish.selector = "csr:" + hex(sha256(csr.der)).substr(0, kShown);
  wish.spki = x509::spki_hash(csr.spki);
  wish.csr = csr.der;
  return wish;
}

}  // namespace hsmbridge::service
