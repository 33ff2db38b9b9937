// The application of the simulated company, and its issuing templates: each goes another way.
#include "base/error.h"
#include "tools/rig/venafi/venafi.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::rig::venafi {
namespace {

using Texts = std::vector<std::string>;

TemplateRecord open_template(const std::string& name, Script script) {
  TemplateRecord record;
  record.name = name;
  record.script = std::move(script);
  for (const char* part : {"CN", "O", "OU", "L", "ST", "C"}) record.subject[part] = {".*"};
  for (const char* kind : {"dNSName", "rfc822Name", "iPAddress", "uniformResourceIdentifier"}) {
    record.names[kind] = {".*"};
  }
  return record;
}

TemplateRecord strict_template() {
  TemplateRecord record = open_template("Strict", {});
  record.subject = {{"CN", {R"(.*\.example\.com)"}},
                    {"O", {"Example"}},
                    {"OU", {".*"}},
                    {"L", {".*"}},
                    {"ST", {"Zurich"}},
                    {"C", {"CH"}}};
  record.names = {{"dNSName", {R"(.*\.example\.com)", "localhost"}}};
  record.rsa_lengths = {3072};
  record.curves = {"P256"};
  record.key_reuse = false;
  record.validity = "P30D";
  return record;
}

// Alias, template. The name of a template is its alias here; on an NGTS service it is all there is.
std::vector<TemplateRecord> all() {
  using Revocation = Script::Revocation;
  std::vector<TemplateRecord> records{
      open_template("Default", {}),  // issued at once
      strict_template(),             // has rules worth breaking
      open_template("Slow", {.before = {"NEW", "PENDING", "REQUESTED"}}),
      open_template("Approval", {.approvers = {"alice", "bob"}, .required = 2}),
      open_template("Final", {.approvers = {"alice", "bob"}, .required = 1, .final_approver = "carol"}),
      open_template("Refused", {.before = {"REQUESTED"}, .end = "REJECTED", .error = "the CA refused it"}),
      open_template("Failing", {.before = {"REQUESTED"}, .end = "FAILED", .error = "the CA cannot be reached"}),
      open_template("Cancelled", {.before = {"REQUESTED"}, .end = "CANCELLED"}),
      open_template("Deleted", {.before = {"REQUESTED"}, .end = "DELETED"}),
      open_template("NoUpload", {}),
      open_template("Unavailable", {}),
      open_template("Hours", {}),  // ignores hours without a word
      open_template("SlowRevoke", {.revocation = Revocation::slow}),
      open_template("RevokeApproval", {.revocation = Revocation::approval}),
      open_template("RevokeFailing", {.revocation = Revocation::fails}),
      open_template("ServerAndClient", {}),  // writes its own usages
  };
  for (TemplateRecord& record : records) {
    if (record.name == "NoUpload") record.csr_upload_allowed = false;
    if (record.name == "Unavailable") {
      record.status = "UNAVAILABLE";
      record.reason = "the CA account is disabled";
    }
    if (record.name == "Hours") record.authority = "ZTPKI";
    if (record.name == "ServerAndClient") record.extended_usages = {"SERVER", "CLIENT"};
  }
  return records;
}

}  // namespace

void Venafi::make_templates() {
  ApplicationRecord payments{new_uuid(), "Payments", {}};
  for (TemplateRecord& record : all()) {
    record.id = new_uuid();
    payments.templates[record.name] = record.id;
    templates_.put(std::move(record));
  }
  // A second one, so that a template of another application exists.
  ApplicationRecord other{new_uuid(), "Mail Relay", {{"Default", payments.templates["Default"]}}};
  applications_.put(std::move(payments));
  applications_.put(std::move(other));
}

