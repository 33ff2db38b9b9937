#include "service/authorities/takeover.h"

#include "base/error.h"
#include "base/file.h"
#include "ca/crl.h"
#include "service/authorities/drafted.h"
#include "service/content/brought_csr.h"
#include "workflow/machine/lifecycle.h"
#include "x509/judge/same_name.h"
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
constexpr std::size_t kProofNonce = 32;
// Where a CA's key is at a provider its lost store may have asked for more CRLs than were published, and one of them
// may be signed whenever people approve it. Each that was cancelled, refused or drafted again took a number too: at one
// a minute these are enough for two years almost, and a number has 63 bits.
constexpr std::uint64_t kNumbersToSkip = 1'000'000;

x509::Certificate certificate_of(const Authority& authority) {
  if (authority.view.certificate) return x509::parse_certificate(*authority.view.certificate);
  const std::string why = authority.view.obstacles.empty() ? "" : ": " + authority.view.obstacles.front();
  throw Error{ErrorKind::not_found, fmt::format("the CA {} has no certificate{}", authority.name, why)}.hint(
      fmt::format("put it at {}", authority.view.file.string()));
}

// Its serial numbers and CRLs would be mixed with those of the other one.
void refuse_shared_name(Bridge& bridge, const std::string& name, const x509::Certificate& issuer) {
  const auto other = other_of_name(bridge, name, issuer.subject(), issuer.spki());
  if (!other) return;
  throw Error{ErrorKind::conflict, fmt::format("\"{}\" is the subject of the CA {} too, which has another key: nothing "
                                               "was taken over",
                                               issuer.subject().to_string(), *other)}
      .hint("two CAs of one name have one set of serial numbers and CRLs here: leave one of them where it is");
}

// Before anything is written: what the first CRL would meet.
void expect_to_publish(const std::vector<workflow::CrlPlace>& places, const std::string& name, Takeover::From from,
                       const x509::Certificate& issuer, Instant now) {
  if (places.empty()) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("provider {} does not say where its CRL goes, and the first act is one", name)}
        .hint("add  crl: {file: /srv/www/issuing.crl}");
  }
  if (from == Takeover::From::another_program && !places.front().shard.empty()) {
    throw Error{ErrorKind::invalid_input, fmt::format("provider {} publishes shards alone, and what the CA has issued "
                                                      "before names none of them",
                                                      name)}
        .hint("add  complete: {file: …, url: …}  to `crl`: the complete CRL, where it was");
  }
  ca::expect_crl_signer(issuer);
  if (issuer.tbs.validity.not_after <= now) {
    throw Error{ErrorKind::refused, fmt::format("the certificate of {} ended {}: no CRL of it would be valid",
                                                issuer.subject().to_string(), rfc3339(issuer.tbs.validity.not_after))};
  }
  for (const workflow::CrlPlace& place : places) expect_folder_takes_files(place.file);
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

// Every serial log of the CA: the one that is given may be a copy, and older than the one that is there.
std::vector<Path> serial_logs(const TakeoverSources& sources, const Authority& authority, Takeover::From from) {
  std::vector<Path> logs;
  if (sources.serial_log) logs.push_back(*sources.serial_log);
  const auto& own = authority.view.serial_log;
  if (from == Takeover::From::another_program || !own) return logs;
  std::error_code unreadable;
  if (std::filesystem::exists(*own, unreadable) || unreadable) {
    if (!std::filesystem::equivalent(*own, logs.empty() ? Path() : logs.front(), unreadable)) logs.push_back(*own);
  } else if (logs.empty()) {
    throw Error{ErrorKind::not_found, fmt::format("the serial log {} is not there: what the CA {} has signed since the "
                                                  "backup may be known to nobody else",
                                                  own->string(), authority.name)}
        .hint("--serial-log FILE for a copy of it; where it is lost, take `serial_log` out of the configuration first");
  }
  return logs;
}

