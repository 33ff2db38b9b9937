// What whoever approves or commands at this bridge is shown beside the bytes.
#include "service/approvals/local.h"
#include "support/orders.h"
#include "support/requests.h"
#include "support/software_signer.h"
#include "x509/objects/csr.h"
#include "x509/objects/spki.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

const Instant kStart = parse_rfc3339("2026-11-26T12:00:00Z");

// A CSR of a key in this process.
service::LocalQuestion asked_for(const std::string& subject) {
  SoftwareSigner key("ec:P-256");
  service::LocalQuestion question{order_of("A", kStart), {key_of_test(), draft_of_test(kStart)}};
  auto& content = wanted(question.order).content;
  content = content_for(subject);
  question.prepared.key.spki = x509::spki_hash(key.subject_public_key_info());
  question.prepared.draft.csr = x509::create_csr(key, content.content, x509::signature_algorithm("ecdsa-sha256"));
  question.prepared.draft.to_be_signed.clear();
  return question;
}

}  // namespace

TEST_CASE("letters that may look like others are marked for whoever approves or commands here") {
  const auto plain = service::shown_draft(asked_for("CN=www.example.com"), kStart);
  CHECK(plain.objections.empty());
  CHECK(plain.deviations.empty());
  CHECK(plain.title == "CSR for CN=www.example.com");
  const auto shown = service::shown_draft(asked_for("CN=www.p\xD0\xB0ypal.com"), kStart);
  CHECK(shown.objections.empty());
  CHECK(shown.deviations == std::vector<std::string>{"NOT ASCII, in CN: U+0430"});
  CHECK(shown.title == "CSR for CN=www.p\xD0\xB0ypal.com [NOT ASCII, in CN: U+0430]");
}

TEST_CASE("what the draft says of itself is shown to whoever commands it") {
  auto question = asked_for("CN=www.example.com");
  question.prepared.draft.summary = "certificate for CN=www.example.com; lint: w_something";
  CHECK(service::shown_draft(question, kStart).summary == question.prepared.draft.summary);
}

TEST_CASE("what somebody typed is quoted where the order is told") {
  auto question = asked_for("CN=www.example.com");
  question.prepared.key.label = R"(web"; goes to "elsewhere)";
  wanted(question.order).targets = {{"file:/a; given up at noon", "/a"}};
  wanted(question.order).key.accept = {"extractable"};
  const std::string told = service::shown_draft(question, kStart).order;
  const std::string wanted_begin =
      R"(key "web\"; goes to \"elsewhere" in token "web", made for it; )"
      R"(would be accepted of the key: "extractable"; valid for as long as its provider gives; )"
      R"(goes to "file:/a; given up at noon"; public key EC P-256, SHA-256 )";
  CHECK(told.substr(0, wanted_begin.size()) == wanted_begin);
}

TEST_CASE("what is sent beside a CSR is told member by member, and nothing in it reads as the next thing") {
  auto question = asked_for("CN=www.example.com");
  question.prepared.draft.provider_state =
      R"({"zone":"Prod\\Public","tags":["a; goes to \"b\""],"issued_at_once":true})";
  const auto shown = service::shown_draft(question, kStart);
  CHECK(shown.objections.empty());
  CHECK(shown.order.find(R"(; sent beside the CSR: "zone": "Prod\\Public", "tags": ["a; goes to \"b\""], )"
                         R"("issued_at_once": true)") != std::string::npos);
}

TEST_CASE("what a provider is asked for beside a CSR that somebody brought is shown to whoever approves it") {
  auto question = asked_for("CN=www.example.com");
  auto& wish = wanted(question.order);
  wish.key.source = workflow::KeyWish::Source::brought;
  wish.key.csr = question.prepared.draft.csr;
  CHECK(service::shown_draft(question, kStart).deviations ==
        std::vector<std::string>{"the CSR was made by somebody else and goes as it is"});
  wish.content.content.basic_constraints = x509::parse_basic_constraints("CA:TRUE");
  wish.content.content.key_usage = {{x509::KeyUsage::key_cert_sign}};
  wish.content.content.extended_key_usage = {x509::parse_extended_key_usage("codeSigning")};
  const auto shown = service::shown_draft(question, kStart);
  CHECK(shown.title == "CA CSR for CN=www.example.com");
  const auto says = [&](const std::string& part) {
    return std::any_of(shown.deviations.begin(), shown.deviations.end(), [&](const std::string& line) {
      return line.starts_with("requested beside the CSR: ") && line.find(part) != std::string::npos;
    });
  };
  CHECK(says("CA:TRUE"));
  CHECK(says("keyCertSign"));
  CHECK(says("codeSigning"));
  CHECK(shown.order.find("valid for as long as its provider gives") != std::string::npos);
}
