#include "flow.h"
#include "providers/odd_pem.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using test::Seeded;
using test::TlmFlow;

using Words = std::vector<std::string>;

TEST_CASE("a certificate is issued at once in every form the service may choose") {
  const auto words = GENERATE(as<Words>{}, Words{}, Words{"--certificates", "base64"}, Words{"--words", "other"},
                              Words{"--formats", "reversed"}, Words{"--formats", "without-root"},
                              Words{"--shape", "tutorial"}, Words{"--shape", "real"}, Words{"--errors", "object"});
  CAPTURE(words);
  TlmFlow flow(words);
  CHECK(flow.freeze() == Words{});
  const Report report = flow.submit();
  CHECK(report.status == RequestStatus::handed_out);
  REQUIRE(report.result);
  CHECK(flow.fatal_findings(*report.result) == Words{});
  CHECK(flow.rig.count("GET /mpki/api/v1/certificate/") == 1);
}

TEST_CASE("a delivery as PKCS#7 is read, with and without its chain") {
  const bool with_chain = GENERATE(false, true);
  const auto words = GENERATE(as<Words>{}, Words{}, Words{"--certificates", "base64"});
  TlmFlow flow(words, Seeded::pkcs7);
  flow.settings.include_ca_chain = with_chain;
  CHECK(flow.freeze() == Words{});
  const Report report = flow.submit();
  REQUIRE(report.result);
  const Issued issued = issued_by(flow.provider(), flow.call(), *report.result);
  CHECK(flow.fatal_findings(issued) == Words{});
  CHECK(issued.chain.size() == 2);
  CHECK(flow.rig.count("GET /mpki/api/v1/certificate/") == (with_chain ? 0 : 1));
}

TEST_CASE("a chain in the answer is read where the service puts it") {
  const auto words = GENERATE(as<Words>{}, Words{"--chain", "certificate"}, Words{"--chain", "ca_certs"});
  TlmFlow flow(words);
  flow.settings.include_ca_chain = true;
  flow.freeze();
  const Report report = flow.submit();
  REQUIRE(report.result);
  CHECK(flow.fatal_findings(*report.result) == Words{});
  CHECK(flow.rig.count("GET /mpki/api/v1/certificate/") == 0);
}

TEST_CASE("a certificate is found in whatever DigiCert puts around it") {
  TlmFlow flow;
  flow.freeze();
  const Report report = flow.submit();
  REQUIRE(report.result);
  const Issued issued = issued_by(flow.provider(), flow.call(), *report.result);
  REQUIRE(issued.chain.size() == 2);
  for (const auto& [name, text] : test::odd_bundles(issued.certificate, issued.chain)) {
    CAPTURE(name);
    Json body = Json::parse(as_text(report.result->raw));
    body.set("certificate", text);
    const Issued read =
        issued_by(flow.provider(), flow.call(), {IssuedCertificate{to_bytes(text)}, to_bytes(body.dump())});
    CHECK(read.certificate == issued.certificate);
    CHECK(flow.fatal_findings(read) == Words{});
  }
  // One CA certificate that cannot be read costs no other.
  Json body = Json::parse(as_text(report.result->raw));
  body.set("certificate", x509::certificate_to_pem(issued.certificate));
  body.set("ca_certs", Json::array({"bm90aGluZw==", x509::certificate_to_pem(issued.chain[0])}));
  CHECK(flow.fatal_findings(IssuedResult{IssuedCertificate{{}}, to_bytes(body.dump())}) == Words{});
}

TEST_CASE("a chain that is missing beside the certificate is the one that the profile shows") {
  TlmFlow flow({"--formats", "missing"});
  flow.freeze();
  const Report report = flow.submit();
  REQUIRE(report.result);
  const Issued issued = issued_by(flow.provider(), flow.call(), *report.result);
  CHECK(issued.chain.size() == 2);
  CHECK(flow.fatal_findings(issued) == Words{});
}

TEST_CASE(
    "where no chain is shown at all no anchor vouches for the certificate, and the configuration's chain mends it") {
  TlmFlow flow({"--formats", "none"});
  flow.freeze();
  const Report report = flow.submit();
  REQUIRE(report.result);
  const Issued issued = issued_by(flow.provider(), flow.call(), *report.result);
  CHECK(issued.chain.empty());
  CHECK(flow.fatal_findings(issued).size() == 1);
  flow.settings.chain = flow.rig.dir() + "/digicert-ca/issuing.pem";
  flow.made.reset();
  CHECK(flow.fatal_findings(*report.result) == Words{});
}

TEST_CASE("serial numbers keep their leading zeros and name the certificate") {
  TlmFlow flow;
  std::size_t zeros = 0;
  for (int i = 0; i < 4; ++i) {
    flow.freeze();
    const Report report = flow.submit();
    const std::string serial = pinned_from(report.provider_state).serial;
    CHECK(serial.size() == 40);
    zeros += serial[0] == '0' ? 1 : 0;
    flow.submission.reference = ProviderReference("serial:" + serial);
    CHECK(flow.poll().status == RequestStatus::handed_out);
  }
  CHECK(zeros == 2);
}

