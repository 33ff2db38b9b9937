#include "service/authorities/authorities.h"

#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/file_io.h"
#include "ca/crl.h"
#include "service/content/ask.h"
#include "service/content/brought_csr.h"
#include "service/keys/keys.h"
#include "workflow/ports/crl_place_fault.h"
#include "x509/judge/same_name.h"
#include "x509/objects/certificate.h"
#include "x509/objects/crl.h"
#include "x509/objects/pem.h"
#include "x509/objects/spki.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

namespace hsmbridge::service {
namespace {

std::shared_ptr<workflow::Provider> provider_of_authority(Bridge& bridge, const std::string& name) {
  const auto& settings = bridge.settings().provider(name);
  if (settings.type != workflow::kLocalAuthority) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("provider {} ({}) is not a CA of this bridge", settings.name, settings.type)};
  }
  return bridge.provider(settings.name);
}

workflow::CertificateAuthority& as_authority(workflow::Provider& provider) {
  return dynamic_cast<workflow::CertificateAuthority&>(provider);
}

// Where the provider keeps the bytes of a root from before the signature until the certificate is written.
std::filesystem::path frozen_root(const std::filesystem::path& certificate) {
  return certificate.string() + ".tbs";
}

// Its key would have two certificates, and everybody the choice between them.
void refuse_existing(const Authority& authority) {
  std::error_code unknown;
  if (std::filesystem::exists(authority.view.file, unknown) || unknown) {
    throw Error{ErrorKind::conflict, fmt::format("the CA {} has a certificate: {} is there, and was not touched",
                                                 authority.name, authority.view.file.string())}
        .hint(fmt::format("look at it: hsmbridge ca show {}", authority.name));
  }
  expect_folder_takes_files(authority.view.file);
}

// One process makes a root at a time.
Descriptor take_turn(const std::filesystem::path& certificate) {
  const std::string file = certificate.string() + ".lock";
  Descriptor lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.valid()) throw system_error("cannot open", file, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    throw Error{ErrorKind::unavailable, fmt::format("another process makes {} at this moment", certificate.string())};
  }
  return lock;
}

// What it would sign may be something that the store that was lost has signed otherwise.
void refuse_older_copy(workflow::Store& store) {
  if (const auto why = store.restored()) {
    throw Error{ErrorKind::refused, fmt::format("the store is an older copy of itself ({}): no CA signs", *why)}.hint(
        "first: hsmbridge store accept-restored, then for each CA: hsmbridge ca resume");
  }
}

// Keys are made under labels; "id=…" and a URI name one that is there.
void expect_label(const Authority& authority) {
  const std::string& key = authority.view.key;
  if (!key.starts_with("id=") && !key.starts_with("pkcs11:")) return;
  throw Error{ErrorKind::not_found,
              fmt::format("the key {} of the CA {} is not in token {}", key, authority.name, authority.view.token)}
      .hint("a key is made where the configuration names it by a label");
}

// One key is one CA's.
void refuse_key_of_other(Bridge& bridge, workflow::KeyRing& ring, const workflow::KeyInfo& key,
                         const std::string& name) {
  const auto other = authority_of(bridge, ring, key, name);
  if (!other) return;
  throw Error{ErrorKind::conflict,
              fmt::format("key {} in token {} is the key of the CA {} too", key.name, ring.token(), *other)}
      .hint(fmt::format("a CA has a key of its own: name another one under `key` of provider {}", name));
}
// Who trusts the certificate that it has would trust it as a CA's, and the other way round.
void refuse_certified(workflow::Store& store, const workflow::KeyInfo& key, const std::string& token) {
  if (key.spki_hash.empty() || !store.has_certificate(key.spki_hash)) return;
  throw Error{ErrorKind::conflict,
              fmt::format("key {} in token {} has certificates of other requests", key.name, token)}
      .hint("a CA has a key of its own: name another one under `key`");
}

// `to_be_made`: no key is there that could have done anything under that name.
void refuse_name_of_other(Bridge& bridge, workflow::Store& store, const Authority& made, const x509::Name& subject,
                          bool to_be_made, const std::string& hint) {
  if (const auto other = other_of_name(bridge, made.name, subject, {})) {
    throw Error{ErrorKind::conflict,
                fmt::format("\"{}\" is the subject of the CA {}: with another key the CA {} would pass for it, and "
                            "both would have one set of serial numbers and CRLs",
                            subject.to_string(), *other, made.name)}
        .hint(hint);
  }
  if (!to_be_made || store.serials_taken(workflow::issuer_id(subject)) == 0) return;
  throw Error{ErrorKind::conflict,
              fmt::format("serial numbers were given under the name \"{}\" before, with another key than the one that "
                          "would be made",
                          subject.to_string())}
      .hint(fmt::format("{}; or put the certificate of that CA back at {}", hint, made.view.file.string()));
}

