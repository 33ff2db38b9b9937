#include "base/file.h"
#include "base/text.h"
#include "flow.h"
#include "support/orders.h"

#include <catch2/catch.hpp>
#include <map>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using test::Seeded;
using test::TlmFlow;

// What the provider really sends, as the simulator received it, beside what the service's pages, its OpenAPI and its
// own clients show. Each line of a transcript is METHOD PATH STATUS, then the body; $NAMES stand for what is new each
// time.
namespace {

struct Transcript {
  std::string text;
  std::map<std::string, std::string> names;  // value to "$NAME"

  std::string named(std::string line) const {
    for (const auto& [value, name] : names) {
      for (std::size_t at = line.find(value); !value.empty() && at != std::string::npos;
           at = line.find(value, at + name.size())) {
        line.replace(at, value.size(), name);
      }
    }
    return line;
  }
  void add(const Json& entry) {
    text += named(entry.at("method").as_string() + " " + entry.at("path").as_string()) + " " +
            std::to_string(entry.at("status").as_integer()) + "\n";
    if (!entry.at("body").is_null()) text += "  " + named(entry.at("body").dump()) + "\n";
  }
};

std::vector<Json> journal(const TlmFlow& flow) {
  std::vector<Json> entries;
  const Bytes content = read_file(flow.rig.about().at("journal").as_string());
  std::string_view rest = as_text(content);
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    entries.push_back(Json::parse(rest.substr(0, end)));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return entries;
}

std::string transcript(const TlmFlow& flow, std::map<std::string, std::string> names, std::size_t from = 0) {
  const std::string csr = Json(x509::csr_to_pem(flow.draft.csr)).dump();
  names[csr.substr(1, csr.size() - 2)] = "$CSR";
  Transcript transcript{"", std::move(names)};
  const std::vector<Json> entries = journal(flow);
  for (std::size_t i = from; i < entries.size(); ++i) transcript.add(entries[i]);
  return transcript.text;
}

const std::string kAtOnce = test::seeded_id(Seeded::at_once);
const std::string kApproval = test::seeded_id(Seeded::approval);
// The ask of test/server_ask.
const std::string kAttributes =
    R"("attributes":{"subject":{"country":"CH","organization_name":"Example","common_name":"www.example.com"},)"
    R"("extensions":{"san":{"dns_names":["www.example.com"],"ip_addresses":["192.0.2.1"]}}})";
const std::string kValidity = R"("validity":{"unit":"days","duration":30})";

// The profile as the draft and the check read it, and who orders.
std::string profile_read(const std::string& id) {
  const std::string line = "GET /mpki/api/v2/profile/" + id + " 200\n";
  return line + "GET /account/api/v1/user/me 200\n" + line;
}

}  // namespace

TEST_CASE("an order at once, its chain, details and revocation are the reference's, byte for byte") {
  TlmFlow flow;
  flow.settings.tags = {"prod"};
  flow.settings.delivery_format = "x509";
  flow.freeze();
  const Report report = flow.submit();
  const std::string serial = pinned_from(report.provider_state).serial;
  const Issued issued = issued_by(flow.provider(), flow.call(), *report.result);
  flow.submission.reference = ProviderReference("serial:" + serial);
  flow.poll();
  const std::string expected = profile_read(kAtOnce) +  //
                               "POST /mpki/api/v1/certificate 201\n"
                               R"(  {"profile":{"id":")" +
                               kAtOnce + R"("},"seat":{"seat_id":"ops@example.com"},"csr":"$CSR",)" + kValidity +
                               R"(,"delivery_format":"x509",)" + kAttributes +
                               R"(,"tags":["prod"]})"
                               "\n"
                               "GET /mpki/api/v1/certificate/$SERIAL/additional-formats 200\n"
                               "GET /mpki/api/v1/certificate/$SERIAL 200\n";
  CHECK(transcript(flow, {{serial, "$SERIAL"}}) == expected);

  test::make_revocation(
      flow.order,
      {hex(sha256(issued.certificate)), issued.certificate, {}, "", flow.submission.reference, report.provider_state},
      "keyCompromise");
  flow.submission = {};
  CHECK(flow.submit().status == RequestStatus::done);
  CHECK(transcript(flow, {{serial, "$SERIAL"}, {upper(hex(sha256(issued.certificate))), "$PRINT"}}) ==
        expected +
            "PUT /mpki/api/v1/certificate/$SERIAL/revoke?thumbprint_sha256=$PRINT 204\n"
            R"(  {"revocation_reason":"key_compromise"})"
            "\n");
}

