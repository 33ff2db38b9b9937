#include "service.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>
#include <string>

namespace hsmbridge::test {
namespace {

using Words = std::vector<std::string>;

CliResult enroll(const Service& service, const std::string& label, const Words& more = {"--wait", "--timeout", "30s"}) {
  Words words = service.names();
  words.insert(words.begin(), {"enroll", "--new-key", label});
  words.insert(words.end(), more.begin(), more.end());
  return service.cli().run(words);
}

std::string id_in(const CliResult& result) {
  INFO(result.out << result.err);
  REQUIRE(result.out.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ") == 16);
  return result.out.substr(0, 16);
}

std::string state_of(const Service& service, const std::string& id) {
  return service.cli().run({"--json", "request", "show", id}).json().at("state").as_string();
}

CliResult wait(const Service& service, const std::string& id, const std::string& time = "30s") {
  return service.cli().run({"request", "wait", id, "--timeout", time});
}

// A paragraph as it is read: one space between words.
std::string unwrapped(const std::string& text) {
  std::istringstream words(text);
  std::string result;
  for (std::string word; words >> word;) result += (result.empty() ? "" : " ") + word;
  return result;
}

void fault(const Service& service, const std::string& kind, const Words& where, const Words& more = {}) {
  Words words{"fault", "--kind", kind};
  words.insert(words.end(), where.begin(), where.end());
  words.insert(words.end(), more.begin(), more.end());
  service.rig(words);
}

// What another program finds in the token beside the key.
unsigned certificates_in_token(const Service& service) {
  const auto listed = service.cli().pkcs11_tool("web", {"--list-objects", "--type", "cert"});
  REQUIRE(listed.status == 0);
  unsigned found = 0;
  for (auto at = listed.out.find("Certificate Object"); at != std::string::npos;
       at = listed.out.find("Certificate Object", at + 1)) {
    ++found;
  }
  return found;
}

Json certificates(const Service& service) {
  return service.cli().run({"--json", "cert", "list", "--all"}).json().at("certificates");
}

bool declares(const Service& service, const std::string& capability) {
  const auto shown = service.cli().run({"--json", "provider", "show", service.provider()});
  INFO(shown.err);
  REQUIRE(shown.status == 0);
  return shown.json().at("capabilities").at(capability).as_bool();
}

}  // namespace

TEMPLATE_TEST_CASE("at every provider: what needs nobody is a certificate beside its key at once", "", Securosys,
                   SecurosysCertificate, Digicert, Venafi) {
  const auto service = TestType::make(Approval::none);
  const auto done = enroll(
      *service, "a",
      {"--install", "token", "--install", "file:" + (service->cli() / "a.pem").string(), "--wait", "--timeout", "30s"});
  INFO(done.out << done.err);
  REQUIRE(done.status == 0);
  CHECK(state_of(*service, id_in(done)) == "Completed");
  CHECK(service->orders() == 1);
  CHECK(certificates_in_token(*service) == 1);
  CHECK(service->cli().other({"openssl", "verify", "-CAfile", service->root(), "-untrusted", "a.pem", "a.pem"}).out ==
        "a.pem: OK\n");
  const auto of_key = service->cli().run({"key", "public", "--token", "web", "a"});
  const auto of_certificate = service->cli().other({"openssl", "x509", "-in", "a.pem", "-noout", "-pubkey"});
  CHECK(of_key.out == of_certificate.out);
}

TEMPLATE_TEST_CASE("at every provider: approvals are waited for and told, and bring the certificate", "", Securosys,
                   SecurosysCertificate, Digicert, Venafi) {
  const auto service = TestType::make(Approval::two_people);
  const auto asked = enroll(*service, "a", {});
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  const auto id = id_in(asked);
  CHECK(wait(*service, id, "1s").status == 3);
  CHECK(state_of(*service, id) == "AwaitingApproval");
  CHECK(service->cli().run({"request", "explain", id}).out.find("approv") != std::string::npos);
  CHECK(certificates_in_token(*service) == 0);
  service->approve(id);
  const auto done = wait(*service, id);
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(state_of(*service, id) == "Completed");
  CHECK(service->orders() == 1);
  CHECK(certificates_in_token(*service) == 1);
}

TEMPLATE_TEST_CASE("at every provider: a rejection ends the request at once, with exit code 4", "", Securosys,
                   SecurosysCertificate, Digicert, Venafi) {
  const auto service = TestType::make(Approval::two_people);
  const auto id = id_in(enroll(*service, "a", {}));
  service->reject(id);
  const auto ended = wait(*service, id);
  INFO(ended.out << ended.err);
  CHECK(ended.status == 4);
  CHECK(state_of(*service, id) == "Rejected");
  CHECK(service->orders() == 1);
  CHECK(certificates_in_token(*service) == 0);
  CHECK(certificates(*service).as_array().empty());
}

TEMPLATE_TEST_CASE("at every provider: a deadline ends what nobody approved in time", "", Securosys,
                   SecurosysCertificate, Digicert, Venafi) {
  const auto service = TestType::make(Approval::two_people);
  const auto asked = enroll(*service, "a", {"--deadline", "2s", "--wait", "--timeout", "6s"});
  INFO(asked.out << asked.err);
  const auto id = id_in(asked);
  if (!declares(*service, "cancel")) {
    // It may come all the same: it is waited for, kept, and not installed.
    CHECK(asked.status == 3);
    CHECK(state_of(*service, id) == "Withdrawing");
    service->approve_all_the_same(id);
  }
  const auto ended = wait(*service, id);
  INFO(ended.out << ended.err);
  CHECK(certificates_in_token(*service) == 0);
  CHECK(service->orders() == 1);
  const auto late = certificates(*service);
  if (declares(*service, "cancel")) {
    CHECK(ended.status == 4);
    CHECK(state_of(*service, id) == "Expired");
    CHECK(late.as_array().empty());
  } else {
    CHECK(state_of(*service, id) == "Completed");
    REQUIRE(late.as_array().size() == 1);
    CHECK(late.as_array().at(0).at("status").as_string() == "late");
  }
}

TEMPLATE_TEST_CASE("at every provider: cancel takes back what can be taken back, and says so where it cannot", "",
                   Securosys, SecurosysCertificate, Digicert, Venafi) {
  const auto service = TestType::make(Approval::two_people);
  const auto id = id_in(enroll(*service, "a", {}));
  const auto cancelled = service->cli().run({"request", "cancel", id});
  INFO(cancelled.out << cancelled.err);
  if (!declares(*service, "cancel")) {
    CHECK(wait(*service, id, "2s").status == 3);
    const auto told = service->cli().run({"request", "explain", id});
    INFO(told.out);
    CHECK(unwrapped(told.out).find("The provider cannot cancel it") != std::string::npos);
    service->reject(id);
  }
  const auto ended = wait(*service, id);
  INFO(ended.out << ended.err);
  CHECK(ended.status == 4);
  CHECK(state_of(*service, id) == (declares(*service, "cancel") ? "Cancelled" : "Rejected"));
  CHECK(service->orders() == 1);
  CHECK(certificates_in_token(*service) == 0);
}

TEMPLATE_TEST_CASE("at every provider: an order whose answer was lost is never sent twice", "", Securosys,
                   SecurosysCertificate, Digicert, Venafi) {
  const auto approval = GENERATE(Approval::none, Approval::two_people);
  const auto service = TestType::make(approval);
  fault(*service, "drop-after", service->at_order());
  const auto asked = enroll(*service, "a", {"--wait", "--timeout", "10s"});
  INFO(asked.out << asked.err);
  const auto id = id_in(asked);
  if (!service->finds_lost_order(approval)) {
    CHECK(asked.status == 6);
    CHECK(state_of(*service, id) == "Unresolved");
    CHECK(wait(*service, id, "2s").status == 6);
    CHECK(service->cli().run({"request", "resolve", id, "--abandon", "--reason", "looked there"}).status == 0);
    CHECK(certificates_in_token(*service) == 0);
  } else if (approval == Approval::two_people) {
    CHECK(asked.status == 3);
    CHECK(state_of(*service, id) == "AwaitingApproval");
    service->approve(id);
    CHECK(wait(*service, id).status == 0);
    CHECK(certificates_in_token(*service) == 1);
  } else {
    CHECK(asked.status == 0);
    CHECK(certificates_in_token(*service) == 1);
  }
  CHECK(service->orders() == 1);
}

TEMPLATE_TEST_CASE(
    "at every provider: an order that never arrived is sent again only when that is certain or vouched for", "",
    Securosys, SecurosysCertificate, Digicert, Venafi) {
  const auto service = TestType::make(Approval::none);
  fault(*service, "drop-before", service->at_order());
  const auto asked = enroll(*service, "a");
  INFO(asked.out << asked.err);
  const auto id = id_in(asked);
  if (!service->knows_absence()) {
    CHECK(asked.status == 6);
    CHECK(service->orders() == 0);
    CHECK(service->cli().run({"request", "resolve", id, "--not-there", "--reason", "looked there"}).status <= 3);
  }
  const auto done = wait(*service, id);
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(state_of(*service, id) == "Completed");
  CHECK(service->orders() == 1);
  CHECK(certificates_in_token(*service) == 1);
}

TEMPLATE_TEST_CASE("at every provider: a gateway's page or half an answer while it is polled changes nothing", "",
                   Securosys, SecurosysCertificate, Digicert, Venafi) {
  const auto service = TestType::make(Approval::two_people);
  const auto id = id_in(enroll(*service, "a", {}));
  fault(*service, GENERATE(as<std::string>{}, "html", "truncate"), service->at_poll());
  CHECK(wait(*service, id, "2s").status == 3);
  service->approve(id);
  const auto done = wait(*service, id, "40s");
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(service->orders() == 1);
  CHECK(certificates_in_token(*service) == 1);
}

TEMPLATE_TEST_CASE("at every provider: a wrong certificate is kept as evidence and never installed", "", Securosys,
                   SecurosysCertificate, Digicert, Venafi) {
  const auto service = TestType::make(Approval::none);
  const auto wrong = service->wrong_certificate();
  Words words{"fault"};
  words.insert(words.end(), wrong.begin(), wrong.end());
  service->rig(words);
  const auto ended = enroll(*service, "a");
  INFO(ended.out << ended.err);
  const auto state = state_of(*service, id_in(ended));
  CAPTURE(state);
  // Quarantined: a certificate that does not answer the request. Unresolved: none can be made of what came.
  CHECK((state == "Quarantined" || state == "Unresolved"));
  CHECK(ended.status == 6);
  CHECK(service->orders() == 1);
  CHECK(certificates_in_token(*service) == 0);
}

TEMPLATE_TEST_CASE("at every provider: a renewal brings a certificate for a new key and supersedes the old one", "",
                   Securosys, SecurosysCertificate, Digicert, Venafi) {
  const auto service = TestType::make(Approval::none);
  const auto first = enroll(*service, "a");
  INFO(first.out << first.err);
  REQUIRE(first.status == 0);
  const auto renewed = service->cli().run({"cert", "renew", id_in(first), "--wait", "--timeout", "30s"});
  INFO(renewed.out << renewed.err);
  REQUIRE(renewed.status == 0);
  const auto list = certificates(*service);
  REQUIRE(list.as_array().size() == 2);
  unsigned current = 0;
  unsigned superseded = 0;
  for (const auto& one : list.as_array()) {
    current += one.at("status").as_string() == "current" ? 1U : 0U;
    superseded += one.at("status").as_string() == "superseded" ? 1U : 0U;
  }
  CHECK(current == 1);
  CHECK(superseded == 1);
  CHECK(service->orders() == 2);
  // A second renewal of what was renewed is refused.
  CHECK(service->cli().run({"cert", "renew", id_in(first)}).status != 0);
  CHECK(service->orders() == 2);
}

TEMPLATE_TEST_CASE("at every provider: a revocation is done when the provider says so, and refused where there is none",
                   "", Securosys, SecurosysCertificate, Digicert, Venafi) {
  const auto service = TestType::make(Approval::none);
  const auto first = enroll(*service, "a");
  INFO(first.out << first.err);
  REQUIRE(first.status == 0);
  const auto revoked = service->cli().run(
      {"cert", "revoke", id_in(first), "--reason", "keyCompromise", "--yes", "--wait", "--timeout", "30s"});
  INFO(revoked.out << revoked.err);
  const auto status = certificates(*service).as_array().at(0).at("status").as_string();
  if (declares(*service, "revoke")) {
    CHECK(revoked.status == 0);
    CHECK(status == "revoked");
  } else {
    CHECK(revoked.status == 4);
    CHECK(status == "current");
  }
}

TEST_CASE("without libcurl no provider can be reached, and the package is named") {
  const auto service = Venafi::make(Approval::none);
  const Cli& cli = service->cli();
  cli.write("libcurl.so.4", "");
  const auto done = cli.other({"env", "LD_LIBRARY_PATH=" + cli.folder().string(), Cli::program().string(), "provider",
                               "test", service->provider()});
  INFO(done.out << done.err);
  CHECK(done.status == 5);
  CHECK((done.out + done.err).find("install the package libcurl4") != std::string::npos);
}

}  // namespace hsmbridge::test
