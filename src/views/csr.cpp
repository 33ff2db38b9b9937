#include "views/csr.h"

#include "base/bytes.h"
#include "views/error.h"
#include "x509/judge/render.h"
#include "x509/objects/pem.h"

#include <cstdint>
#include <utility>

namespace hsmbridge::views {

Json csr(const x509::Csr& csr) {
  return x509::to_json(csr);
}

Json csr_check(const std::string& file, const service::CsrCheck& check) {
  Json rows = Json::array();
  for (const auto& fault : check.faults) {
    rows.push(Json::object({{"name", fault.name}, {"explanation", fault.explanation}, {"reference", fault.reference}}));
  }
  return Json::object({{"file", file}, {"ok", check.faults.empty()}, {"faults", rows}, {"notes", Json(check.notes)}});
}

Json csr(const std::string& token, const service::NewCsr& wanted, const service::MadeCsr& made) {
  const x509::Content& content = made.ask.content;
  Json object = Json::object({{"token", token},
                              {"key", made.key.uri},
                              {"key_made", made.key_made},
                              {"spki_sha256", made.key.spki_hash.str()},
                              {"subject", content.subject.to_string()},
                              {"csr_sha256", hex(sha256(made.der))}});
  std::vector<std::string> names;
  for (const x509::GeneralName& name : content.subject_alternative_names) names.push_back(name.text);
  object.set("names", Json(names));
  if (wanted.out.empty()) {
    object.set("pem", x509::csr_to_pem(made.der));
  } else {
    object.set("file", wanted.out);
  }
  return object;
}

Json csr_row(const std::string& token, const service::CsrRow& row) {
  Json object = Json::object({{"line", static_cast<std::uint64_t>(row.line)}, {"ok", row.made.has_value()}});
  if (row.error) {
    Json why = error(*row.error);
    why.set("hint", row.error->hint());
    object.set("error", std::move(why));
    return object;
  }
  object.set("already", row.made->already);
  const Json more = csr(token, row.wanted, *row.made);
  for (const auto& [name, value] : more.as_object()) object.set(name, value);
  return object;
}

}  // namespace hsmbridge::views
