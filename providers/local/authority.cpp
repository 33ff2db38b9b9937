#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "ca/crl.h"
#include "ca/examine.h"
#include "ca/issue.h"
#include "providers/bundle.h"
#include "providers/local/parts.h"
#include "providers/local/provider.h"
#include "providers/local/serial_log.h"
#include "workflow/machine/lifecycle.h"
#include "x509/objects/spki.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

// The CA itself: its certificate, what it revoked, its CRLs.
namespace hsmbridge::local {

using namespace workflow;
using providers::parsed;

namespace {

// Who publishes at one place publishes alone: a CRL must not be put in the place of a newer one that another process
// made meanwhile.
class PublishingTurn {
 public:
  explicit PublishingTurn(const std::filesystem::path& file)
      : lock_(::open((file.string() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) {
    if (!lock_.valid()) {
      throw Error{ErrorKind::denied, fmt::format("{}.lock cannot be opened: {}", file.string(), std::strerror(errno))};
    }
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      throw Error{ErrorKind::unavailable, fmt::format("another process publishes {} now", file.string())};
    }
  }

 private:
  const Descriptor lock_;
};

// INTEGER content octets again.
Bytes serial_octets(const std::string& text) {
  Bytes octets = from_hex(text);
  if (!octets.empty() && octets[0] >= 0x80) octets.insert(octets.begin(), 0);
  return octets;
}

std::string reason_name(unsigned code) {
  for (const RevocationReason& one : revocation_reasons()) {
    if (one.code == code) return std::string(one.name);
  }
  return std::to_string(code);
}

constexpr std::size_t kMostCrl = std::size_t{256} << 20U;

// The CRL that is there; nothing where no file is. Throws conflict for anything else.
struct CrlThere {
  std::uint64_t number = 0;
  std::vector<x509::RevokedCertificate> revoked;
};
std::optional<CrlThere> crl_there(const std::filesystem::path& file, const x509::Certificate& issuer) {
  Bytes there;
  try {
    there = read_file(file, kMostCrl);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return std::nullopt;
    throw;
  }
  try {
    return CrlThere{ca::crl_number_of(there, issuer), x509::parse_crl(there).tbs.revoked};
  } catch (const Error& error) {
    throw Error{ErrorKind::conflict, fmt::format("{} is not a CRL of {}, and was not replaced: {}", file.string(),
                                                 issuer.subject().to_string(), error.message())}
        .hint("name another file under `crl`, or move this one away");
  }
}

// A store that is an older copy of itself lacks what was revoked since: nobody may become good again by that.
void refuse_forgotten(const std::filesystem::path& file, const CrlThere& there, const std::string& issuer,
                      Revocations& book) {
  for (const x509::RevokedCertificate& one : there.revoked) {
    const std::string serial = x509::serial_text(one.serial);
    if (book.revocation(issuer, serial)) continue;
    throw Error{ErrorKind::conflict,
                fmt::format("{} (CRL number {}) revokes the serial number {}, and this store knows nothing of that: it "
                            "is not the store that published it, or an older copy of that",
                            file.string(), there.number, serial)}
        .hint(
            "nothing was replaced and no number was taken; bring back the store that published it, or tell this one "
            "what the CA did: hsmbridge ca resume");
  }
}

// Beside the certificate; who writes the certificate removes it (service/authorities).
std::filesystem::path frozen_root(const std::filesystem::path& certificate) {
  return certificate.string() + ".tbs";
}

// What an earlier try has frozen of a root, and may have signed: nothing else is signed in its place.
std::optional<Bytes> frozen_there(const std::filesystem::path& file, const ca::Root& root,
                                  const x509::SignatureAlgorithm& algorithm, ByteView spki) {
  Bytes there;
  try {
    there = read_file(file);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return std::nullopt;
    throw;
  }
  const auto is_the_same = [&] {
    try {
      const x509::TbsCertificate tbs = x509::parse_tbs_certificate(there);
      return ca::root_to_be_signed(root, algorithm, spki, tbs.serial, tbs.validity.not_before) == there;
    } catch (const Error&) {
      return false;
    }
  };
  if (is_the_same()) return there;
  throw Error{ErrorKind::conflict, fmt::format("{} is what an earlier `ca init` was about to sign, with another key or "
                                               "another configuration than now",
                                               file.string())}
      .hint(
          "set both back and try again; or move the file away, when a second root beside the one that may have been "
          "signed does no harm");
}

}  // namespace

// ---- the CA itself --------------------------------------------------------------------------------------------------

AuthorityKey LocalProvider::key() const {
  AuthorityKey key{settings_.key.token, settings_.key.key,
                   settings_.key_service ? settings_.key_service->provider : std::string{}, std::nullopt};
  try {
    key.certified = x509::spki_hash(certificate().spki());
  } catch (const Error&) {
    // Not there yet, or nobody can read it now: the key is known by its name.
  }
  return key;
}

AuthorityView LocalProvider::view() {
  AuthorityView view;
  view.file = settings_.certificate;
  view.token = settings_.key.token;
  view.key = settings_.key.key;
  if (settings_.key_service) view.key_provider = settings_.key_service->provider;
  view.accept = settings_.key.accept;
  if (settings_.root) view.root_key = settings_.root->key;
  for (const Settings::Profile& profile : settings_.profiles) view.profiles.push_back(profile.rules.name);
  try {
    const x509::Certificate issuer = certificate();
    view.certificate = issuer.der;
    view.chain = chain();
    view.serials_taken = dependencies_.serials().serials_taken(issuer_id(issuer.subject()));
    for (const ca::Unfitness& one : unfitness(ca::path_above(issuer, parsed(view.chain), {}), clock_.now())) {
      view.obstacles.push_back(one.why);
    }
    view.revoked = dependencies_.revocations().revocations(issuer_id(issuer.subject()), clock_.now()).size();
    static_cast<CrlStanding&>(view) = crl_standing();
  } catch (const Error& error) {
    view.obstacles.push_back(error.message());
  }
  return view;
}

CrlStanding LocalProvider::crl_standing() {
  CrlStanding standing;
  if (!settings_.crl) return standing;
  const x509::Certificate issuer = certificate();
  const Instant now = clock_.now();
  standing.crl_file = settings_.crl->file;
  standing.crl = dependencies_.revocations().last_crl(issuer_id(issuer.subject()));
  standing.crl_overdue = !standing.crl || standing.crl->next_update <= now;
  standing.crl_life = settings_.crl->next_update;
  standing.crl_every = settings_.crl->every;
  standing.crl_due = crl_due(*settings_.crl, issuer, standing.crl, now);
  return standing;
}

Bytes LocalProvider::certify_itself(ByteView spki, Instant now) {
  if (!settings_.root) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("provider {} does not say what its certificate shall say (root: …)", settings_.name)}
        .hint(fmt::format("add  root: {{subject: {{C: CH, O: Example, CN: Example Root}}, validity: 7300d}}; "
                          "or let another CA certify it: hsmbridge ca init {} --parent PROVIDER",
                          settings_.name));
  }
  const x509::SignatureAlgorithm& algorithm = settings_.algorithm.empty()
                                                  ? x509::default_algorithm(x509::key_spec_of(spki))
                                                  : x509::signature_algorithm(settings_.algorithm);
  const ca::Root& root = settings_.root->root;
  const auto frozen = frozen_root(settings_.certificate);
  const std::optional<Bytes> before = frozen_there(frozen, root, algorithm, spki);
  const Bytes to_be_signed =
      before ? *before : ca::root_to_be_signed(root, algorithm, spki, take_serial(root.subject, "", now), now);
  ca::refuse_errors(findings(to_be_signed, {}, now));  // by every linter that is configured
  const ca::LintedTbs linted = ca::LintedTbs::of(to_be_signed, {}, now);
  const x509::TbsCertificate tbs = x509::parse_tbs_certificate(linted.octets());
  const auto key =
      dependencies_.open(Purpose::certificate, x509::spki_hash(spki), facts_of(settings_.name, "", tbs), kByHand);
  if (!before) write_file(frozen, to_be_signed, FileMode::private_0600, Existing::refuse);
  if (settings_.serial_log) append_to_serial_log(*settings_.serial_log, tbs);
  const Bytes signature = ca::sign(linted, *key, algorithm);
  return x509::assemble_certificate(linted.octets(), algorithm, signature, spki);
}