// Half a line at the end is of a process that died before it signed (providers/local/serial_log.h).
std::vector<ca::IssuedBefore> read_serial_log(const Path& file) {
  constexpr auto kTabs = 5;
  const Bytes octets = read_file(file, kMostIndex);
  std::string_view lines = as_text(octets);
  const std::string_view last = lines.substr(lines.rfind('\n') + 1);
  if (std::count(last.begin(), last.end(), '\t') < kTabs) lines.remove_suffix(last.size());
  if (lines.empty()) return {};
  return ca::read_openssl_index(lines, file.filename().string());
}

void expect_sources(const TakeoverSources& sources, const std::vector<Path>& logs, Takeover::From from) {
  if (!sources.index && logs.empty() && sources.certificates.empty()) {
    throw Error{ErrorKind::invalid_input, from == Takeover::From::another_program
                                              ? "say what the CA has issued: --index FILE, --certificates PATH, or both"
                                              : "say what the CA has issued since the backup: --serial-log FILE, "
                                                "--index FILE or --certificates PATH"};
  }
  if (!sources.crls.empty() && sources.next_crl_number) {
    throw Error{ErrorKind::invalid_input, "--next-crl-number is for a CA whose last CRL is not given (--crl)"};
  }
  if (from == Takeover::From::another_program && sources.next_crl_number.value_or(1) != 1 && !sources.index) {
    throw Error{ErrorKind::invalid_input, fmt::format("a CA whose next CRL is number {} has published CRLs, and what "
                                                      "it revoked stands on them",
                                                      *sources.next_crl_number)}
        .hint("give the last one: --crl FILE; or, where it is lost, the index that says what is revoked: --index FILE");
  }
  if (sources.crls.empty() && !sources.next_crl_number) {
    throw Error{ErrorKind::invalid_input, "give the last CRL that was published: --crl FILE"}.hint(
        from == Takeover::From::another_program
            ? "where none was ever published: --next-crl-number 1"
            : "where nobody has it any more: --next-crl-number N, higher than any that was ever published");
  }
}

// Whether its CRL was lost by this very takeover, which is done already.
bool is_lost(const std::optional<workflow::PublishedCrl>& last, const Takeover& takeover, workflow::Store& store) {
  if (!last || last->sha256 != workflow::kLostCrl || !takeover.next_crl_number) return false;
  // The row is under the number before, or under the next one where the one before was given here.
  const auto was_lost = [&](std::uint64_t number) {
    const auto one = store.published_crl(takeover.issuer, number);
    return one && one->sha256 == workflow::kLostCrl;
  };
  return was_lost(*takeover.next_crl_number - 1) || was_lost(*takeover.next_crl_number);
}

// What is where a CRL goes. `given`: the number of the last one.
PlannedTakeover::Place place_of(PlannedTakeover::Crl& crl, const std::optional<std::uint64_t>& given,
                                const Takeover& takeover, const x509::Certificate& issuer, workflow::Store& store) {
  using Place = PlannedTakeover::Place;
  const Path& file = crl.to.file;
  Bytes there;
  try {
    there = read_file(file, ca::kLargestCrl);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return Place::empty;
    throw;
  }
  crl.there_sha256 = hex(sha256(there));
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
  if (!crl.der.empty() && der == crl.der) return there == der ? Place::holds_it : Place::holds_it_as_pem;
  const auto last = store.last_crl(takeover.issuer, crl.to.distribution_point());
  const bool ours = last && last->sha256 == hex(sha256(der));
  // Of a takeover that was done before, or one that this store published before it became an older copy.
  if (ours && (!given || last->number > *given)) return Place::holds_ours;
  if (ours && takeover.from == Takeover::From::a_lost_store) return Place::holds_ours_before;
  // A takeover that was interrupted after its first CRL was in its place.
  const bool taken_over = given ? last && last->sha256 == hex(sha256(crl.der))
                                : !last && !takeover.certificates.empty() &&
                                      store.certified_elsewhere(takeover.issuer, takeover.certificates.front().serial);
  // While the CA is suspended this store has signed none after it was restored: a later one is of the lost store, and
  // what that revoked nobody has told.
  const bool is_own = !store.suspended(takeover.issuer) && store.is_crl_number_taken(takeover.issuer, number);
  if (taken_over && is_own && (!given || number > *given)) return Place::holds_later_one;
  if (!given && is_own && is_lost(last, takeover, store) && number > last->number) return Place::holds_later_one;
  occupied(fmt::format("the CRL number {}", number));
  return Place::empty;
}

