// The schedule of a CA's CRLs, and what keeps a CA from signing.
#include "own_ca.h"

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

TEST_CASE_METHOD(Ca, "a CRL is due a day after the last one and after a revocation, and the first one is a person's") {
  CHECK(due() == "none was published yet");
  provider->publish_crl("", clock.now());
  CHECK(due().empty());
  clock.advance(24h - 1s);
  CHECK(due().empty());
  revoke("4000");
  CHECK(due() == "what was revoked since the last one: 1");
  provider->publish_crl("", clock.now());
  CHECK(due().empty());
  // Of the very second of a CRL: what is on it is not due, what is not is.
  revoke("4001");
  CHECK(due() == "what was revoked since the last one: 1");
  provider->publish_crl("", clock.now());
  CHECK(due().empty());
  clock.advance(24h);
  CHECK(due().find("the last one is of ") == 0);
  // By hand it is after half of its life.
  settings.crl->every.reset();
  make();
  CHECK(due().empty());
  clock.advance(24h);
  CHECK(due().find("the last one is of ") == 0);
}

TEST_CASE_METHOD(Ca, "the schedule publishes what is due, once, and writes it down") {
  auto rounds = schedule();
  rounds.round();
  CHECK(signatures == 0);
  provider->publish_crl("", clock.now());
  revoke("4000");
  rounds.round();
  rounds.round();
  CHECK(signatures == 2);
  REQUIRE(leaves.size() == 1);
  CHECK(leaves[0].find("crl-published") == 0);
  CHECK(leaves[0].find(R"("crl_number":2)") != std::string::npos);
  clock.advance(24h);
  rounds.round();
  CHECK(store.last_crl(issuer, "")->number == 3);
}

TEST_CASE_METHOD(Ca, "a CRL that cannot be signed is tried again later and later") {
  provider->publish_crl("", clock.now());
  revoke("4000");
  fails = true;
  auto rounds = schedule();
  rounds.round();
  fails = false;
  clock.advance(59s);
  rounds.round();
  CHECK(signatures == 1);
  clock.advance(1s);
  rounds.round();
  CHECK(signatures == 2);
  CHECK(leaves.size() == 1);
}

TEST_CASE_METHOD(Ca, "a CA of which a restored store does not know everything signs nothing") {
  provider->publish_crl("", clock.now());
  suspended = "the store was an older copy of itself";
  const auto view = provider->view();
  REQUIRE(view.obstacles.size() == 1);
  CHECK(view.obstacles[0].find("the store was an older copy of itself") != std::string::npos);
  CHECK(view.obstacles[0].find("hsmbridge ca resume root") != std::string::npos);
  CHECK_THROWS_WITH(provider->publish_crl("", clock.now()), Catch::Contains("signs nothing"));
  CHECK(signatures == 1);
  CHECK(store.last_crl(issuer, "")->number == 1);
}

TEST_CASE_METHOD(Ca, "a CA of operator_command signs no draft that was ordered without one") {
  settings.operator_command = true;
  ca::Profile profile;
  profile.name = "server";
  profile.key_usage = x509::KeyUsages{x509::KeyUsage::digital_signature};
  profile.extended_key_usage = {x509::parse_extended_key_usage("serverAuth")};
  settings.profiles = {{profile, {"server"}}};
  make();
  SoftwareSigner leaf{"ec:P-256"};
  Order order;
  order.id = RequestId{"REQUEST"};
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
  Key of_leaf;
  of_leaf.spki = x509::spki_hash(leaf.subject_public_key_info());
  const auto objections = [&] {
    return provider->check({order, of_leaf, draft, 1, nullptr, clock.now(), 1min, clock.since_boot() + 1min});
  };
  REQUIRE(objections().size() == 1);
  CHECK(objections()[0].find("signs on an operator's command alone") != std::string::npos);
  order.wants_command = true;
  CHECK(objections().empty());
}
