#include "service/authorities/takeover.h"

#include "base/error.h"
#include "base/file.h"
#include "workflow/machine/lifecycle.h"
#include "x509/objects/certificate.h"
#include "x509/objects/crl.h"
#include "x509/objects/pem.h"
#include "x509/objects/pem_file.h"
#include "x509/objects/serial.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace hsmbridge::service {
namespace {

using workflow::Takeover;
using Path = std::filesystem::path;

constexpr std::size_t kMostIndex = std::size_t{256} << 20U;
constexpr std::size_t kMostCrlOctets = std::size_t{256} << 20U;
constexpr std::size_t kProofNonce = 32;

std::string id_of(const x509::Name& issuer) {
  return hex(sha256(issuer.der()));
}

x509::Certificate certificate_of(const Authority& authority) {
  if (authority.view.certificate) return x509::parse_certificate(*authority.view.certificate);
  const std::string why = authority.view.obstacles.empty() ? "" : ": " + authority.view.obstacles.front();
  throw Error{ErrorKind::not_found, fmt::format("the CA {} has no certificate{}", authority.name, why)}.hint(
      fmt::format("put it at {}", authority.view.file.string()));
}

// Before anything is written: what the first CRL would meet.
void expect_to_publish(const Authority& authority, const x509::Certificate& issuer, Instant now) {
  if (!authority.view.crl_file) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("provider {} does not say where its CRL goes, and the first act is one", authority.name)}
        .hint("add  crl: {file: /srv/www/issuing.crl}");
  }
  ca::expect_crl_signer(issuer);
  if (issuer.tbs.validity.not_after <= now) {
    throw Error{ErrorKind::refused, fmt::format("the certificate of {} ended {}: no CRL of it would be valid",
                                                issuer.subject().to_string(), rfc3339(issuer.tbs.validity.not_after))};
  }
  expect_folder_takes_files(*authority.view.crl_file);
}

// The private half, in a token, signs a message that is no certificate and no CRL.
void prove_key(Bridge& bridge, Logbook& log, const Authority& authority, const x509::Certificate& issuer) {
  const auto& view = authority.view;
  if (!view.key_provider.empty()) {
    bridge.provider(authority.name)->test();  // throws where its key is another one
    return;
  }
  const auto ring = bridge.key_ring(view.token);
  const auto key = ring->find(view.key);
  const auto opened = ring->signer(
      key, {workflow::Purpose::crl, "CRL", Json::object({{"provider", authority.name}}), view.accept}, log.recorder());
  if (!x509::same_key(opened.signer->subject_public_key_info(), issuer.spki())) {
    throw Error{ErrorKind::conflict, fmt::format("key {} in token {} is not the key of {} ({})", view.key, view.token,
                                                 view.file.string(), issuer.subject().to_string())}
        .hint(fmt::format("name the CA's key under `key` of provider {}", authority.name));
  }
  opened.signer->prove(random_bytes(kProofNonce));
}

bool holds_certificates(const Bytes& file) {
  constexpr std::uint8_t kDer = 0x30;
  if (!file.empty() && file[0] == kDer) {
    try {
      x509::parse_certificate(file);
      return true;
    } catch (const Error&) {
      return false;
    }
  }
  return as_text(file).find("-----BEGIN CERTIFICATE-----") != std::string_view::npos;
}

// A folder holds keys and requests too, which are left alone; a certificate in it that cannot be read is not.
std::size_t read_certificates(const Path& path, ca::InventorySources& to) {
  const auto take = [&](const Path& file) {
    const auto all = x509::certificates_in_file(file, x509::Given::to_be_read);
    for (const Bytes& der : all) to.certificates.push_back({file.filename().string(), der});
  };
  if (!std::filesystem::is_directory(path)) {
    take(path);
    return 0;
  }
  std::vector<Path> files;
  std::error_code failure;
  for (std::filesystem::directory_iterator at(path, failure), end; !failure && at != end; at.increment(failure)) {
    if (at->is_regular_file()) files.push_back(at->path());
  }
  if (failure) throw Error{ErrorKind::denied, fmt::format("{} cannot be read: {}", path.string(), failure.message())};
  std::sort(files.begin(), files.end());
  std::size_t left_out = 0;
  for (const Path& file : files) {
    if (holds_certificates(read_file(file))) {
      take(file);
    } else {
      ++left_out;
    }
  }
  return left_out;
}

