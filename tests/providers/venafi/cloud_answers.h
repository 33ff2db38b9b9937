#pragma once

#include "base/json.h"

#include <string>
#include <vector>

// Answers as the service writes them, for tests without one. Field lists from the vendor's reference, ids invented.
namespace hsmbridge::test {

inline const std::string kApplicationId = "45d06980-ae82-11eb-9702-4fa2482840bf";
inline const std::string kTemplateId = "51cb8340-a993-11ea-8a4f-3f9fa45442b2";
inline const std::string kRequestId = "ee8ae040-b19e-11eb-a502-139659b036ff";
inline const std::string kCertificateId = "1fc2a064-b19e-11eb-a502-139659b036ff";

inline std::string application_answer() {
  return R"({"id":")" + kApplicationId + R"(","name":"Payments","fqDns":null,"certificateIssuingTemplateAliasIdMap":)" +
         R"({"Default":")" + kTemplateId + R"(","Web":"61cb8340-a993-11ea-8a4f-3f9fa45442b2"}})";
}

// Everything goes; tests change what they are about.
inline Json open_template() {
  const Json any = Json::array({".*"});
  Json json =
      Json::object({{"id", kTemplateId},
                    {"name", "Test Certs"},
                    {"certificateAuthority", "BUILTIN"},
                    {"status", "AVAILABLE"},
                    {"reason", ""},
                    {"csrUploadAllowed", true},
                    {"keyReuse", true},
                    {"product", Json::object({{"productName", "Default Product"}, {"validityPeriod", "P90D"}})}});
  for (const char* name : {"subjectCNRegexes", "subjectORegexes", "subjectOURegexes", "subjectLRegexes",
                           "subjectSTRegexes", "subjectCValues", "sanRegexes", "sanRfc822NameRegexes",
                           "sanIpAddressRegexes", "sanUniformResourceIdentifierRegexes"}) {
    json.set(name, any);
  }
  return json;
}

inline Json request_json(const std::string& status) {
  Json json = Json::object({{"id", kRequestId},
                            {"applicationId", kApplicationId},
                            {"certificateIssuingTemplateId", kTemplateId},
                            {"creationDate", "2026-09-21T14:13:30.047+0000"},
                            {"status", status},
                            {"subjectDN", "cn=www.example.com"}});
  if (status == "ISSUED") {
    json.set("certificateIds", Json::array({kCertificateId, "2a000000-b19e-11eb-a502-139659b036ff"}));
  }
  return json;
}

inline std::string created_answer(const std::string& status) {
  return Json::object({{"certificateRequests", Json::array({request_json(status)})}}).dump();
}

inline std::string errors_answer(int code, const std::string& message, Json args = Json::array()) {
  const Json error = Json::object({{"code", code}, {"message", message}, {"args", std::move(args)}});
  return Json::object({{"errors", Json::array({error})}}).dump();
}

inline const std::string kProxyPage = "<html><head><title>502 Bad Gateway</title></head></html>";

}  // namespace hsmbridge::test