workflow::PublishedCrl published(const ca::LastCrl& crl, const Bytes& der) {
  return {crl.number, crl.this_update, crl.next_update, hex(sha256(der)), crl.distribution_point};
}

struct CrlFile {
  std::string name;
  Bytes der;
};

// Of a folder those that are CRLs of this CA.
std::vector<CrlFile> read_crls(const std::vector<Path>& paths, const x509::Certificate& issuer) {
  std::vector<CrlFile> all;
  for (const Path& path : paths) {
    if (!std::filesystem::is_directory(path)) {
      Bytes der = prefixed(path.string(), [&] { return x509::read_crl(read_file(path, ca::kLargestCrl)); });
      all.push_back({path.filename().string(), std::move(der)});
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      if (!entry.is_regular_file()) continue;
      try {
        Bytes der = x509::read_crl(read_file(entry.path(), ca::kLargestCrl));
        ca::crl_number_of(der, issuer);
        all.push_back({entry.path().filename().string(), std::move(der)});
      } catch (const Error&) {
        continue;  // one that is missing is asked for
      }
    }
  }
  return all;
}

// Each in its place; what is missing is asked for.
void take_crls(std::vector<CrlFile> files, PlannedTakeover& planned, ca::InventorySources& papers) {
  for (CrlFile& file : files) {
    const std::string point =
        prefixed(file.name, [&] { return ca::distribution_point_of(x509::parse_crl(file.der).tbs); });
    PlannedTakeover::Crl* to = nullptr;
    for (PlannedTakeover::Crl& crl : planned.crls) {
      if (crl.to.shard.empty() && to == nullptr) to = &crl;
      if (!crl.to.shard.empty() && crl.to.url == point) to = &crl;
    }
    // Of this program's own: that of a shard is no other one's, and certificates name it.
    const bool is_shards = to != nullptr && to->to.shard.empty() && planned.crls.size() > 1 && !point.empty() &&
                           point != to->to.url && planned.takeover.from == Takeover::From::a_lost_store;
    if (is_shards) {
      throw Error{ErrorKind::invalid_input, fmt::format("{} is the CRL at {}, and no shard of the CA {} is there",
                                                        file.name, point, planned.authority.name)}
          .hint("set `shards` and `url` under `crl` back to what they were when the store was lost");
    }
    if (to == nullptr || !to->der.empty()) {
      throw Error{ErrorKind::invalid_input,
                  to == nullptr
                      ? fmt::format("{} is not the CRL of a shard of the CA {}", file.name, planned.authority.name)
                      : fmt::format("{} is the second CRL for {}", file.name, to->to.file.string())}
          .hint("give the last CRL of each place, once");
    }
    to->der = file.der;
    if (to->to.shard.empty()) {
      papers.crl = {file.name, std::move(file.der)};
    } else {
      papers.shards.push_back({file.name, std::move(file.der)});
    }
  }
  if (files.empty()) return;
  for (const PlannedTakeover::Crl& crl : planned.crls) {
    const bool is_new = planned.takeover.from == Takeover::From::another_program && !crl.to.shard.empty();
    if (is_new || !crl.der.empty()) continue;
    throw Error{ErrorKind::invalid_input,
                fmt::format("the last CRL of {} is missing among those that are given",
                            crl.to.shard.empty() ? crl.to.file.string() : "shard " + crl.to.shard)}
        .hint(
            "give each of them (--crl FILE, as often as there are, or --crl FOLDER); where all are lost: "
            "--next-crl-number N");
  }
}

