#include "provider_bench.h"

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

TEST_CASE("nothing is imported over the CA's certificate or to another key") {
  TsbBench bench;
  bench.settings.import_label = "{key}-key";
  bench.token_key.label = "ca";
  CHECK_THROWS_WITH(bench.provider().confirm(bench.call(), {bench.ca.certificate.der, {}}),
                    Catch::Contains("own certificate it would overwrite"));
  CHECK(bench.transport->sent.empty());

  TsbBench authority;
  authority.settings.import_label = "issuing-2026";
  authority.settings.keys_of_cas = {"issuing-2026"};
  CHECK_THROWS_WITH(authority.provider().confirm(authority.call(), {authority.ca.certificate.der, {}}),
                    Catch::Contains("issuing-2026 is a CA's key at provider tsb, whose own certificate"));
  CHECK(authority.transport->sent.empty());

  TsbBench other;
  other.settings.import_label = "sub";
  other.options.api_keys[Role::key_management].push_back({[] { return Secret("km"); }});
  const auto key = [&](const Bytes& spki) {
    other.transport->then(200, R"({"json":{"label":"sub","publicKey":")" + base64(spki) + R"(","policy":null}})");
  };
  key(other.key.subject_public_key_info());
  CHECK_THROWS_WITH(other.provider().confirm(other.call(), {other.ca.certificate.der, {}}),
                    Catch::Contains("is another one than the certificate's"));
  CHECK(other.transport->lines() == std::vector<std::string>{"POST /v1/key/attributes"});
  key(other.ca.certificate.spki());
  other.transport->then(tsb_refusal(400, 402)).then(200, R"({"label":"sub"})");
  CHECK_NOTHROW(other.provider().confirm(other.call(), {other.ca.certificate.der, {}}));
  // Whose attributes may not be read (another password) is imported all the same.
  other.transport->then(tsb_refusal(400, 620)).then(tsb_refusal(400, 402)).then(200, R"({"label":"sub"})");
  CHECK_NOTHROW(other.provider().confirm(other.call(), {other.ca.certificate.der, {}}));
}

TEST_CASE("the certificate is imported to the key that the label names") {
  TsbBench bench;
  bench.settings.import_label = "sub-{key}";
  bench.transport->then(tsb_refusal(400, 402))
      .then(200, Json::object({{"label", "sub-web"}, {"certificate", base64(bench.ca.certificate.der)}}).dump());
  bench.provider().confirm(bench.call(), {bench.ca.certificate.der, {}});
  CHECK(bench.transport->lines() ==
        std::vector<std::string>{"GET /v1/certificate/sub-web", "POST /v1/certificate/import/plain"});
  CHECK(sent_json(bench, 1).at("label").as_string() == "sub-web");
  CHECK(from_base64(sent_json(bench, 1).at("certificate").as_string()) == bench.ca.certificate.der);

  TsbBench without;
  CHECK_THROWS_AS(without.provider().confirm(without.call(), {without.ca.certificate.der, {}}), Error);
}

TEST_CASE("an import that is tried again never overwrites a newer certificate") {
  TsbBench bench;
  bench.settings.import_label = "sub";
  const auto beginning = [&](const std::string& from) {
    x509::CertificateFields fields = x509::fields_for_issuer(bench.ca.certificate);
    fields.serial = x509::random_serial();
    fields.validity = {parse_rfc3339(from), parse_rfc3339("2030-01-01T00:00:00Z")};
    fields.spki = bench.key.subject_public_key_info();
    fields.content.subject = x509::Name::parse("CN=sub");
    fields.algorithm = &x509::signature_algorithm("ecdsa-sha256");
    const Bytes tbs = x509::build_tbs_certificate(fields);
    return x509::parse_certificate(x509::assemble(tbs, *fields.algorithm, bench.ca.sign(tbs, "ecdsa-sha256")));
  };
  const x509::Certificate older = beginning("2026-05-01T00:00:00Z");
  const x509::Certificate ours = beginning("2026-06-01T00:00:00Z");
  const x509::Certificate newer = beginning("2026-06-01T00:00:01Z");
  const auto confirm = [&] { bench.provider().confirm(bench.call(), {ours.der, {}}); };
  const auto kind = [&] {
    try {
      confirm();
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::internal;
  };

  // An older one is replaced; the answer is lost.
  bench.attached(older);
  bench.transport->then(net::OutcomeUnknown{"cut"});
  CHECK(kind() == ErrorKind::unavailable);
  // It had arrived: done.
  bench.attached(ours);
  CHECK_NOTHROW(confirm());
  // Somebody attached a newer one meanwhile.
  bench.attached(newer);
  CHECK_THROWS_WITH(confirm(), Catch::Contains("has a newer one (valid from 2026-06-01T00:00:01Z"));
  bench.attached(newer);
  CHECK(kind() == ErrorKind::conflict);
  // Who cannot look does not import.
  bench.transport->then(502, "<html>", "text/html");
  CHECK(kind() == ErrorKind::unavailable);
  bench.transport->then(tsb_refusal(401, 631));
  CHECK(kind() == ErrorKind::denied);
  const std::string get = "GET /v1/certificate/sub";
  CHECK(bench.transport->lines() ==
        std::vector<std::string>{get, "POST /v1/certificate/import/plain", get, get, get, get, get});
}
