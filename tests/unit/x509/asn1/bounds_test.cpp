#include "x509/asn1/bounds.h"

#include "unit/x509/check_bench.h"
#include "unit/x509/error_of.h"
#include "unit/x509/other_program.h"
#include "x509/asn1/der.h"
#include "x509/content/extensions.h"
#include "x509/judge/finding_collector.h"
#include "x509/objects/csr.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::Bench;
using hsmbridge::test::contains;
using hsmbridge::test::Names;
using hsmbridge::test::refusal;

namespace {

// A certificate with that many alternative names, each of them `name`. Its signature is nobody's.
Bytes with_names(const Bench& bench, std::size_t count, ByteView name) {
  Bytes names;
  names.reserve(count * name.size());
  for (std::size_t i = 0; i < count; ++i) der::append(names, name);
  Content content;
  content.subject = bench.expected.content.subject;
  content.other_extensions = {{oids::kSubjectAltName, false, der::element(der::kSequence, names)}};
  CertificateFields fields = bench.intermediate.fields_for(content);
  fields.spki = bench.expected.spki;
  return assemble(build_tbs_certificate(fields), *fields.algorithm, Bytes(70, 1));
}

long resident_kib() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

}  // namespace

TEST_CASE("A certificate with 1.4 million names is refused at once and takes no memory") {
  const Bench bench;
  const Bytes der = with_names(bench, 1'400'000, from_hex("8200"));
  REQUIRE(der.size() > 2'800'000);
  const long before = resident_kib();
  const auto begin = std::chrono::steady_clock::now();
  CHECK(refusal([&] { parse_certificate(der); }) ==
        "certificate: it has " + std::to_string(der.size()) + " octets; at most 65536 are read");
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(100));
  CHECK(resident_kib() - before < 1024);
}

TEST_CASE("A certificate with more than a thousand names is refused") {
  const Bench bench;
  CHECK(
      parse_certificate(with_names(bench, kMostNames, from_hex("820161"))).content().subject_alternative_names.size() ==
      kMostNames);
  CHECK(contains(refusal([&] { parse_certificate(with_names(bench, kMostNames + 1, from_hex("820161"))); }),
                 "more than 1000 names, which are not read"));
}

TEST_CASE("A thousand names against a thousand others are one finding in one short line") {
  Bench bench;
  const auto names = [](const std::string& domain) {
    std::vector<GeneralName> list;
    for (std::size_t i = 0; i < kMostNames; ++i) {
      list.push_back(GeneralName::parse("dns:h" + std::to_string(i) + domain));
    }
    return list;
  };
  bench.expected.content.subject_alternative_names = names(".example.com");
  Content given = bench.expected.content;
  given.subject_alternative_names = names(".example.net");
  const Certificate certificate = bench.issue(given);
  const auto begin = std::chrono::steady_clock::now();
  const Answer answer = check_answer(certificate, bench.expected, bench.now);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
  REQUIRE(answer.findings.size() == 2);
  CHECK(answer.findings[1].name == "san-unrequested");
  CHECK(contains(answer.findings[1].explanation, "not asked, found dns:h0.example.net, dns:h1.example.net"));
  CHECK(contains(answer.findings[1].explanation, " and 990 more"));
}

TEST_CASE("A finding that is noted again and again stays one and short") {
  FindingCollector judge({});
  for (int i = 0; i < 100'000; ++i) judge.note("extension-added", "not asked, found 1.2.3." + std::to_string(i));
  judge.note("san-unrequested", std::string(5000, 'x'));
  const auto findings = judge.take();
  REQUIRE(findings.size() == 2);
  CHECK(findings[0].name == "san-unrequested");
  CHECK(findings[0].explanation.size() < kMostExplanation + 10);
  CHECK(contains(findings[1].explanation, "not asked, found 1.2.3.0; not asked, found 1.2.3.1; "));
  CHECK(findings[1].explanation.size() < kMostExplanation + 30);
  CHECK(contains(findings[1].explanation, " more"));
}

TEST_CASE("Fewer kinds of findings can come together than are kept") {
  std::size_t together = 0;
  // Of a field either "-missing" or "-changed" is noted, and of each of the others the first that fits.
  for (const FindingKind& kind : finding_kinds()) {
    if (!contains(std::string(kind.name), "-missing")) ++together;
  }
  CHECK(together <= kMostFindings);
}

TEST_CASE("A text is cut between characters") {
  CHECK(bounded("abc", 3) == "abc");
  CHECK(bounded("abcd", 3) == "abc…");
  CHECK(bounded("aü", 2) == "a…");
  CHECK(listed({"a", "b"}) == "a, b");
  CHECK(listed(std::vector<std::string>(12, "a")) == "a, a, a, a, a, a, a, a, a, a and 2 more");
}

TEST_CASE("A certificate request that is too long is refused") {
  CHECK(refusal([] { parse_csr(Bytes(kMostCertificate + 1, 0x30)); }) ==
        "certificate request: it has 65537 octets; at most 65536 are read");
}