// ---- revocation -----------------------------------------------------------------------------------------------------

std::vector<std::string> LocalProvider::revocation_objections(const Predecessor& predecessor) const {
  const x509::Certificate issuer = certificate();
  const x509::Certificate revoked = x509::parse_certificate(predecessor.der);
  // Also what the CA issued with a key that it had before: a name's CRL is about all of them.
  const bool is_own =
      revoked.issuer() == issuer.subject() &&
      (x509::signature_verifies(revoked, issuer.spki()) ||
       dependencies_.serials().is_taken(issuer_id(revoked.issuer()), x509::serial_text(revoked.serial())));
  if (is_own) return {};
  return {fmt::format("the certificate is of {}, and provider {} is {}", revoked.issuer().to_string(), settings_.name,
                      issuer.subject().to_string())};
}

SubmitAnswer LocalProvider::revoke(const ProviderCall& call, const Revoke& revocation) {
  std::string earlier;  // what another request has written down
  try {
    if (const auto objections = revocation_objections(revocation.predecessor); !objections.empty()) {
      return RefusedForGood{Error{ErrorKind::refused, objections.front()}};
    }
    const RevocationReason* const reason = revocation_reason(revocation.reason);
    if (reason == nullptr) {
      return RefusedForGood{Error{ErrorKind::invalid_input, "there is no reason " + revocation.reason}};
    }
    const x509::Certificate revoked = x509::parse_certificate(revocation.predecessor.der);
    // Dated back it is what a signature of that time is judged by (TLS Baseline Requirements 7.2.2).
    const Instant since = std::min(revocation.since.value_or(call.now), call.now);
    const RevokedSerial entry{issuer_id(revoked.issuer()),
                              x509::serial_text(revoked.serial()),
                              reason->code,
                              std::chrono::floor<std::chrono::seconds>(since),
                              revoked.tbs.validity.not_after,
                              call.order.id.str()};
    if (!dependencies_.revocations().revoke(entry)) {
      const auto before = dependencies_.revocations().revocation(entry.issuer, entry.serial);
      if (before && before->request != entry.request) {
        earlier = fmt::format("it was revoked before: {}, reason {}, and that stays; ", rfc3339(before->revoked_at),
                              reason_name(before->reason));
      }
    }
  } catch (const Error& error) {
    return NotAccepted{error, std::nullopt};
  }
  Report report;
  report.status = RequestStatus::done;
  report.provider_status = "revoked";
  report.message = earlier + (settings_.crl ? fmt::format("it is on the next CRL: hsmbridge ca crl {}", settings_.name)
                                            : fmt::format("provider {} publishes no CRL (`crl`)", settings_.name));
  report.reference = call.order.predecessor()->reference;
  return Accepted{std::move(report)};
}