// Its CSR would want the quorum of its key, before anything is requested.
void refuse_key_at_provider(const Authority& made, const std::string& what, const std::string& instead) {
  if (made.view.key_provider.empty()) return;
  throw Error{ErrorKind::invalid_input, fmt::format("the key {} of the CA {} is at provider {}: {}", made.view.key,
                                                    made.name, made.view.key_provider, what)}
      .hint(instead);
}

// An open request makes the key.
bool is_being_made(workflow::Store& store, const workflow::AuthorityView& view) {
  for (const auto& key : store.keys({std::nullopt, view.token, view.key})) {
    workflow::Requests::ListQuery query;
    query.token = key.token;
    query.cka_id = key.cka_id;
    query.open_only = true;
    if (!store.list(query).empty()) return true;
  }
  return false;
}

}  // namespace

std::vector<Authority> authorities(Bridge& bridge) {
  std::vector<Authority> all;
  for (const auto& settings : bridge.settings().providers) {
    if (settings.type == workflow::kLocalAuthority) all.push_back(authority(bridge, settings.name));
  }
  return all;
}

Authority authority(Bridge& bridge, const std::string& name) {
  const auto provider = provider_of_authority(bridge, name);
  return {bridge.settings().provider(name).name, as_authority(*provider).view()};
}

std::optional<std::string> other_of_name(Bridge& bridge, const std::string& name, const x509::Name& subject,
                                         ByteView key) {
  for (const Authority& one : authorities(bridge)) {
    if (one.name == name || !one.view.certificate) continue;
    const auto certificate = x509::parse_certificate(*one.view.certificate);
    const bool has_key = !key.empty() && x509::same_key(certificate.spki(), key);
    if (!has_key && x509::same_name(certificate.subject(), subject)) return one.name;
  }
  return std::nullopt;
}

std::vector<workflow::CrlPlace> crl_places(Bridge& bridge, const std::string& name) {
  const auto provider = provider_of_authority(bridge, name);
  return as_authority(*provider).crl_places();
}

NewRoot plan_root(Bridge& bridge, workflow::Store& store, const std::string& name) {
  refuse_older_copy(store);
  NewRoot root{authority(bridge, name)};
  const auto& view = root.authority.view;
  refuse_existing(root.authority);
  refuse_key_at_provider(
      root.authority, "a root is made with a key in a token alone",
      fmt::format("put a certificate that was made elsewhere at {}, then: hsmbridge provider test {}",
                  view.file.string(), root.authority.name));
  if (!view.root_key) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("provider {} does not say what its certificate shall say (root: …)", root.authority.name)}
        .hint(fmt::format("add  root: {{subject: {{C: CH, O: Example, CN: Example Root}}, validity: 7300d}}; or let "
                          "another CA certify it: hsmbridge ca init {} --parent PROVIDER",
                          root.authority.name));
  }
  const auto ring = bridge.key_ring(view.token);
  const bool to_be_made = ring->match(view.key).empty();
  refuse_name_of_other(bridge, store, root.authority, *view.root_subject, to_be_made,
                       fmt::format("give it a subject of its own: root: subject of provider {}", root.authority.name));
  if (to_be_made) {
    expect_label(root.authority);
    ring->expect_to_sign(x509::default_algorithm(*view.root_key));
    return root;
  }
  const auto key = ring->find(view.key);
  refuse_key_of_other(bridge, *ring, key, root.authority.name);
  refuse_certified(store, key, view.token);
  if (is_being_made(store, view)) {
    throw Error{ErrorKind::conflict, fmt::format("key {} in token {} is that of an open request", key.name, view.token)}
        .hint("hsmbridge request list --open");
  }
  root.key_is_there = true;
  std::error_code unknown;
  root.is_frozen = std::filesystem::exists(frozen_root(view.file), unknown);
  // Asked of nobody's name it says whether the store was ever restored: then a root of that key may be lost with it.
  if (const auto why = store.suspended(""); why && !root.is_frozen) {
    throw Error{ErrorKind::refused, fmt::format("key {} is in token {} already, and whether it made a root before is "
                                                "not known: {}",
                                                key.name, view.token, *why)}
        .hint(
            fmt::format("put that root's certificate back at {}; for a new root name another key", view.file.string()));
  }
  return root;
}

