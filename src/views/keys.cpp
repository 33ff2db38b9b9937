#include "views/keys.h"

#include "base/json_text.h"
#include "views/error.h"
#include "x509/objects/pem.h"
#include "x509/objects/spki.h"

#include <cstdint>
#include <utility>

namespace hsmbridge::views {

namespace {

Json contract(const workflow::ContractReport& report) {
  Json rows = Json::array();
  for (const workflow::ContractRow& row : report.rows) {
    rows.push(Json::object({{"half", row.half},
                            {"attribute", row.attribute},
                            {"asked", row.asked},
                            {"found", row.found},
                            {"verdict", workflow::to_string(row.verdict)}}));
  }
  return Json::object({{"violated", report.violated()},
                       {"use", workflow::to_string(report.use)},
                       {"template", report.quirk},
                       {"rows", std::move(rows)}});
}

Json attributes(const workflow::KeyAttributes& attributes) {
  const auto half = [](const std::vector<workflow::Attribute>& rows) {
    Json object = Json::object();
    for (const workflow::Attribute& attribute : rows) object.set(attribute.name, attribute.value);
    return object;
  };
  return Json::object({{"private", half(attributes.private_half)}, {"public", half(attributes.public_half)}});
}

}  // namespace

Json key(const workflow::KeyInfo& key) {
  Json object = Json::object();
  set_text(object, "label", key.label);
  object.set("id", hex(key.id));
  object.set("type", key.type);
  object.set("spki_sha256", key.spki_hash.str());
  object.set("private", key.has_private);
  object.set("public", key.has_public);
  object.set("certificate", key.has_certificate);
  object.set("always_authenticate", key.always_authenticate);
  object.set("paired", key.paired);
  object.set("uri", key.uri);
  if (!key.claims.empty()) {
    Json others = Json::array();
    for (const auto& claim : key.claims) others.push(claim.certificate);
    object.set("certificates_of_unknown_keys", std::move(others));
  }
  return object;
}

Json made_keys(const std::string& token, const std::vector<workflow::MadeKey>& made) {
  Json rows = Json::array();
  for (const workflow::MadeKey& row : made) {
    Json object = key(row.key);
    object.set("contract", contract(row.contract));
    rows.push(std::move(object));
  }
  return Json::object({{"token", token}, {"keys", std::move(rows)}});
}

Json keys(const std::string& token, const std::vector<workflow::KeyInfo>& keys) {
  Json rows = Json::array();
  for (const workflow::KeyInfo& one : keys) rows.push(key(one));
  return Json::object({{"token", token}, {"keys", std::move(rows)}});
}

Json key(const std::string& token, const service::KeyView& view) {
  Json object = key(view.key);
  object.set("token", token);
  object.set("attributes", attributes(view.attributes));
  object.set("contract", contract(view.contract));
  object.set("flaws", Json(view.contract.standing.flaws));
  object.set("not_shown", Json(view.contract.standing.not_shown));
  if (view.proof) {
    object.set("proof", Json::object({{"algorithm", view.proof->algorithm},
                                      {"nonce", hex(view.proof->nonce)},
                                      {"message", hex(view.proof->message)},
                                      {"signature", hex(view.proof->signature)}}));
  }
  return object;
}

Json destroyed_key(const std::string& token, const workflow::KeyInfo& destroyed) {
  Json object = key(destroyed);
  object.set("token", token);
  object.set("destroyed", true);
  return object;
}

Json public_key(const workflow::KeyInfo& shown) {
  Json object = key(shown);
  object.set("pem", x509::spki_to_pem(shown.spki));
  object.set("ssh", x509::spki_to_ssh(shown.spki));
  return object;
}

}  // namespace hsmbridge::views