Takeover takeover_of(const ca::Inventory& inventory, const std::string& issuer, Takeover::From from) {
  Takeover takeover;
  takeover.issuer = issuer;
  takeover.from = from;
  for (const ca::IssuedBefore& one : inventory.certificates) {
    takeover.certificates.push_back({one.serial, one.subject, one.not_after, one.key, one.holder});
  }
  for (const ca::Inventory::Revoked& one : inventory.revoked) {
    takeover.revoked.push_back({issuer, one.serial, one.how.reason, one.how.at, one.until, "", one.distribution_point});
  }
  return takeover;
}

// What the store is told of the last CRLs.
void tell_crls(PlannedTakeover& planned, Takeover::From from) {
  Takeover& takeover = planned.takeover;
  if (planned.inventory.crl) takeover.crl = published(*planned.inventory.crl, planned.crls.front().der);
  const auto der_of = [&](const std::string& url) -> const Bytes& {
    return std::find_if(planned.crls.begin(), planned.crls.end(),
                        [&](const PlannedTakeover::Crl& crl) { return crl.to.distribution_point() == url; })
        ->der;
  };
  for (const ca::LastCrl& one : planned.inventory.shards) {
    takeover.shards.push_back(published(one, der_of(one.distribution_point)));
  }
  const bool has_shards = !planned.crls.back().to.shard.empty();
  if (!has_shards || from == Takeover::From::another_program) return;
  if (takeover.next_crl_number) {
    for (const PlannedTakeover::Crl& crl : planned.crls) {
      takeover.shards.push_back({0, {}, {}, workflow::kLostCrl, crl.to.distribution_point()});
    }
  }
  // Which shard its certificate names a shard's CRL tells. One that is on the complete one alone may name a shard whose
  // next CRL was not published any more: on too many it does no harm.
  for (workflow::RevokedSerial& one : takeover.revoked) {
    if (one.distribution_point.empty()) one.distribution_point = workflow::kEveryShard;
  }
}

std::optional<std::uint64_t> number_of(const Takeover& takeover, const workflow::CrlPlace& place) {
  if (place.shard.empty()) return takeover.crl ? std::optional(takeover.crl->number) : std::nullopt;
  for (const workflow::PublishedCrl& one : takeover.shards) {
    if (one.distribution_point == place.url && one.sha256 != workflow::kLostCrl) return one.number;
  }
  return std::nullopt;
}

// What the first CRL would be refused for, before anything is taken over.
void expect_scope(const PlannedTakeover& planned, workflow::Store& store, Instant now) {
  if (planned.crls.front().to.scope == workflow::CrlPlace::Scope::all) return;
  const bool was_so = planned.inventory.crl && planned.inventory.crl->only_authorities;
  std::optional<ca::OtherThanAuthority> other;
  for (const ca::IssuedBefore& one : planned.inventory.certificates) {
    const bool is_known = one.holder == ca::Holder::end_entity;
    if (one.holder == ca::Holder::authority || one.not_after < now || (was_so && !is_known)) continue;
    if (!other || is_known) other = {one.serial, one.subject, one.not_after, "", is_known};
  }
  // What the store itself lacks the sources may tell.
  const auto here = store.other_than_authority(planned.takeover.issuer, now);
  if (here && here->is_known) other = here;
  if (!other) return;
  const auto [why, hint] = ca::against_scope(*other, planned.authority.name);
  throw Error{ErrorKind::conflict, why + ": nothing was taken over"}.hint(hint);
}