LookUpAnswer LocalProvider::look_revocation_up(const ProviderCall& call, const Revoke& revocation) {
  const x509::Certificate revoked = x509::parse_certificate(revocation.predecessor.der);
  const auto known =
      dependencies_.revocations().revocation(issuer_id(revoked.issuer()), x509::serial_text(revoked.serial()));
  if (!known || known->request != call.order.id.str()) return Absent{};
  Report report;
  report.status = RequestStatus::done;
  report.provider_status = "revoked";
  report.reference = revocation.predecessor.reference;
  return Found{std::move(report)};
}

// ---- CRLs -----------------------------------------------------------------------------------------------------------

std::string LocalProvider::crl_due(const Settings::Crl& crl, const x509::Certificate& issuer,
                                   const std::optional<PublishedCrl>& last, Instant now) {
  if (!crl.every) return "";
  // The first one is a person's: of a CA that was elsewhere before, only `ca adopt` knows what it has to say.
  if (!last) return "";
  if (last->this_update + *crl.every <= now) return fmt::format("the last one is of {}", rfc3339(last->this_update));
  const auto wanted = dependencies_.revocations().revocations(issuer_id(issuer.subject()), last->this_update);
  const std::lock_guard lock(mutex_);
  // Revocations are never taken back: as many as before are the same ones. Their dates tell nothing, since one may be
  // dated back.
  if (!compared_ || compared_->number != last->number || compared_->revoked != wanted.size()) {
    std::set<std::string> missing;
    for (const RevokedSerial& one : wanted) missing.insert(one.serial);
    try {
      if (const auto there = crl_there(crl.file, issuer)) {
        for (const x509::RevokedCertificate& one : there->revoked) missing.erase(x509::serial_text(one.serial));
      }
    } catch (const Error& error) {
      return error.message();  // publishing one says it too, and what to do
    }
    compared_ = Compared{last->number, wanted.size(), missing.size()};
  }
  return compared_->missing == 0 ? "" : fmt::format("what was revoked since the last one: {}", compared_->missing);
}