void expect_sources(const TakeoverSources& sources, Takeover::From from) {
  if (!sources.index && !sources.serial_log && sources.certificates.empty()) {
    throw Error{ErrorKind::invalid_input, from == Takeover::From::another_program
                                              ? "say what the CA has issued: --index FILE, --certificates PATH, or both"
                                              : "say what the CA has issued since the backup: --serial-log FILE, "
                                                "--index FILE or --certificates PATH"};
  }
  if (sources.crl && sources.next_crl_number) {
    throw Error{ErrorKind::invalid_input, "--next-crl-number is for a CA whose last CRL is not given (--crl)"};
  }
  if (!sources.crl && !sources.next_crl_number) {
    throw Error{ErrorKind::invalid_input, "give the last CRL that was published: --crl FILE"}.hint(
        from == Takeover::From::another_program
            ? "where none was ever published: --next-crl-number 1"
            : "where nobody has it any more: --next-crl-number N, higher than any that was ever published");
  }
}

// What stands where the CRLs go.
PlannedTakeover::Place place_of(const PlannedTakeover& planned, const x509::Certificate& issuer,
                                workflow::Store& store) {
  using Place = PlannedTakeover::Place;
  const Path& file = *planned.authority.view.crl_file;
  Bytes there;
  try {
    there = read_file(file, kMostCrlOctets);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return Place::empty;
    throw;
  }
  const auto occupied = [&](const std::string& what) {
    throw Error{ErrorKind::conflict, fmt::format("{} holds {}, and was not touched", file.string(), what)}.hint(
        "give the CRL that is there where it is the last one; else move the file away");
  };
  Bytes der;
  std::uint64_t number = 0;
  try {
    der = x509::read_crl(there);
    number = ca::crl_number_of(der, issuer);
  } catch (const Error& error) {
    occupied("something else: " + error.message());
  }
  if (!planned.crl.empty() && der == planned.crl) return there == der ? Place::holds_it : Place::holds_it_as_pem;
  const auto last = store.last_crl(planned.takeover.issuer);
  const auto& given = planned.inventory.crl;
  const bool ours = last && last->sha256 == hex(sha256(der));
  // Of a takeover that was done before, or one that this store published before it became an older copy.
  if (ours && (!given || last->number > given->number)) return Place::holds_ours;
  // A takeover that was interrupted after its first CRL was in its place: publishing the next one tells whether the
  // number was given here.
  const auto& certificates = planned.takeover.certificates;
  const bool taken_over = given ? last && last->sha256 == hex(sha256(planned.crl))
                                : !last && !certificates.empty() &&
                                      store.certified_elsewhere(planned.takeover.issuer, certificates.front().serial);
  if (taken_over && (!given || number > given->number)) return Place::holds_later_one;
  occupied(fmt::format("the CRL number {}", number));
  return Place::empty;
}

workflow::PublishedCrl published(const ca::LastCrl& crl, const Bytes& der) {
  return {crl.number, crl.this_update, crl.next_update, hex(sha256(der))};
}

Takeover takeover_of(const ca::Inventory& inventory, const std::string& issuer, Takeover::From from) {
  Takeover takeover;
  takeover.issuer = issuer;
  takeover.from = from;
  for (const ca::IssuedBefore& one : inventory.certificates) {
    takeover.certificates.push_back({one.serial, one.subject, one.not_after});
  }
  for (const ca::Inventory::Revoked& one : inventory.revoked) {
    takeover.revoked.push_back({issuer, one.serial, one.how.reason, one.how.at, one.until, ""});
  }
  return takeover;
}

Json fact_of(const PlannedTakeover& planned) {
  const auto count = [](std::size_t number) { return static_cast<std::int64_t>(number); };
  Json fact = Json::object({{"provider", planned.authority.name},
                            {"certificate_sha256", hex(sha256(*planned.authority.view.certificate))},
                            {"issuer", planned.takeover.issuer},
                            {"serials", count(planned.takeover.certificates.size())},
                            {"revoked", count(planned.takeover.revoked.size())}});
  if (const auto& crl = planned.takeover.crl) {
    fact.set("crl_number", static_cast<std::int64_t>(crl->number));
    fact.set("crl_sha256", crl->sha256);
  }
  if (const auto next = planned.takeover.next_crl_number) fact.set("next_crl_number", static_cast<std::int64_t>(*next));
  return fact;
}

}  // namespace