// Whether anything tells that the CA has worked under this program before: what the store knows of it, or a serial log.
bool has_worked_here(const Authority& authority, const std::string& issuer, workflow::Store& store) {
  workflow::RequestQuery asked;
  asked.provider = authority.name;
  asked.most = 1;
  const bool has_numbers = store.serials_taken(issuer) > 0 || store.is_crl_number_taken(issuer, 1);
  if (has_numbers || store.last_crl(issuer, "") || !store.page(asked).empty()) return true;
  const auto& log = authority.view.serial_log;
  if (!log) return false;
  std::error_code failure;
  const auto size = std::filesystem::file_size(*log, failure);
  return failure ? failure != std::errc::no_such_file_or_directory : size > 0;
}

// In a store that was restored a CA waits until it was told what the lost one did. One that was never here has done
// nothing there, unless the lost store had taken it over since the backup: nothing tells that.
void expect_new_here(PlannedTakeover& planned, workflow::Store& store) {
  const auto why = store.suspended(planned.takeover.issuer);
  if (planned.takeover.from == Takeover::From::a_lost_store) return;
  // With a store that is not there any more: its log says what was signed, and `ca adopt` does not read it.
  const auto& log = planned.authority.view.serial_log;
  std::error_code unknown;
  if (!why && log && store.serials_taken(planned.takeover.issuer) == 0 &&
      std::filesystem::file_size(*log, unknown) > 0 && !unknown) {
    throw Error{ErrorKind::refused, fmt::format("the CA {} has signed with another store of this program: {} says what",
                                                planned.authority.name, log->string())}
        .hint(fmt::format("hsmbridge ca resume {}", planned.authority.name));
  }
  if (!why) return;
  const std::string& name = planned.authority.name;
  if (has_worked_here(planned.authority, planned.takeover.issuer, store)) {
    throw Error{ErrorKind::refused, fmt::format("the CA {} is suspended: {}", name, *why)}.hint(
        fmt::format("hsmbridge ca resume {}", name));
  }
  planned.inventory.notes.push_back(fmt::format(
      "{}. Where the lost store had taken over this CA already, it may have issued: then type ca resume {} instead",
      *why, name));
}

// A newer one that nobody brings is at its URL, perhaps.
void expect_last(Bridge& bridge, const PlannedTakeover& planned) {
  const Takeover& takeover = planned.takeover;
  const auto provider = bridge.provider(planned.authority.name);
  auto& authority = dynamic_cast<workflow::CertificateAuthority&>(*provider);
  for (const PlannedTakeover::Crl& crl : planned.crls) {
    std::optional<workflow::PublishedCrl> last;
    if (crl.to.shard.empty()) last = takeover.crl;
    for (const workflow::PublishedCrl& one : takeover.shards) {
      if (!crl.to.shard.empty() && one.distribution_point == crl.to.url) last = one;
    }
    if (const auto next = takeover.next_crl_number; next && *next > 1)
      last = {*next - 1, {}, {}, workflow::kLostCrl, ""};
    try {
      authority.expect_newest(crl.to.shard, last);
    } catch (Error& error) {
      if (error.kind() != ErrorKind::conflict) throw;
      throw error.hint("nothing was taken over; give the CRL that is there as the last one: --crl FILE");
    }
  }
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
  const auto skipped = planned.takeover.crl_numbers_to_skip;
  if (skipped > 0) fact.set("crl_numbers_skipped", static_cast<std::int64_t>(skipped));
  return fact;
}

}  // namespace

