// CRLs in shards: each revocation on the one that its certificate names, whatever the configuration says by then.
#include "ca/issue.h"
#include "own_ca.h"
#include "providers/local/crl_place.h"
#include "workflow/machine/order.h"
#include "workflow/ports/crl_place_fault.h"
#include "x509/content/extensions.h"

#include <algorithm>
#include <set>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

struct Sharded : Ca {
  SoftwareSigner leaf{"ec:P-256"};
  Order order;

  Sharded() {
    settings.crl->file.clear();
    ca::Profile profile;
    profile.name = "server";
    profile.key_usage = x509::KeyUsages{x509::KeyUsage::digital_signature};
    profile.extended_key_usage = {x509::parse_extended_key_usage("serverAuth")};
    settings.profiles = {{profile, {"server"}}};
    shard();
  }
  // A certificate as the CA issues it.
  x509::Certificate issue(const std::string& id) {
    order = {};
    order.id = RequestId{id};
    order.provider = "root";
    order.profile = "server";
    x509::RequestedContent content;
    content.content.subject = x509::Name::parse("CN=www.example.com");
    content.content.subject_alternative_names = {x509::GeneralName::parse("dns:www.example.com")};
    order.what = Enroll{"web", {}, content, {}};
    Draft draft;
    draft.csr = x509::create_csr(leaf, content.content, x509::signature_algorithm("ecdsa-sha256"));
    const ProviderDraft added = provider->draft(order, draft.csr, clock.now());
    draft.to_be_signed = added.to_be_signed;
    draft.algorithm = added.algorithm;
    draft.issuer = added.issuer;
    draft.provider_state = added.provider_state;
    draft.built_at = clock.now();
    of_leaf.spki = x509::spki_hash(leaf.subject_public_key_info());
    const ProviderCall call{order, of_leaf, draft, 1, nullptr, clock.now(), 1min, clock.since_boot() + 1min};
    const auto answer = provider->submit(call);
    REQUIRE(std::holds_alternative<Accepted>(answer));
    return x509::parse_certificate(
        provider->certificate_in(call, *std::get<Accepted>(answer).report.result).certificate);
  }
  static std::string url_in(const x509::Certificate& certificate) {
    for (const auto& extension : certificate.tbs.extensions) {
      if (extension.oid != x509::oids::kCrlDistributionPoints) continue;
      const auto urls = x509::crl_urls(extension.value);
      REQUIRE(urls.size() == 1);
      return urls.front();
    }
    return "";
  }
  void revoke_certificate(const x509::Certificate& certificate, const std::string& id) {
    Order revocation;
    revocation.id = RequestId{id};
    revocation.provider = "root";
    Revoke what;
    what.predecessor.der = certificate.der;
    what.reason = "superseded";
    revocation.what = what;
    const Draft none;
    const Key no_key;
    const auto answer =
        provider->submit({revocation, no_key, none, 1, nullptr, clock.now(), 1min, clock.since_boot() + 1min});
    REQUIRE(std::holds_alternative<Accepted>(answer));
  }
  void publish_all() {
    for (const CrlPlace& place : provider->crl_places()) provider->publish_crl(place.shard, clock.now());
  }
  std::set<std::string> revoked_on(const std::string& url) {
    std::set<std::string> serials;
    for (const CrlPlace& place : provider->crl_places()) {
      if (place.url != url) continue;
      const auto list = x509::parse_crl(read_file(place.file)).tbs;
      REQUIRE(list.issuing_distribution_point);
      CHECK(list.issuing_distribution_point->is_critical);
      CHECK(list.issuing_distribution_point->urls == std::vector<std::string>{url});
      for (const auto& one : list.revoked) serials.insert(x509::serial_text(one.serial));
    }
    return serials;
  }
  std::string refusal_of(const std::string& shard) {
    try {
      provider->publish_crl(shard, clock.now());
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::conflict);
      return error.message();
    }
    return "";
  }
  Key of_leaf;
};

}  // namespace