Bytes make_root(const Actor& actor, Bridge& bridge, workflow::Store& store, Logbook& log, const NewRoot& root) {
  const auto& [name, view] = root.authority;
  // While a person was asked another process may have made it: then it would sign a second one.
  const Descriptor turn = take_turn(view.file);
  refuse_existing(root.authority);
  const auto ring = bridge.key_ring(view.token);
  if (!root.key_is_there) make_keys(*ring, log, {{view.key}, *view.root_key, workflow::KeyUse::sign, std::nullopt});
  const auto key = public_key(*ring, log, view.key);
  if (const auto spec = x509::key_spec_of(key.spki); !(spec == *view.root_key)) {
    throw Error{ErrorKind::conflict,
                fmt::format("key {} in token {} is {}, and the configuration says {} (root: key)", view.key, view.token,
                            x509::to_string(spec), x509::to_string(*view.root_key))}
        .hint("name another key under `key`, or correct `root: key`");
  }
  // Its key may have been learnt to be compromised where it has no certificate of a request: as that of a CA.
  refuse_bad_key(fmt::format("key {} in token {}", view.key, view.token), key.spki, bridge.weak_keys(), &store,
                 "name another one under `key`");
  const auto provider = provider_of_authority(bridge, name);
  const Bytes der = as_authority(*provider).certify_itself(key.spki, log.now());
  const auto certificate = x509::parse_certificate(der);
  log.record("ca-initialised", Json::object({{"provider", name},
                                             {"subject", certificate.subject().to_string()},
                                             {"serial", x509::serial_text(certificate.serial())},
                                             {"certificate_sha256", hex(sha256(der))},
                                             {"certificate", base64(der)},
                                             {"signed_again", root.is_frozen},
                                             {"file", view.file.string()}}));
  write_file(view.file, as_bytes(x509::write_pem("CERTIFICATE", der)), FileMode::public_0644, Existing::refuse);
  // It is of no request: `ca revoke` finds it here.
  workflow::Takeover begun;
  begun.issuer = workflow::issuer_id(certificate.subject());
  begun.from = workflow::Takeover::From::a_lost_store;  // its number was given here
  begun.certificates.push_back({x509::serial_text(certificate.serial()), certificate.subject().to_string(),
                                certificate.tbs.validity.not_after, x509::spki_hash(certificate.spki()),
                                ca::Holder::authority});
  // A store that was restored before knows all of a CA that begins now, with a key of its own. What one did whose key
  // was there it may not know: that CA stays suspended.
  if (!root.key_is_there || !store.suspended(begun.issuer)) {
    store.take_over(begun, "ca-begun", Json::object({{"provider", name}, {"issuer", begun.issuer}}), actor.name,
                    log.now());
  }
  std::error_code left_over;  // harmless beside the certificate
  std::filesystem::remove(frozen_root(view.file), left_over);
  return der;
}

namespace {

// The CRL itself is published whatever becomes of it there.
void put_last(workflow::CertificateAuthority& authority, Logbook& log, const std::string& name,
              PublishedCrls& published, PublishedCrls::One& one) {
  if (one.made.place.put.empty()) return;
  try {
    one.made = authority.put_crl(one.made.place.shard, kPutLimit);
    one.is_put = true;
    log.record("crl-put", put_facts(name, one.made));
  } catch (const Error& error) {
    if (!published.stopped) published.stopped = error;
  }
}

// Nothing where that one is not wanted.
std::optional<workflow::MadeCrl> next_of(workflow::CertificateAuthority& authority, const workflow::PlacedCrl& crl,
                                         WhichCrls which, Instant now) {
  const std::string& shard = crl.place.shard;
  if (which == WhichCrls::all) return authority.publish_crl(shard, now);
  if (which == WhichCrls::after_future) return authority.publish_crl_after_future(shard, now);
  return crl.due.empty() ? std::nullopt : authority.publish_due_crl(shard, now);
}

}  // namespace

PublishedCrls put_crls(Bridge& bridge, Logbook& log, const std::string& name) {
  const auto provider = provider_of_authority(bridge, name);
  const Authority made = authority(bridge, name);
  PublishedCrls published;
  for (const workflow::PlacedCrl& crl : made.view.crls) {
    if (crl.not_put.empty() || !crl.due.empty()) continue;
    published.made.push_back({{*crl.last, 0, crl.place}, std::nullopt, false, false});
    put_last(as_authority(*provider), log, made.name, published, published.made.back());
  }
  return published;
}

