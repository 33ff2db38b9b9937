#include "providers/digicert/wire/wire.h"

#include "answers.h"
#include "base/error.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace std::chrono_literals;

namespace {

template <class Read>
ErrorKind kind_of(Read read) {
  try {
    read();
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::internal;
}

}  // namespace

TEST_CASE("both envelopes of an error are read and nothing else is one") {
  const auto many = refusals_from(R"({"errors":[{"code":"no_access","message":"Not enough permissions"},
                                     {"code":"invalid_input_field","message":"Wrong","field":"csr"}]})");
  REQUIRE(many.size() == 2);
  CHECK(refusals_text(many) == "Not enough permissions (no_access), Wrong [csr] (invalid_input_field)");
  const auto one = refusals_from(R"({"error":{"code":"invalid_api_key","message":"no"}})");
  REQUIRE(one.size() == 1);
  CHECK(one[0].code == "invalid_api_key");
  CHECK(refusals_from(R"({"code":"InternalServerError","message":"x"})").empty());
  CHECK(refusals_from("<html>").empty());
  CHECK(refusals_from(R"({"errors":[]})").empty());
  CHECK(refusals_from(R"({"errors":"none"})").empty());
}

TEST_CASE("the profile of the tutorial page is read with its contradictions") {
  const Profile profile = profile_from(test::tlm_profile().dump());
  CHECK(profile.id == test::kTlmProfileId);
  CHECK(profile.status == "Active");
  CHECK(profile.delivery_format == "pkcs7");
  CHECK(profile.key_sizes == std::vector<std::string>{"2048", "RSA_3072", "P-256"});
  CHECK(profile.renewal_days == 30);
  CHECK(profile.validity_may_be_asked);
  REQUIRE(profile.validity);
  CHECK(duration_of(*profile.validity) == 365 * 24h);
  REQUIRE(profile.subject.size() == 3);
  CHECK(profile.subject[0].mandatory);
  REQUIRE(profile.names.size() == 3);
  CHECK_FALSE(profile.names[2].given_by_request);
  CHECK(profile.tells_extensions);
}

TEST_CASE("a profile is read whatever its spellings") {
  Json json = test::tlm_profile();
  json.set("allowed_key_sizes", Json());
  json.set("private_key_attributes", Json::object({{"key_size", 3072}}));
  json.set("enrollment_method", "REST_API");
  json.set("certificate", Json::parse(R"({"subject":{"attributes":[
             {"type":"organization_name","mandatory":true,"source":[{"source":"FIXED_VALUE","value":"Example AG"}]},
             {"type":"street_address","source":[{"source":"AD_ATTRIBUTE"},{"source":"fixed_value","value":"x"}]},
             {"type":"locality","sources":[{"source":"FIXED_VALUE","value":"Bern"},
                                           {"source":"entered_by_user_during_enrollment"}]}]},
             "issuer":{"certificate":"A","chain":[{"certificate":"B"}]}})"));
  const Profile profile = profile_from(json.dump());
  CHECK(profile.key_sizes == std::vector<std::string>{"3072"});
  CHECK(profile.enrollment_method == "rest_api");
  REQUIRE(profile.subject.size() == 3);
  CHECK(profile.subject[0].fixed == "Example AG");
  CHECK(profile.subject[1].fixed == "x");
  CHECK_FALSE(profile.subject[2].fixed);
  CHECK_FALSE(profile.tells_extensions);
  CHECK(profile.issuer_chain == std::vector<std::string>{"A", "B"});
}

TEST_CASE("a list of profiles is a bare array and one odd entry hides no other") {
  const ProfilePage page = profiles_from("[" + test::tlm_profile().dump() + R"(,{"name":"no id"},7])");
  CHECK(page.entries == 3);
  CHECK(page.profiles.size() == 1);
  CHECK(kind_of([] { profiles_from(R"({"profiles":[]})"); }) == ErrorKind::corrupt);
}

TEST_CASE("an answer to a request is issued, pending or unreadable") {
  const CertificateAnswer issued = certificate_answer_from(
      R"({"serial_number":"0F6F55","delivery_format":"X509","certificate":"-----","ca_certs":[{"pem":"P"},"Q"]})");
  CHECK(issued.issued());
  CHECK(issued.serial == "0F6F55");
  CHECK(issued.ca_certs == std::vector<std::string>{"P", "Q"});
  CHECK(certificate_answer_from(R"({"request_id":"a-b"})").request_id == "a-b");
  CHECK(certificate_answer_from(R"({"request_id":1234,"status":"Pending"})").request_id == "1234");
  CHECK(certificate_answer_from(R"({"request_id":1234,"status":"Pending"})").status == "PENDING");
  CHECK(kind_of([] { certificate_answer_from(R"({"request_id":"a\nb"})"); }) == ErrorKind::corrupt);
  CHECK(kind_of([] { certificate_answer_from(R"({"serial_number":"12.34"})"); }) == ErrorKind::corrupt);
  CHECK(kind_of([] { certificate_answer_from("[]"); }) == ErrorKind::corrupt);
  CHECK(kind_of([] { certificate_answer_from("<html>"); }) == ErrorKind::unavailable);
  CHECK(kind_of([] { certificate_answer_from(""); }) == ErrorKind::unavailable);
}