TEST_CASE_METHOD(Sharded, "a revocation is on the shard that the certificate names, and on no other") {
  std::map<std::string, std::string> shard_of;  // by serial number
  for (int i = 0; i < 24; ++i) {
    const auto certificate = issue("REQUEST-" + std::to_string(i));
    shard_of[x509::serial_text(certificate.serial())] = url_in(certificate);
    revoke_certificate(certificate, "REVOKE-" + std::to_string(i));
  }
  publish_all();
  std::set<std::string> used;
  for (const CrlPlace& place : provider->crl_places()) {
    for (const std::string& serial : revoked_on(place.url)) {
      CHECK(shard_of.at(serial) == place.url);
      shard_of.erase(serial);
      used.insert(place.url);
    }
  }
  CHECK(shard_of.empty());
  CHECK(used.size() > 1);
  std::set<std::uint64_t> numbers;
  for (const auto& crl : provider->crl_standing().crls) numbers.insert(crl.last->number);
  CHECK(numbers == std::set<std::uint64_t>{1, 2, 3, 4});
}

TEST_CASE_METHOD(Sharded,
                 "after the number of shards was changed a revocation is on the one that the certificate names") {
  std::vector<x509::Certificate> old;
  for (int i = 0; i < 8; ++i) old.push_back(issue("REQUEST-" + std::to_string(i)));
  publish_all();
  shard(16);
  for (const auto& one : old) revoke_certificate(one, "REVOKE-" + x509::serial_text(one.serial()));
  publish_all();
  for (const auto& one : old) CHECK(revoked_on(url_in(one)).count(x509::serial_text(one.serial())) == 1);
}

TEST_CASE_METHOD(Sharded, "a shard that certificates name is published until the last of them has ended") {
  std::set<std::string> named;
  for (int i = 0; i < 16; ++i) named.insert(url_in(issue("REQUEST-" + std::to_string(i))));
  REQUIRE(named.count(url_of(3)) == 1);
  shard(2);
  const std::string refused = refusal_of("0");
  CHECK(refused.find("certificates that have not ended name the CRL http://ca.example.com/shard-") == 0);
  CHECK(provider->crl_standing().crls.at(0).due == refused);
  CHECK(signatures == 16);
  clock.advance(24h * 95);
  CHECK_NOTHROW(publish_all());
}

TEST_CASE_METHOD(Sharded, "the complete CRL is published for good once it was, and has everything") {
  const auto certificate = issue("REQUEST");
  revoke_certificate(certificate, "REVOKE");
  settings.crl->file = folder / "root.crl";
  make();
  revoke("4000");  // of a certificate that names no shard
  publish_all();
  const auto complete = x509::parse_crl(read_file(settings.crl->file)).tbs;
  CHECK(complete.revoked.size() == 2);
  CHECK_FALSE(complete.issuing_distribution_point);
  CHECK(revoked_on(url_in(certificate)) == std::set<std::string>{x509::serial_text(certificate.serial())});
  settings.crl->file.clear();
  make();
  CHECK(refusal_of("0") ==
        "certificates that have not ended name no shard, and `crl` of the configuration publishes shards alone");
  clock.advance(24h * 95);
  CHECK(refusal_of("0").find("a complete CRL was published before (number 1, until ") == 0);
}

TEST_CASE_METHOD(Sharded, "shards alone do not follow certificates that name none, though no CRL was published yet") {
  settings.crl->shards.clear();
  settings.crl->file = folder / "root.crl";
  make();
  const auto certificate = issue("REQUEST");
  CHECK(url_in(certificate).empty());
  settings.crl->file.clear();
  shard();
  const std::string why =
      "certificates that have not ended name no shard, and `crl` of the configuration publishes shards alone";
  CHECK(refusal_of("0") == why);
  CHECK(provider->crl_standing().crls.at(0).due == why);
  CHECK(store.take_crl_number(issuer, 0, clock.now()) == 1);
  SECTION("until they have ended") {
    clock.advance(24h * 95);
    CHECK_NOTHROW(publish_all());
  }
  SECTION("unless the complete CRL is published beside them") {
    settings.crl->file = folder / "root.crl";
    make();
    revoke_certificate(certificate, "REVOKE");
    publish_all();
    CHECK(x509::parse_crl(read_file(settings.crl->file)).tbs.revoked.size() == 1);
  }
}