PublishedCrls publish_crls(Bridge& bridge, workflow::Store& store, Logbook& log, const std::string& name,
                           WhichCrls which) {
  refuse_older_copy(store);
  const auto provider = provider_of_authority(bridge, name);
  auto& authority = as_authority(*provider);
  const auto standing = authority.crl_standing();
  const std::string& ca = bridge.settings().provider(name).name;
  const bool is_alone = standing.crls.size() == 1 && which != WhichCrls::after_future;
  PublishedCrls published;
  // Says what to configure.
  if (standing.crls.empty()) authority.publish_crl("", log.now());
  for (const workflow::PlacedCrl& crl : standing.crls) {
    // As it was signed, by a process that died or could not reach the server.
    if (which == WhichCrls::due && crl.due.empty() && !crl.not_put.empty()) {
      published.made.push_back({{*crl.last, 0, crl.place}, std::nullopt, false, false});
      put_last(authority, log, ca, published, published.made.back());
      continue;
    }
    try {
      auto made = next_of(authority, crl, is_alone ? WhichCrls::all : which, log.now());
      if (!made) {
        published.not_due.push_back(crl);
        continue;
      }
      published.made.push_back({std::move(*made), std::nullopt});
    } catch (Error& error) {
      if (!crl.place.shard.empty()) error.prefix("shard " + crl.place.shard);
      if (!published.stopped) published.stopped = error;
      if (workflow::stops_every_crl(error)) break;
      continue;
    }
    log.record("crl-published", crl_facts(ca, published.made.back().made));
    put_last(authority, log, ca, published, published.made.back());
  }
  if (published.made.empty() && published.stopped) throw *published.stopped;
  std::vector<workflow::PlacedCrl> made;
  for (const auto& one : published.made) made.push_back({one.made.place, one.made.crl, false, "", ""});
  auto at_urls = look_at_urls(made, x509::parse_certificate(*standing.certificate));
  for (std::size_t i = 0; i < made.size(); ++i) published.made[i].at_url = std::move(at_urls[i]);
  return published;
}

Json crl_facts(const std::string& provider, const workflow::MadeCrl& made) {
  Json facts = Json::object({{"provider", provider},
                             {"crl_number", static_cast<std::int64_t>(made.crl.number)},
                             {"entries", static_cast<std::int64_t>(made.entries)},
                             {"next_update", rfc3339(made.crl.next_update)},
                             {"crl_sha256", made.crl.sha256},
                             {"file", made.place.file.string()}});
  if (!made.place.shard.empty()) facts.set("distribution_point", made.crl.distribution_point);
  if (made.after_future) facts.set("after_crl_of", rfc3339(*made.after_future));
  return facts;
}

Json put_facts(const std::string& provider, const workflow::MadeCrl& made) {
  return Json::object({{"provider", provider},
                       {"crl_number", static_cast<std::int64_t>(made.crl.number)},
                       {"crl_sha256", made.crl.sha256},
                       {"url", made.place.put}});
}

namespace {

std::string fault_of(const workflow::PlacedCrl& crl) {
  if (!crl.last) return "no CRL was published yet";
  if (crl.overdue) {
    return fmt::format("the CRL is overdue: number {} is valid from {} to {}", crl.last->number,
                       rfc3339(crl.last->this_update), rfc3339(crl.last->next_update));
  }
  try {
    if (hex(sha256(read_file(crl.place.file, ca::kLargestCrl))) == crl.last->sha256) return crl.not_put;
    return fmt::format("{} does not hold CRL number {}, which was published there", crl.place.file.string(),
                       crl.last->number);
  } catch (const Error& error) {
    return error.message();
  }
}

}  // namespace

std::string nearly_full(const workflow::CrlPlace& place) {
  constexpr std::size_t kPercent = 100;
  constexpr std::size_t kSaid = 80;
  if (place.most_octets == 0) return "";
  try {
    const std::size_t octets = x509::parse_crl(read_file(place.file, place.most_octets * 2)).tbs.der.size();
    const std::size_t percent = octets * kPercent / place.most_octets;
    if (percent < kSaid) return "";
    return fmt::format("the CRL has {} bytes, {} % of what can be signed at once there", octets, percent);
  } catch (const Error&) {
    return "";
  }
}