TEST_CASE("certificate details are read") {
  const CertificateDetails details = certificate_details_from(
      R"({"serial_number":"4099AB","status":"ISSUED","certificate":"MII","thumbprint":"FE0E","common_name":"www",
          "profile":{"id":"p"},"seat":{"seat_id":"s"},"valid_from":"2026-01-02T03:04:05Z","valid_to":"2027-01-02",
          "subject":{"postal_code":89714},"revocation":{"reason":"superseded"},"insecure_iphers":[]})");
  CHECK(details.status == "issued");
  CHECK(details.certificate == "MII");
  CHECK(details.revocation_reason == "superseded");
  CHECK(kind_of([] { certificate_details_from(R"({"status":"issued"})"); }) == ErrorKind::corrupt);
}

TEST_CASE("a search page counts what it could not read") {
  const SearchPage page = search_page_from(R"({"total":7,"offset":0,"limit":2,"items":[{"serial_number":"AA"},{}]})");
  CHECK(page.total == 7);
  CHECK(page.entries == 2);
  CHECK(page.items.size() == 1);
}

TEST_CASE("additional formats and the user are read loosely") {
  const AdditionalFormats formats = additional_formats_from(
      R"({"pkcs7":"P7","x509_cert_chain":[{"common_name":"a","cert_blob":"A"},{"cert_blob":"B"},{}]})");
  CHECK(formats.pkcs7 == "P7");
  CHECK(formats.chain == std::vector<std::string>{"A", "B"});
  const WhoAmI who = who_am_i_from(R"({"email":"a@example.com","roles":["EM",{"name":"X"}]})");
  CHECK(who.name == "a@example.com");
  CHECK(who.roles == std::vector<std::string>{"EM", "X"});
}

TEST_CASE("serial numbers are written as the service writes them") {
  CHECK(serial_text(Bytes{0x0F, 0x6F}) == "0F6F");
  CHECK(serial_text(Bytes{0x00, 0xAB}) == "AB");
}

TEST_CASE("terms are read in the service's units and nonsense is none") {
  CHECK(duration_of({"years", 1}) == 365 * 24h);
  CHECK(duration_of({"month", 2}) == 60 * 24h);
  CHECK(duration_of({"minutes", 5}) == 5min);
  CHECK(duration_of({"fortnights", 1}) == Duration::zero());
  CHECK(duration_of({"years", 99'999'999}) == Duration::zero());
  CHECK(duration_of({"days", -1}) == Duration::zero());
}

TEST_CASE("the two shapes of a request differ in places only") {
  CertificateOrder order;
  order.profile = "P";
  order.seat = "S";
  order.csr = "C";
  order.validity = Term{"days", 90};
  order.delivery_format = "x509";
  order.include_ca_chain = true;
  order.subject = {{"common_name", {"www"}, AttributeValues::Form::single},
                   {"organization_units", {"a"}, AttributeValues::Form::list}};
  order.names = {{"dns_names", {"www", "w2"}, AttributeValues::Form::list}};
  order.tags = {"prod"};
  CHECK(Json::parse(siblings_text(order)) ==
        Json::parse(R"({"profile":{"id":"P"},"seat":{"seat_id":"S"},"csr":"C","validity":{"unit":"days","duration":90},
          "delivery_format":"x509","include_ca_chain":true,
          "attributes":{"subject":{"common_name":"www","organization_units":["a"]},
                        "extensions":{"san":{"dns_names":["www","w2"]}}},"tags":["prod"]})"));
  CHECK(Json::parse(nested_text(order)) ==
        Json::parse(R"({"profile":{"id":"P","seat":{"id":"S"},"csr":"C","validity":{"unit":"days","duration":90},
          "delivery_format":"x509","include_ca_chain":true,
          "attributes":{"subject":{"common_name":"www","organization_units":["a"]},
                        "extensions":{"san":{"dns_names":["www","w2"]}}},"tags":["prod"]}})"));
  CHECK(Json::parse(renewal_text(order)) ==
        Json::parse(R"({"csr":"C","validity":{"unit":"days","duration":90},"delivery_format":"x509",
                        "include_ca_chain":true})"));
  CHECK(pickup_text("P") == R"({"profile":{"id":"P"}})");
  CHECK(revocation_text("key_compromise") == R"({"revocation_reason":"key_compromise"})");
}

TEST_CASE("a serial number is the same number in every spelling") {
  for (const char* text : {"0ABC", "abc", "0A:BC", "0a bc", "0x0abc", "serial=0ABC", " 00:0A:BC ", "0XABC"}) {
    CAPTURE(text);
    CHECK(same_serial(text, "0ABC"));
  }
  for (const char* text : {"", "0", "ABD", "-ABC", "serial=", "0x", ":", "2748x", "ABC0"}) {
    CAPTURE(text);
    CHECK_FALSE(same_serial(text, "0ABC"));
  }
  CHECK(same_serial("00", "0"));
  // Digits alone are hexadecimal digits: 2748 is not 0xABC.
  CHECK_FALSE(same_serial("2748", "ABC"));
  CHECK(certificate_answer_from(R"({"serial_number":"0a:bc","certificate":"x"})").serial == "0ABC");
}