MadeCrl LocalProvider::publish_crl(Instant now) {
  if (dependencies_.service) {
    throw Error{ErrorKind::internal, fmt::format("the CRLs of {} are requests: its key is at provider {}",
                                                 settings_.name, settings_.key_service->provider)};
  }
  if (!settings_.crl) {
    throw Error{ErrorKind::invalid_input, fmt::format("provider {} does not say where its CRL goes", settings_.name)}
        .hint("add  crl: {file: /srv/www/issuing.crl, url: \"http://ca.example.com/issuing.crl\"}");
  }
  expect_folder_takes_files(settings_.crl->file);
  const PublishingTurn turn(settings_.crl->file);
  return publish_crl_alone(*settings_.crl, now);
}

LocalProvider::FrozenCrl LocalProvider::freeze_crl(const Settings::Crl& crl, const x509::Certificate& issuer,
                                                   Instant now) {
  expect_not_suspended(issuer.subject());
  ca::expect_crl_signer(issuer);
  Revocations& book = dependencies_.revocations();
  const std::string id = issuer_id(issuer.subject());
  const auto last = book.last_crl(id);
  const Instant this_update = std::chrono::floor<std::chrono::seconds>(now);
  if (last && this_update < last->this_update) {
    throw Error{ErrorKind::unavailable, fmt::format("the last CRL is of {}, and this machine's clock says {}",
                                                    rfc3339(last->this_update), rfc3339(this_update))}
        .hint("set the clock right: a CRL never goes back in time");
  }
  // Before a number is taken: however often somebody tries again, the answer is the same.
  const auto there = crl_there(crl.file, issuer);
  if (there) {
    refuse_forgotten(crl.file, *there, id, book);
  } else if (last && last->sha256 != kLostCrl) {
    throw Error{ErrorKind::conflict,
                fmt::format("{} is not there, and CRL number {} of {} was published: what the last one says cannot be "
                            "compared",
                            crl.file.string(), last->number, issuer.subject().to_string())}
        .hint(fmt::format("put the last CRL (DER) back at {}: number {} has the SHA-256 {}", crl.file.string(),
                          last->number, last->sha256));
  }
  ca::CrlFields fields;
  const auto number = book.take_crl_number(id, there ? there->number : 0, now);
  if (!number) {
    throw Error{ErrorKind::conflict,
                fmt::format("{} has the CRL number {}, and this store has not given as many: it is "
                            "not the store that published it, or an older copy of that",
                            crl.file.string(), there->number)}
        .hint("nothing was replaced and no number was taken: numbers never go back");
  }
  fields.number = *number;
  fields.this_update = this_update;
  fields.next_update = std::min<Instant>(this_update + crl.next_update, issuer.tbs.validity.not_after);
  // On one CRL after its end each stays (RFC 5280 §3.3): what ended before the last one was on it.
  for (const RevokedSerial& one : book.revocations(id, last ? last->this_update : Instant{})) {
    fields.entries.push_back({serial_octets(one.serial), std::min(one.revoked_at, this_update), one.reason});
  }
  Bytes to_be_signed = ca::crl_to_be_signed(fields, issuer, ca::issuing_algorithm(settings_.algorithm, issuer));
  return {std::move(fields), std::move(to_be_signed)};
}