PlannedTakeover plan_takeover(Bridge& bridge, workflow::Store& store, Logbook& log, const std::string& name,
                              const TakeoverSources& sources, Takeover::From from) {
  if (const auto why = store.restored()) {
    throw Error{ErrorKind::refused, fmt::format("the store is an older copy of itself ({})", *why)}.hint(
        "first: hsmbridge store accept-restored");
  }
  PlannedTakeover planned;
  planned.authority = authority(bridge, name);
  planned.takeover.from = from;
  const std::vector<Path> logs = serial_logs(sources, planned.authority, from);
  expect_sources(sources, logs, from);
  const x509::Certificate issuer = certificate_of(planned.authority);
  if (from == Takeover::From::another_program) refuse_shared_name(bridge, planned.authority.name, issuer);
  const std::string id = workflow::issuer_id(issuer.subject());
  const auto places = crl_places(bridge, planned.authority.name);
  expect_to_publish(places, planned.authority.name, from, issuer, log.now());
  for (const workflow::CrlPlace& place : places) planned.crls.push_back({place, {}, PlannedTakeover::Place::empty});
  ca::InventorySources papers;
  if (sources.index) {
    papers.index =
        ca::read_openssl_index(as_text(read_file(*sources.index, kMostIndex)), sources.index->filename().string());
  }
  for (const Path& file : logs) {
    for (ca::IssuedBefore& one : read_serial_log(file)) papers.log.push_back(std::move(one));
  }
  for (const Path& path : sources.certificates) planned.left_out += read_certificates(path, papers);
  take_crls(read_crls(sources.crls, issuer), planned, papers);
  papers.crl_url = places.front().url;
  if (from == Takeover::From::a_lost_store) {
    papers.known = [&](const std::string& serial) { return store.end_of_certificate(id, serial); };
  }
  planned.inventory = ca::inventory(papers, issuer, log.now());
  planned.takeover = takeover_of(planned.inventory, id, from);
  planned.takeover.next_crl_number = sources.next_crl_number;
  const bool asks_elsewhere = !planned.authority.view.key_provider.empty();
  if (asks_elsewhere && from == Takeover::From::a_lost_store) planned.takeover.crl_numbers_to_skip = kNumbersToSkip;
  tell_crls(planned, from);
  expect_scope(planned, store, log.now());
  expect_new_here(planned, store);
  for (PlannedTakeover::Crl& crl : planned.crls) {
    const auto given = number_of(planned.takeover, crl.to);
    crl.place = place_of(crl, given, planned.takeover, issuer, store);
  }
  expect_last(bridge, planned);
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
  bool holds_ours = true;
  for (const PlannedTakeover::Crl& crl : planned.crls) {
    const bool is_replaced = crl.place == Place::holds_it_as_pem || crl.place == Place::holds_ours_before;
    if (!crl.der.empty() && (crl.place == Place::empty || is_replaced)) {
      // While a person was asked the old program may have published another one.
      if (is_replaced && hex(sha256(read_file(crl.to.file, ca::kLargestCrl))) != crl.there_sha256) {
        throw Error{ErrorKind::conflict,
                    fmt::format("{} holds another CRL now, and was not touched", crl.to.file.string())}
            .hint("stop the other program, and give the CRL that is there as the last one");
      }
      write_file(crl.to.file, crl.der, FileMode::public_0644, is_replaced ? Existing::replace : Existing::refuse);
    }
    holds_ours = holds_ours && crl.place == Place::holds_ours;
  }
  const bool is_first = !holds_ours || !done.taken.nothing();
  // Where the key is at a provider it is a request, which waits for people: `ca crl` makes it.
  if ((is_first || !adopted) && planned.authority.view.key_provider.empty()) {
    done.published = publish_crls(bridge, store, log, planned.authority.name, WhichCrls::all);
  }
  return done;
}

namespace {

// Where a store knows nothing of a CA the first that it is told passes for everything (Takeovers::take_over), and a
// suspended one would sign again.
void refuse_untold(workflow::Store& store, const ForeignCertificate& found) {
  const auto why = store.serials_taken(found.issuer) == 0 ? store.suspended(found.issuer) : std::nullopt;
  if (!why) return;
  throw Error{ErrorKind::refused, fmt::format("the CA {} is suspended: {}", found.authority.name, *why)}.hint(
      fmt::format("first: hsmbridge ca resume {}", found.authority.name));
}

}  // namespace

