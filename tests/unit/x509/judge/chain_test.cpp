#include "x509/judge/chain.h"

#include "unit/x509/check_bench.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::Bench;
using hsmbridge::test::Names;
using hsmbridge::test::TestAuthority;

namespace {

// Without a key identifier of its issuer: then nothing but the signature tells two issuers of one name apart.
Certificate without_key_identifier(TestAuthority& issuer, const Bytes& spki, const Content& content) {
  CertificateFields fields = issuer.fields_for(content);
  fields.authority_key_identifier.reset();
  fields.spki = spki;
  return parse_certificate(issuer.sign(build_tbs_certificate(fields)));
}

}  // namespace

TEST_CASE("A chain is found whatever else a server sends along") {
  Bench bench;
  const Certificate leaf = bench.issue(bench.expected.content);
  TestAuthority stranger("CN=Stranger");
  const Certificate& root = bench.root.certificate();
  const Certificate& intermediate = bench.intermediate.certificate();
  const std::vector<Certificate> lists[] = {
      {intermediate, root},
      {root, intermediate},
      {intermediate, root, root, intermediate},
      {leaf, leaf, intermediate},
      {stranger.certificate(), intermediate, stranger.issue(bench.expected.spki, bench.expected.content)},
  };
  for (const auto& list : lists) {
    bench.expected.intermediates = list;
    const Answer answer = check_answer(leaf, bench.expected, bench.now);
    CHECK(answer.findings.empty());
    REQUIRE(answer.chain.size() == 3);
    CHECK(answer.chain[1].der == intermediate.der);
    CHECK(answer.chain[2].der == root.der);
  }
}

TEST_CASE("A CA with a new key under its old name is found by its signature, in whatever order the two come") {
  Bench bench;
  TestAuthority renewed("CN=Intermediate", bench.root);
  const Certificate leaf = without_key_identifier(renewed, bench.expected.spki, bench.expected.content);
  const Certificate& old = bench.intermediate.certificate();
  for (const std::vector<Certificate>& list : {std::vector{old, renewed.certificate()}, {renewed.certificate(), old}}) {
    bench.expected.intermediates = list;
    const Answer answer = check_answer(leaf, bench.expected, bench.now);
    CHECK(answer.findings.empty());
    REQUIRE(answer.chain.size() == 3);
    CHECK(answer.chain[1].der == renewed.certificate().der);
  }
  // With the old one alone there is no chain, and its key is not blamed for anything but that.
  bench.expected.intermediates = {old};
  CHECK(bench.findings(leaf) == Names{"signature-bad!", "chain-unanchored!"});
}

TEST_CASE("Of two anchors with one name the one that signed is taken") {
  Bench bench;
  TestAuthority renewed("CN=Root");
  const Certificate intermediate =
      without_key_identifier(renewed, bench.intermediate.signer().subject_public_key_info(),
                             TestAuthority::authority_content("CN=Intermediate"));
  const Certificate leaf = bench.issue(bench.expected.content);
  bench.expected.intermediates = {intermediate};
  const Certificate& old = bench.root.certificate();
  for (const std::vector<Certificate>& list : {std::vector{old, renewed.certificate()}, {renewed.certificate(), old}}) {
    bench.expected.anchors = list;
    const Answer answer = check_answer(leaf, bench.expected, bench.now);
    CHECK(answer.findings.empty());
    REQUIRE(answer.chain.size() == 3);
    CHECK(answer.chain[2].der == renewed.certificate().der);
  }
}

TEST_CASE("Of more intermediates than are looked at the rest is left out and that is said") {
  Bench bench;
  const Certificate leaf = bench.issue(bench.expected.content);
  TestAuthority stranger("CN=Stranger");
  bench.expected.intermediates.clear();
  for (std::size_t i = 0; i < 100; ++i) {
    bench.expected.intermediates.push_back(stranger.issue(bench.expected.spki, bench.expected.content));
  }
  bench.expected.intermediates.push_back(bench.intermediate.certificate());
  const Answer answer = check_answer(leaf, bench.expected, bench.now);
  REQUIRE(answer.find("chain-unanchored") != nullptr);
  CHECK(answer.find("chain-unanchored")->explanation.find("only the first 100 were looked at") != std::string::npos);
  // Copies of one certificate count once.
  bench.expected.intermediates.insert(bench.expected.intermediates.begin(), 200, leaf);
  bench.expected.intermediates.erase(bench.expected.intermediates.begin() + 250);
  bench.expected.intermediates.erase(bench.expected.intermediates.begin() + 250);
  CHECK(check_answer(leaf, bench.expected, bench.now).findings.empty());
}

TEST_CASE("Of many certificates with one name only so many signatures are checked, and that is said") {
  Bench bench;
  const Certificate leaf = bench.issue(bench.expected.content);
  TestAuthority impostor("CN=Intermediate");
  const auto copies = [&](std::size_t count) {
    bench.expected.intermediates.clear();
    for (std::size_t i = 0; i < count; ++i) {
      bench.expected.intermediates.push_back(
          impostor.issue(impostor.certificate().spki(), TestAuthority::authority_content("CN=Intermediate")));
    }
  };
  copies(40);
  CHECK(bench.findings(leaf) == Names{"signature-bad!", "chain-unanchored!"});
  copies(150);
  const Answer answer = check_answer(leaf, bench.expected, bench.now);
  REQUIRE(answer.findings.size() == 1);
  CHECK(answer.findings[0].name == "chain-unanchored");
  CHECK(answer.findings[0].explanation.find("after 100 signatures it was not looked further") != std::string::npos);
}

TEST_CASE("A chain that is found by its names costs no search") {
  Bench bench;
  SignatureBudget signatures;
  CHECK(build_chain(bench.issue(bench.expected.content), bench.expected.intermediates, bench.expected.anchors,
                    bench.now, signatures)
            .anchored);
  CHECK(signatures.left() == kMostSignatures);
}

TEST_CASE("Only so many authorities may lie between a certificate and its anchor") {
  Bench bench;
  const auto why = [&](std::size_t between) {
    std::vector<TestAuthority> path;
    path.reserve(between);
    bench.expected.intermediates.clear();
    for (std::size_t i = 0; i < between; ++i) {
      path.emplace_back("CN=Authority " + std::to_string(i), i == 0 ? bench.root : path.back());
      bench.expected.intermediates.push_back(path.back().certificate());
    }
    const Certificate leaf = path.back().issue(bench.expected.spki, bench.expected.content);
    const ChainResult result = build_chain(leaf, bench.expected.intermediates, bench.expected.anchors, bench.now);
    CHECK(result.anchored == result.why.empty());
    return result.why;
  };
  CHECK(why(kMostAuthorities).empty());
  CHECK(why(kMostAuthorities + 1).find("certificate chain too long") == 0);
}

TEST_CASE("An issuer passes on only the purposes it has") {
  Bench bench;
  const auto refused = [&](std::vector<Oid> may, const char* purpose) {
    Content content = TestAuthority::authority_content("CN=Narrow");
    content.extended_key_usage = std::move(may);
    return purposes_refused(bench.root.issue(bench.expected.spki, content), {parse_extended_key_usage(purpose)});
  };
  const Oid server = parse_extended_key_usage("serverAuth");
  CHECK(refused({server}, "clientAuth") == Names{"clientAuth"});
  CHECK(refused({server}, "serverAuth").empty());
  CHECK(refused({server}, "OCSPSigning").empty());
  CHECK(refused({parse_extended_key_usage("any")}, "clientAuth").empty());
  CHECK(refused({}, "clientAuth").empty());
}