std::vector<CrlOfFuture> crls_of_the_future(Bridge& bridge, const std::string& name) {
  const Authority made = authority(bridge, name);
  const auto provider = provider_of_authority(bridge, name);
  const auto standing = as_authority(*provider).crl_standing();  // says what is wrong with a CA that cannot be read
  if (standing.crls.empty()) {
    throw Error{ErrorKind::invalid_input, fmt::format("provider {} does not say where its CRL goes (crl)", made.name)};
  }
  const Instant now = bridge.clock().now();
  std::vector<CrlOfFuture> found;
  for (const workflow::PlacedCrl& crl : standing.crls) {
    CrlOfFuture one{crl.place, crl.last ? crl.last->number : 0, crl.last ? crl.last->this_update : Instant{}};
    try {  // one that is there, and was not written down
      const auto there = x509::parse_crl(read_file(crl.place.file, ca::kLargestCrl)).tbs;
      if (there.this_update > one.this_update) one = {crl.place, ca::crl_number(there), there.this_update};
    } catch (const Error&) {
      if (!crl.last) continue;
    }
    if (one.this_update > now) found.push_back(std::move(one));
  }
  if (!found.empty()) return found;
  throw Error{ErrorKind::conflict,
              fmt::format("no CRL of the CA {} is of a time that has not come, and nothing was signed", made.name)}
      .hint(fmt::format("hsmbridge ca crl {}", made.name));
}

CrlCheck check_crl(Bridge& bridge, const std::string& name) {
  CrlCheck check{authority(bridge, name), {}};
  const auto& view = check.authority.view;
  if (view.crls.empty()) {
    // Says what is wrong with a CA that has no certificate, or cannot be read.
    const auto provider = provider_of_authority(bridge, name);
    as_authority(*provider).crl_standing();
    throw Error{ErrorKind::invalid_input, fmt::format("provider {} does not say where its CRL goes (crl)", name)};
  }
  for (const workflow::PlacedCrl& crl : view.crls) {
    check.crls.push_back({crl, fault_of(crl), std::nullopt, nearly_full(crl.place)});
  }
  auto at_urls = look_at_urls(check.authority);
  for (std::size_t i = 0; i < at_urls.size(); ++i) check.crls[i].at_url = std::move(at_urls[i]);
  return check;
}

std::vector<std::optional<CrlAtUrl>> look_at_urls(const Authority& authority) {
  const auto& view = authority.view;
  if (view.crls.empty()) return {};
  return look_at_urls(view.crls, x509::parse_certificate(*view.certificate));
}

SubordinateRequest subordinate_request(Bridge& bridge, workflow::Store& store, const NewSubordinate& wanted) {
  const Authority made = authority(bridge, wanted.name);
  refuse_existing(made);
  refuse_key_at_provider(
      made, "its CSR is made there (POST /v1/certificate/request), under the quorum of that key",
      fmt::format("with that CSR in a file: hsmbridge enroll --csr FILE --ca --provider {} --profile {} --install "
                  "file:leaf:{}; or put a certificate there that another CA has issued",
                  wanted.parent, wanted.profile, made.view.file.string()));
  if (wanted.parent == made.name) {
    throw Error{ErrorKind::invalid_input, fmt::format("{} is its own parent", made.name)}.hint(
        fmt::format("a root is made without one: hsmbridge ca init {}", made.name));
  }
  NewEnrolment request;
  request.provider = wanted.parent;
  request.profile = wanted.profile;
  request.token = made.view.token;
  request.wishes.ca = true;
  request.wishes.path_length = wanted.path_length;
  const config::ProfileSettings& profile = bridge.settings().profile(wanted.profile);
  if (profile.usage.empty()) request.wishes.usage = {"keyCertSign", "cRLSign"};
  request.install = {"file:leaf:" + made.view.file.string()};
  const auto ring = bridge.key_ring(made.view.token);
  const bool to_be_made = ring->match(made.view.key).empty() || is_being_made(store, made.view);
  if (to_be_made) {
    expect_label(made);
    request.new_key = made.view.key;
  } else {
    const auto key = ring->find(made.view.key);
    refuse_key_of_other(bridge, *ring, key, made.name);
    refuse_certified(store, key, made.view.token);
    request.key = made.view.key;
  }
  const x509::Name subject = build_ask(nullptr, &profile, request.wishes).content.subject;
  refuse_name_of_other(bridge, store, made, subject, to_be_made,
                       "give it a subject of its own: another profile of requests (--profile), which a profile of the "
                       "CA above is `for`");
  return {std::move(request), workflow::issuer_id(subject), ring->match(made.view.key).empty()};
}

void begin_subordinate(const Actor& actor, workflow::Store& store, const std::string& name,
                       const SubordinateRequest& request, Instant now) {
  if (!request.begins || store.restored() || !store.suspended(request.issuer)) return;
  workflow::Takeover begun;
  begun.issuer = request.issuer;
  begun.from = workflow::Takeover::From::a_lost_store;
  store.take_over(begun, "ca-begun", Json::object({{"provider", name}, {"issuer", begun.issuer}}), actor.name, now);
}

}  // namespace hsmbridge::service