ForeignCertificate certified_elsewhere(Bridge& bridge, workflow::Store& store, const std::string& name,
                                       const std::string& serial) {
  ForeignCertificate found;
  found.authority = authority(bridge, name);
  const x509::Certificate own = certificate_of(found.authority);
  found.issuer = workflow::issuer_id(own.subject());
  const std::string number = x509::parse_serial(serial);
  if (const auto there = store.certified_elsewhere(found.issuer, number)) {
    found.certificate = *there;
    const auto& crls = found.authority.view.crls;
    found.ended_before_crls = !crls.empty() && std::all_of(crls.begin(), crls.end(), [&](const auto& crl) {
      return crl.last && crl.last->this_update > there->not_after;
    });
    return found;
  }
  // A root's own certificate is one of those that it has issued, whether that was written down or not.
  if (number == x509::serial_text(own.serial()) && x509::same_name(own.issuer(), own.subject()) &&
      x509::signature_verifies(own, own.spki())) {
    refuse_untold(store, found);
    found.certificate = {number, own.subject().to_string(), own.tbs.validity.not_after, x509::spki_hash(own.spki()),
                         ca::Holder::authority};
    return found;
  }
  if (const auto drafted = drafted_under(store, found.issuer, number)) {
    found.certificate = drafted->certificate;
    found.request = drafted->request;
    return found;
  }
  throw Error{ErrorKind::not_found, fmt::format("the CA {} has neither taken over a certificate with the serial number "
                                                "{} nor given that number to one",
                                                name, number)}
      .hint("what was issued here: hsmbridge cert list, and hsmbridge cert revoke CERT");
}

RevokedElsewhere revoke_elsewhere(const Actor& actor, workflow::Store& store, Instant now,
                                  const ForeignCertificate& certificate, const std::string& reason) {
  const auto* const row = workflow::revocation_reason(reason);
  if (row == nullptr) throw Error{ErrorKind::invalid_input, fmt::format("there is no reason '{}'", reason)};
  if (row->name == workflow::kCertificateHold) {
    throw Error{ErrorKind::invalid_input,
                "a CA of this bridge puts no certificate on hold: what it revokes stays revoked"};
  }
  const auto& [serial, subject, not_after, key, holder] = certificate.certificate;
  const auto& crls = certificate.authority.view.crls;
  const bool of_authorities = std::any_of(crls.begin(), crls.end(), [](const workflow::PlacedCrl& crl) {
    return crl.place.scope == workflow::CrlPlace::Scope::authorities;
  });
  if (of_authorities && holder == ca::Holder::end_entity) {
    throw Error{ErrorKind::conflict,
                fmt::format("serial number {} is not a CA's, and the CRL of {} is about CAs alone (scope: ca): nobody "
                            "would look for it there",
                            serial, certificate.authority.name)}
        .hint("nothing was revoked; set `scope` back to all first");
  }
  // Which shard a certificate names that is not here, nobody knows; the complete CRL has all.
  Takeover told;
  told.issuer = certificate.issuer;
  told.revoked = {{certificate.issuer, serial, row->code, std::chrono::floor<std::chrono::seconds>(now), not_after, "",
                   workflow::kEveryShard}};
  const Json fact = Json::object({{"provider", certificate.authority.name},
                                  {"issuer", certificate.issuer},
                                  {"serial", serial},
                                  {"subject", subject},
                                  {"reason", std::string(row->name)}});
  const bool is_new = !store.take_over(told, "ca-revoked", fact, actor.name, now).nothing();
  // What is revoked stays as it was revoked; what was learnt later is about the key. The store knows no key of a root's
  // own certificate that was not written down, and does not look up whose key a draft has: typed again after a crash in
  // between, this is done then.
  const bool is_learnt = row->compromise && !key.empty() && record_compromise(store, key, actor.name, now);
  if (is_new) return RevokedElsewhere::now;
  if (is_learnt) return RevokedElsewhere::before;
  const auto before = store.revocation(certificate.issuer, serial);
  throw Error{ErrorKind::conflict, fmt::format("the serial number {} was revoked {}", serial,
                                               before ? rfc3339(before->revoked_at) : "before")};
}

}  // namespace hsmbridge::service