TEST_CASE("the tutorial's shape has everything inside the profile") {
  TlmFlow flow;
  flow.settings.shape = Shape::nested;
  flow.settings.include_ca_chain = true;
  flow.freeze();
  flow.submit();
  CHECK(transcript(flow, {}) == profile_read(kAtOnce) +
                                    "POST /mpki/api/v1/certificate 201\n"
                                    R"(  {"profile":{"id":")" +
                                    kAtOnce + R"(","seat":{"id":"ops@example.com"},"csr":"$CSR",)" + kValidity +
                                    R"(,"include_ca_chain":true,)" + kAttributes + "}}\n");
}

TEST_CASE("a service that refuses the usual shape is sent the other one in the next attempt") {
  TlmFlow flow({"--shape", "tutorial"});
  flow.freeze();
  CHECK(flow.submit().status == RequestStatus::handed_out);
  CHECK(transcript(flow, {}) ==
        profile_read(kAtOnce) +
            "POST /mpki/api/v1/certificate 400\n"
            R"(  {"profile":{"id":")" +
            kAtOnce + R"("},"seat":{"seat_id":"ops@example.com"},"csr":"$CSR",)" + kValidity + "," + kAttributes +
            "}\n"
            "POST /mpki/api/v1/certificate 201\n"
            R"(  {"profile":{"id":")" +
            kAtOnce + R"(","seat":{"id":"ops@example.com"},"csr":"$CSR",)" + kValidity + "," + kAttributes + "}}\n");
}

TEST_CASE("a pending order is picked up with its profile's id") {
  TlmFlow flow({}, Seeded::approval);
  flow.freeze();
  const std::string id = flow.submit().reference.str();
  flow.poll();
  flow.rig.command("digicert approve");
  flow.poll();
  const std::string pickup =
      "POST /mpki/api/v1/certificate-pickup/$REQUEST 200\n"
      R"(  {"profile":{"id":")" +
      kApproval + "\"}}\n";
  CHECK(transcript(flow, {{id, "$REQUEST"}}) == profile_read(kApproval) +
                                                    "POST /mpki/api/v1/certificate 201\n"
                                                    R"(  {"profile":{"id":")" +
                                                    kApproval +
                                                    R"("},"seat":{"seat_id":"ops@example.com"},"csr":"$CSR",)" +
                                                    kValidity + "," + kAttributes + "}\n" + pickup + pickup);
}

TEST_CASE("a renewal, a test and a look-up are the reference's") {
  TlmFlow flow;
  flow.ask.validity = 20 * 24h;
  flow.freeze();
  const Report report = flow.submit();
  const std::string serial = pinned_from(report.provider_state).serial;
  const Issued issued = issued_by(flow.provider(), flow.call(), *report.result);
  test::make_renewal(
      flow.order,
      {hex(sha256(issued.certificate)), issued.certificate, {}, "", report.reference, report.provider_state});
  flow.submission = {};
  flow.key = test::SoftwareSigner("ec:P-256");
  flow.freeze();
  const std::size_t before = journal(flow).size();
  flow.submit();
  flow.provider().look_up(flow.lost_call());
  flow.provider().profiles(20s);
  flow.provider().test();
  CHECK(transcript(flow, {{serial, "$SERIAL"}, {upper(hex(sha256(issued.certificate))), "$PRINT"}}, before) ==
        "POST /mpki/api/v1/certificate/$SERIAL/renew?thumbprint_sha256=$PRINT 200\n"
        R"(  {"csr":"$CSR","validity":{"unit":"days","duration":20}})"
        "\n"
        "GET /mpki/api/v1/certificate-search?offset=0&limit=50&seat_id=ops%40example.com&common_name="
        "www.example.com&status=issued 200\n"
        "GET /mpki/api/v2/profile?offset=0&limit=20 200\n"
        "GET /mpki/api/v1/hello 200\n"
        "GET /account/api/v1/user/me 200\n"
        "GET /mpki/api/v2/profile/" +
            kAtOnce + " 200\n");
}

TEST_CASE("every request carries the headers that the service wants") {
  TlmFlow flow({}, Seeded::approval);
  flow.freeze();
  flow.submit();
  flow.poll();
  flow.provider().test();
  const std::vector<Json> entries = journal(flow);
  CHECK(entries.size() == 8);
  for (const Json& entry : entries) {
    CAPTURE(entry.at("path").as_string());
    const Json& headers = entry.at("headers");
    CHECK(headers.at("accept").as_string() == "application/json");
    CHECK(headers.at("x-api-key").as_string() == "(left out)");
    CHECK(headers.at("user-agent").as_string().starts_with("hsmbridge/"));
    const bool has_body = !entry.at("body").is_null();
    CHECK((headers.find("content-type") != nullptr) == has_body);
    CHECK(headers.find("content-length") != nullptr);
    if (has_body) CHECK(headers.at("content-type").as_string() == "application/json");
  }
  // And the key itself is nowhere in what was written down.
  const Bytes written = read_file(flow.rig.about().at("journal").as_string());
  CHECK(as_text(written).find(flow.rig.api_key("service")) == std::string_view::npos);
}