MadeCrl LocalProvider::publish_crl_alone(const Settings::Crl& crl, Instant now) {
  const x509::Certificate issuer = certificate();
  const auto [fields, to_be_signed] = freeze_crl(crl, issuer, now);
  const x509::SignatureAlgorithm& algorithm = ca::issuing_algorithm(settings_.algorithm, issuer);
  const auto key = dependencies_.open(Purpose::crl, x509::spki_hash(issuer.spki()),
                                      Json::object({{"provider", settings_.name},
                                                    {"issuer", issuer.subject().to_string()},
                                                    {"crl_number", static_cast<std::int64_t>(fields.number)},
                                                    {"entries", static_cast<std::int64_t>(fields.entries.size())},
                                                    {"to_be_signed_sha256", hex(sha256(to_be_signed))}}),
                                      kByHand);
  const Bytes der = ca::signed_crl(to_be_signed, issuer, *key, algorithm, now);
  MadeCrl made{
      {fields.number, fields.this_update, fields.next_update, hex(sha256(der))}, fields.entries.size(), crl.file};
  put_crl(issuer_id(issuer.subject()), made, der);
  return made;
}

void LocalProvider::put_crl(const std::string& issuer, const MadeCrl& made, const Bytes& der) {
  write_file(made.file, der, FileMode::public_0644, Existing::replace);
  if (read_file(made.file, kMostCrl) != der) {
    throw Error{ErrorKind::corrupt, fmt::format("{} does not hold what was written to it", made.file.string())};
  }
  dependencies_.revocations().crl_published(issuer, made.crl);
}

// ---- CRLs that a service signs, in its own time ---------------------------------------------------------------------

// Before a number is taken. The check counts exactly.
void LocalProvider::expect_crl_to_fit(const x509::Certificate& issuer) const {
  constexpr std::size_t kAroundSerial = 19;  // two headers and a UTCTime
  Revocations& book = dependencies_.revocations();
  const std::string id = issuer_id(issuer.subject());
  const auto last = book.last_crl(id);
  const auto revoked = book.revocations(id, last ? last->this_update : Instant{});
  std::size_t octets = 0;
  for (const RevokedSerial& one : revoked) octets += kAroundSerial + one.serial.size() / 2;
  const std::size_t most = dependencies_.service->most_octets();
  if (octets <= most) return;
  throw Error{ErrorKind::refused, fmt::format("a CRL with {} revoked has more than {} bytes, and provider {} signs {} "
                                              "at once",
                                              revoked.size(), octets, settings_.key_service->provider, most)}
      .hint("no number was taken; entries leave a CRL when their certificates end");
}

ProviderDraft LocalProvider::draft_crl(const Order& order, Instant now) {
  if (!settings_.crl || !dependencies_.service) {
    throw Error{ErrorKind::refused,
                fmt::format("provider {} has no CRL that a service signs (crl, and key: {{provider: "
                            "…}}), which request {} is for",
                            settings_.name, order.id.str())};
  }
  const Settings::Crl& crl = *settings_.crl;
  expect_folder_takes_files(crl.file);
  const PublishingTurn turn(crl.file);
  const x509::Certificate issuer = certificate();
  const x509::SignatureAlgorithm& algorithm = ca::issuing_algorithm(settings_.algorithm, issuer);
  expect_crl_to_fit(issuer);
  const auto [fields, to_be_signed] = freeze_crl(crl, issuer, now);
  ca::refuse_errors(ca::lint_crl(to_be_signed, now));
  ProviderDraft draft;
  draft.to_be_signed = to_be_signed;
  draft.algorithm = std::string(algorithm.name);
  draft.issuer = issuer.der;
  draft.notes = {fmt::format("CRL {} of {} with {} revoked, valid until {}", fields.number,
                             issuer.subject().to_string(), fields.entries.size(), rfc3339(fields.next_update)),
                 "signed by " + key_place()};
  return draft;
}