PlannedTakeover plan_takeover(Bridge& bridge, workflow::Store& store, Logbook& log, const std::string& name,
                              const TakeoverSources& sources, Takeover::From from) {
  expect_sources(sources, from);
  if (const auto why = store.restored()) {
    throw Error{ErrorKind::refused, fmt::format("the store is an older copy of itself ({})", *why)}.hint(
        "first: hsmbridge store accept-restored");
  }
  PlannedTakeover planned;
  planned.authority = authority(bridge, name);
  const x509::Certificate issuer = certificate_of(planned.authority);
  const std::string id = id_of(issuer.subject());
  expect_to_publish(planned.authority, issuer, log.now());
  ca::InventorySources papers;
  const auto read_index = [](const Path& file) {
    const Bytes octets = read_file(file, kMostIndex);
    return ca::read_openssl_index(as_text(octets), file.filename().string());
  };
  if (sources.index) papers.index = read_index(*sources.index);
  if (sources.serial_log) papers.log = read_index(*sources.serial_log);
  for (const Path& path : sources.certificates) planned.left_out += read_certificates(path, papers);
  if (sources.crl) {
    planned.crl =
        prefixed(sources.crl->string(), [&] { return x509::read_crl(read_file(*sources.crl, kMostCrlOctets)); });
    papers.crl = {sources.crl->filename().string(), planned.crl};
  }
  if (from == Takeover::From::a_lost_store) {
    papers.known = [&](const std::string& serial) { return store.end_of_certificate(id, serial); };
  }
  planned.inventory = ca::inventory(papers, issuer, log.now());
  planned.takeover = takeover_of(planned.inventory, id, from);
  if (planned.inventory.crl) planned.takeover.crl = published(*planned.inventory.crl, planned.crl);
  planned.takeover.next_crl_number = sources.next_crl_number;
  if (const auto why = store.suspended(id); why && from == Takeover::From::another_program) {
    throw Error{ErrorKind::refused, fmt::format("the CA {} is suspended: {}", planned.authority.name, *why)}.hint(
        fmt::format("hsmbridge ca resume {}", planned.authority.name));
  }
  planned.place = place_of(planned, issuer, store);
  prove_key(bridge, log, planned.authority, issuer);
  return planned;
}

DoneTakeover take_over(Bridge& bridge, workflow::Store& store, Logbook& log, const Actor& actor,
                       const PlannedTakeover& planned) {
  using Place = PlannedTakeover::Place;
  DoneTakeover done;
  const bool adopted = planned.takeover.from == Takeover::From::another_program;
  done.taken =
      store.take_over(planned.takeover, adopted ? "ca-adopted" : "ca-resumed", fact_of(planned), actor.name, log.now());
  // The next CRL is compared with the one in its place.
  if (!planned.crl.empty() && (planned.place == Place::empty || planned.place == Place::holds_it_as_pem)) {
    write_file(*planned.authority.view.crl_file, planned.crl, FileMode::public_0644,
               planned.place == Place::empty ? Existing::refuse : Existing::replace);
  }
  const bool is_first = planned.place != Place::holds_ours || !done.taken.nothing();
  // Where the key is at a provider it is a request, which waits for people: `ca crl` makes it.
  if (!planned.authority.view.key_provider.empty()) return done;
  if (is_first || !adopted) done.made = publish_crl(bridge, store, log, planned.authority.name);
  return done;
}

ForeignCertificate certified_elsewhere(Bridge& bridge, workflow::Store& store, const std::string& name,
                                       const std::string& serial) {
  ForeignCertificate found;
  found.authority = authority(bridge, name);
  found.issuer = id_of(certificate_of(found.authority).subject());
  const std::string number = x509::parse_serial(serial);
  if (const auto there = store.certified_elsewhere(found.issuer, number)) {
    found.certificate = *there;
    return found;
  }
  throw Error{ErrorKind::not_found,
              fmt::format("the CA {} has taken over no certificate with the serial number {}", name, number)}
      .hint("what was issued here: hsmbridge cert list, and hsmbridge cert revoke CERT");
}

void revoke_elsewhere(workflow::Store& store, Logbook& log, const ForeignCertificate& certificate,
                      const std::string& reason) {
  const auto* const row = workflow::revocation_reason(reason);
  if (row == nullptr) throw Error{ErrorKind::invalid_input, fmt::format("there is no reason '{}'", reason)};
  const auto& [serial, subject, not_after] = certificate.certificate;
  if (const auto before = store.revocation(certificate.issuer, serial)) {
    throw Error{ErrorKind::conflict,
                fmt::format("the serial number {} was revoked {}", serial, rfc3339(before->revoked_at))};
  }
  log.record("ca-revoked", Json::object({{"provider", certificate.authority.name},
                                         {"issuer", certificate.issuer},
                                         {"serial", serial},
                                         {"subject", subject},
                                         {"reason", std::string(row->name)}}));
  store.revoke(
      {certificate.issuer, serial, row->code, std::chrono::floor<std::chrono::seconds>(log.now()), not_after, ""});
}

}  // namespace hsmbridge::service