TEST_CASE_METHOD(Sharded, "a revocation of which nobody knows the shard is on each of them") {
  store.revoke({issuer, "4000", 4, std::chrono::floor<std::chrono::seconds>(clock.now()), clock.now() + 24h * 90, "",
                kEveryShard});
  publish_all();
  for (const CrlPlace& place : provider->crl_places()) CHECK(revoked_on(place.url) == std::set<std::string>{"4000"});
}

TEST_CASE_METHOD(Sharded, "a shard is not put in the place of another one") {
  publish_all();
  const auto places = provider->crl_places();
  const Bytes other = read_file(places[1].file);
  write_file(places[0].file, other, FileMode::public_0644, Existing::replace);
  CHECK(refusal_of("0").find("holds the CRL of " + url_of(1) + ", and not that of " + url_of(0)) != std::string::npos);
  CHECK(read_file(places[0].file) == other);
}

TEST_CASE_METHOD(Sharded, "the schedule publishes the shards that are due, and one that fails holds up no other") {
  auto rounds = schedule();
  rounds.round();
  CHECK(signatures == 0);  // the first one is a person's
  publish_all();
  const auto first = issue("REQUEST");
  revoke_certificate(first, "REVOKE");
  signatures = 0;
  rounds.round();
  CHECK(signatures == 1);
  REQUIRE(leaves.size() == 1);
  CHECK(leaves[0].find(url_in(first)) != std::string::npos);
  clock.advance(24h);
  write_file(provider->crl_places()[0].file, as_bytes("something else"), FileMode::public_0644, Existing::replace);
  rounds.round();
  CHECK(signatures == 4);
  rounds.round();
  CHECK(signatures == 4);
}

TEST_CASE_METHOD(Sharded, "what is wrong with the place of one shard, or held there, holds up no other") {
  publish_all();
  signatures = 0;
  clock.advance(24h);
  const local::PublishingTurn turn(provider->crl_places()[0].file);
  auto rounds = schedule();
  rounds.round();
  CHECK(signatures == 3);
  try {
    provider->publish_crl("0", clock.now());
    FAIL("it was published");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK_FALSE(stops_every_crl(error));
  }
  CHECK(stops_every_crl(Error{ErrorKind::unavailable, "what is wrong with the key"}));
}

TEST_CASE_METHOD(Sharded, "no entry leaves a shard because the store has its revocation on another") {
  const auto certificate = issue("REQUEST");
  const auto serial = x509::serial_text(certificate.serial());
  publish_all();
  const auto places = provider->crl_places();
  const auto named = std::find_if(places.begin(), places.end(),
                                  [&](const CrlPlace& place) { return place.url == url_in(certificate); });
  REQUIRE(named != places.end());
  const auto& other = places[named == places.begin() ? 1 : 0];
  // As this CA published it, before its store was restored and told another shard.
  const auto root = x509::parse_certificate(anchor);
  const auto& algorithm = ca::issuing_algorithm("", root);
  ca::CrlFields fields{store.last_crl(issuer, named->url)->number, clock.now(), clock.now() + 24h, {}};
  fields.entries.push_back({certificate.serial(), clock.now(), 4});
  fields.distribution_point = named->url;
  const Bytes published =
      ca::signed_crl(ca::crl_to_be_signed(fields, root, algorithm), root, key, algorithm, clock.now());
  write_file(named->file, published, FileMode::public_0644, Existing::replace);
  store.revoke({issuer, serial, 4, clock.now(), clock.now() + 24h * 90, "", other.url});

  CHECK(refusal_of(named->shard).find("the next one there would not: the store has it on " + other.url) !=
        std::string::npos);
  CHECK(read_file(named->file) == published);
  CHECK(refusal_of(other.shard).empty());
}

TEST_CASE_METHOD(Sharded, "a CRL of the future is one that nobody has") {
  publish_all();
  CHECK_FALSE(provider->crl_standing().crls.at(0).overdue);
  CHECK_FALSE(is_crl_overdue(provider->crl_standing().crls.at(0).last, clock.now() - 5min));
  CHECK(is_crl_overdue(provider->crl_standing().crls.at(0).last, clock.now() - 6min));
  CHECK(is_crl_overdue(std::nullopt, clock.now()));
}