TEST_CASE("unusable profiles are refused or waited for before anything is sent") {
  struct Row {
    Seeded profile;
    const char* part;
  };
  const Row rows[] = {{Seeded::deleted, "its status is Deleted"},
                      {Seeded::scep, "enrollment method is scep"},
                      {Seeded::rsa_3072, "the key is ec:P-256, the profile allows rsa:3072"},
                      {Seeded::user, "user_principal_names"}};
  TlmFlow flow;
  for (const Row& row : rows) {
    CAPTURE(row.part);
    flow.use(row.profile);
    const Words problems = [&]() -> Words {
      try {
        return flow.freeze();
      } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::unavailable);  // somebody may make it active
        return {error.message()};
      }
    }();
    REQUIRE_FALSE(problems.empty());
    CHECK(std::any_of(problems.begin(), problems.end(),
                      [&](const std::string& one) { return one.find(row.part) != std::string::npos; }));
    // And the service refuses them too, completely, in whichever form they are sent.
    CHECK(std::holds_alternative<RefusedForGood>(flow.attempts()));
  }
  flow.use(Seeded::other_token);
  CHECK_THROWS_WITH(flow.freeze(), Catch::Contains("Not enough permissions"));
}

TEST_CASE("a request that fits a strict profile gets what it asked") {
  TlmFlow flow({}, Seeded::user);
  flow.ask = {};
  flow.ask.content.subject = x509::Name::parse("CN=Anna, C=CH, O=Example AG");
  flow.ask.content.subject_alternative_names = {x509::GeneralName::parse("upn:anna@example.com")};
  CHECK(flow.freeze() == Words{});
  const Report report = flow.submit();
  REQUIRE(report.result);
  CHECK(flow.fatal_findings(*report.result) == Words{});
}

TEST_CASE("a duplicate is refused and is the CA's no") {
  TlmFlow flow({}, Seeded::no_duplicates);
  flow.freeze();
  CHECK(flow.submit().status == RequestStatus::handed_out);
  const SubmitAnswer again = flow.provider().submit(flow.call());
  CHECK(std::get<RefusedForGood>(again).error.kind() == ErrorKind::refused);
}

TEST_CASE("the catalogue reads every page and marks what can be used") {
  TlmFlow flow({"--more-profiles", "30"});
  const auto entries = flow.provider().profiles(20s);
  CHECK(entries.size() == 44);
  CHECK(flow.rig.count("GET /mpki/api/v2/profile?") == 3);
  CHECK(std::count_if(entries.begin(), entries.end(), [](const auto& one) { return one.obstacles.empty(); }) == 11);
}

TEST_CASE("a provider test tells the user, the roles and the profile") {
  TlmFlow flow;
  CHECK(flow.provider().test() == Words{"Hello from DigiCert ONE - Trust Lifecycle Manager REST API!",
                                        "we are hsmbridge service user; roles: EM_EPKI_USER_&_CERT_MANAGER",
                                        "profile \"Server, at once\" is active and issues at once"});
  flow.use(Seeded::deleted);
  CHECK_THROWS_WITH(flow.provider().test(), Catch::Contains("cannot be used"));
}

TEST_CASE("a wrong API key is told in one sentence, in both forms of the answer") {
  const auto words = GENERATE(as<Words>{}, Words{"--wrong-key", "text"}, Words{"--wrong-key", "json"});
  TlmFlow flow(words);
  flow.options.get = [] { return Secret("wrong"); };
  try {
    flow.freeze();
    FAIL("it passed");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::denied);
    CHECK(error.message().find("does not accept our credentials") != std::string::npos);
  }
  CHECK(flow.posts() == 0);
}

TEST_CASE("a server that demands a client certificate needs no API key") {
  const test::TempFolder folder;
  const std::string dir = folder.path().string();
  REQUIRE(std::system(("cd " + dir +
                       " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out "
                       "ca.pem -subj /CN=clients -days 30 >/dev/null 2>&1"
                       " && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout me.key -out me.csr "
                       "-subj /CN=me >/dev/null 2>&1"
                       " && openssl x509 -req -in me.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out me.pem "
                       ">/dev/null 2>&1 && chmod 600 me.key")
                          .c_str()) == 0);
  TlmFlow flow({"--client-ca", dir + "/ca.pem"});
  flow.options.get = {};
  CHECK_THROWS_AS(flow.freeze(), Error);
  flow.settings.client_cert = dir + "/me.pem";
  flow.settings.client_key_file = dir + "/me.key";
  flow.made.reset();
  CHECK(flow.freeze() == Words{});
  CHECK(flow.submit().status == RequestStatus::handed_out);
}