Json Venafi::to_json(const TemplateRecord& record) const {
  Json keys = Json::array();
  if (!record.rsa_lengths.empty()) {
    Json lengths = Json::array();
    for (const int length : record.rsa_lengths) lengths.push(length);
    keys.push(Json::object({{"keyType", "RSA"}, {"keyLengths", lengths}}));
  }
  if (!record.curves.empty()) keys.push(Json::object({{"keyType", "EC"}, {"keyCurves", Json(record.curves)}}));
  const Json product = Json::object({{"certificateAuthority", record.authority},
                                     {"productName", "Default Product"},
                                     {"productTypes", Json::array({"SSL"})},
                                     {"validityPeriod", record.validity}});
  return Json::object(
      {{"id", record.id},
       {"companyId", company_},
       {"name", record.name},
       {"certificateAuthority", record.authority},
       {"certificateAuthorityAccountId", ca_account_},
       {"certificateAuthorityProductOptionId", ca_product_},
       {"status", record.status},
       {"reason", record.reason},
       {"product", product},
       {"validityPeriod", record.validity},
       {"subjectCNRegexes", Json(list_in(record.subject, "CN"))},
       {"subjectORegexes", Json(list_in(record.subject, "O"))},
       {"subjectOURegexes", Json(list_in(record.subject, "OU"))},
       {"subjectLRegexes", Json(list_in(record.subject, "L"))},
       {"subjectSTRegexes", Json(list_in(record.subject, "ST"))},
       {"subjectCValues", Json(list_in(record.subject, "C"))},
       {"sanRegexes", Json(list_in(record.names, "dNSName"))},
       {"sanDnsNameRegexes", Json(list_in(record.names, "dNSName"))},
       {"sanRfc822NameRegexes", Json(list_in(record.names, "rfc822Name"))},
       {"sanIpAddressRegexes", Json(list_in(record.names, "iPAddress"))},
       {"sanUniformResourceIdentifierRegexes", Json(list_in(record.names, "uniformResourceIdentifier"))},
       {"keyTypes", keys},
       {"keyReuse", record.key_reuse},
       {"extendedKeyUsageValues", Json(record.extended_usages)},
       {"recommendedSettings", Json::object({{"keyReuse", record.key_reuse}})},
       {"csrUploadAllowed", record.csr_upload_allowed},
       {"keyGeneratedByVenafiAllowed", false}});
}

TemplateRecord& Venafi::find_template(const std::string& id) {
  return found_in(templates_, "CertificateIssuingTemplate", id);
}

Answer Venafi::application_by_name(const Asked& asked) {
  const ApplicationRecord* application = applications_.find(asked.captured[0]);
  if (application == nullptr) throw unknown_id("Application", asked.captured[0]);
  Json aliases = Json::object();
  for (const auto& [alias, id] : application->templates) aliases.set(alias, id);
  const Json owner = Json::object({{"ownerId", users_.at("ops").id}, {"ownerType", "USER"}});
  return {200, Json::object({{"id", application->id},
                             {"companyId", company_},
                             {"name", application->name},
                             {"description", ""},
                             {"ownerIdsAndTypes", Json::array({owner})},
                             {"fullyQualifiedDomainNames", Json::array()},
                             {"ipRanges", Json::array()},
                             {"ports", Json::array()},
                             {"certificateIssuingTemplateAliasIdMap", aliases},
                             {"creationDate", date(now())},
                             {"modificationDate", date(now())}})};
}

Answer Venafi::template_of_application(const Asked& asked) {
  const std::string& name = asked.captured[0];
  const std::string& alias = asked.captured[1];
  if (const ApplicationRecord* application = applications_.find(name)) {
    const auto found = application->templates.find(alias);
    if (found != application->templates.end()) return {200, to_json(find_template(found->second))};
  }
  // The two names the wrong way round, as reported of the real one.
  throw refusal(
      404, 20216,
      fmt::format("No certificate issuing template with alias {} has been assigned to application with name {}", name,
                  alias),
      Json::array({name, alias}));
}

Answer Venafi::template_by_id(const Asked& asked) {
  return {200, to_json(find_template(asked.captured[0]))};
}

Answer Venafi::all_templates(const Asked&) {
  Json list = Json::array();
  for (const TemplateRecord& record : templates_) list.push(to_json(record));
  return {200, Json::object({{"certificateIssuingTemplates", list}})};
}

}  // namespace hsmbridge::rig::venafi