// Another draft has another number: what waits is signed as it is, or never.
std::vector<std::string> LocalProvider::judge_crl(const ProviderCall& call) {
  const Draft& draft = call.draft;
  if (draft.to_be_signed.empty() || draft.issuer.empty()) {
    throw outdated_draft("the draft holds no TBSCertList or no issuer");
  }
  const x509::Certificate issuer = certificate();
  if (!equal(issuer.der, draft.issuer)) throw outdated_draft("the CA has another certificate now");
  expect_not_suspended(issuer.subject());
  const x509::TbsCertList list = x509::parse_tbs_cert_list(draft.to_be_signed);
  if (!list.next_update || *list.next_update <= call.now) throw outdated_draft("the CRL would have ended already");
  const auto last = dependencies_.revocations().last_crl(issuer_id(issuer.subject()));
  if (last && last->number >= ca::crl_number(list)) {
    throw outdated_draft(fmt::format("CRL number {} was published meanwhile", last->number));
  }
  std::vector<std::string> reasons;
  for (const ca::LintFinding& finding : ca::lint_crl(draft.to_be_signed, call.now)) {
    reasons.push_back(ca::to_string(finding));
  }
  return reasons;
}

MadeCrl LocalProvider::publish_signed(const ProviderCall& call, const IssuedResult& signature) {
  if (!settings_.crl) {
    throw Error{ErrorKind::unavailable,
                fmt::format("provider {} does not say any more where its CRL goes (crl)", settings_.name)};
  }
  const auto* const octets = std::get_if<IssuedSignature>(&signature.product);
  if (octets == nullptr || octets->octets.empty()) {
    throw Error{ErrorKind::corrupt, "what came back holds no signature that can be read; what came is kept"};
  }
  const std::filesystem::path& file = settings_.crl->file;
  const x509::Certificate issuer = x509::parse_certificate(call.draft.issuer);
  const Bytes der = ca::assembled_crl(call.draft.to_be_signed, issuer, x509::signature_algorithm(call.draft.algorithm),
                                      octets->octets);
  const x509::TbsCertList list = x509::parse_crl(der).tbs;
  const MadeCrl made{{ca::crl_number(list), list.this_update, list.next_update.value_or(Instant{}), hex(sha256(der))},
                     list.revoked.size(),
                     file};
  expect_not_suspended(issuer.subject());
  expect_folder_takes_files(file);
  const PublishingTurn turn(file);
  Revocations& book = dependencies_.revocations();
  const std::string id = issuer_id(issuer.subject());
  const auto last = book.last_crl(id);
  if (last && last->number == made.crl.number && last->sha256 == made.crl.sha256) return made;  // a process died here
  const auto there = crl_there(file, issuer);
  const bool is_there = there && read_file(file, kMostCrl) == der;  // or before it was written down
  const std::uint64_t newest = std::max(last ? last->number : 0, there && !is_there ? there->number : 0);
  if (newest >= made.crl.number) {
    throw Error{ErrorKind::conflict, fmt::format("CRL number {} is signed, and number {} is out already: nothing was "
                                                 "replaced",
                                                 made.crl.number, newest)}
        .hint(fmt::format("abandon this request, and type: hsmbridge ca crl {}", settings_.name));
  }
  if (there && !is_there) refuse_forgotten(file, *there, id, book);
  if (!there && last && last->sha256 != kLostCrl) {
    throw Error{ErrorKind::conflict, fmt::format("{} is not there, and CRL number {} was published: CRL {} waits",
                                                 file.string(), last->number, made.crl.number)}
        .hint(fmt::format("put the last CRL (DER) back at {}: it has the SHA-256 {}", file.string(), last->sha256));
  }
  put_crl(id, made, der);
  return made;
}

}  // namespace hsmbridge::local
