// The search language of the simulated service: {"operator":"AND","operands":[…]} or {"field","operator","value"}.
#include "base/clock.h"
#include "base/error.h"
#include "tools/rig/venafi/venafi.h"

#include <fmt/core.h>

#include <algorithm>
#include <regex>
#include <utility>

namespace hsmbridge::rig::venafi {
namespace {

const std::vector<std::string_view>& fields() {
  static const std::vector<std::string_view> known{
      "id",          "applicationId", "applicationIds", "appstackIds",       "certificateIssuingTemplateId",
      "status",      "creationDate",  "tags",           "subjectDN",         "certificateOwnerUserId",
      "keyType",     "fingerprint",   "subjectCN",      "certificateStatus", "certificateRequestId",
      "validityEnd", "validityStart", "serialNumber",   "versionType",       "modificationDate"};
  return known;
}

std::vector<std::string> values_of(const Json* member) {
  std::vector<std::string> values;
  if (member == nullptr || member->is_null()) return values;
  if (!member->is_array()) return {member->is_string() ? member->as_string() : member->dump()};
  for (const Json& item : member->as_array()) values.push_back(item.is_string() ? item.as_string() : item.dump());
  return values;
}

bool is_date(const std::string& field) {
  return field.size() > 4 &&
         (field.substr(field.size() - 4) == "Date" || field == "validityEnd" || field == "validityStart");
}

// -1, 0, 1; dates by their time.
int compared(const std::string& field, const std::string& a, const std::string& b) {
  if (!is_date(field)) return a < b ? -1 : a > b ? 1 : 0;
  const auto time = [](const std::string& text) {
    try {
      return parse_rfc3339(text);
    } catch (const Error&) {
      // Samples of the vendor leave the offset out.
      return parse_rfc3339(text + "Z");
    }
  };
  const Instant left = time(a);
  const Instant right = time(b);
  return left < right ? -1 : left > right ? 1 : 0;
}

bool holds(const std::string& operation, const std::string& field, const std::string& value, const std::string& asked) {
  if (operation == "EQ") return compared(field, value, asked) == 0;
  if (operation == "LT") return compared(field, value, asked) < 0;
  if (operation == "LTE") return compared(field, value, asked) <= 0;
  if (operation == "GT") return compared(field, value, asked) > 0;
  if (operation == "GTE") return compared(field, value, asked) >= 0;
  if (operation == "MATCH") return std::regex_match(value, std::regex(asked));
  if (operation == "FIND") return std::regex_search(value, std::regex(asked));
  throw wrong_parameters(Json::array({"operator", operation}));
}

bool matches(const Json& expression, const Json& document) {
  const std::string operation = text_in(expression, "operator");
  if (operation == "AND" || operation == "OR" || operation == "NOT") {
    const Json* operands = expression.find("operands");
    if (operands == nullptr || !operands->is_array()) {
      throw wrong_parameters(Json::array({"operands"}));
    }
    const auto& all = operands->as_array();
    const auto one = [&](const Json& operand) { return matches(operand, document); };
    if (operation == "AND") return std::all_of(all.begin(), all.end(), one);
    const bool any = std::any_of(all.begin(), all.end(), one);
    return operation == "OR" ? any : !any;
  }
  const std::string field = text_in(expression, "field");
  if (std::find(fields().begin(), fields().end(), field) == fields().end()) {
    throw wrong_parameters(Json::array({"field", field}));
  }
  const std::vector<std::string> values = values_of(document.find(field == "appstackIds" ? "applicationIds" : field));
  if (operation == "IN") {
    const std::vector<std::string> asked = values_of(expression.find("values"));
    return std::any_of(values.begin(), values.end(), [&](const std::string& value) {
      return std::find(asked.begin(), asked.end(), value) != asked.end();
    });
  }
  const std::vector<std::string> asked = values_of(expression.find("value"));
  if (asked.size() != 1) throw wrong_parameters(Json::array({"value"}));
  return std::any_of(values.begin(), values.end(),
                     [&](const std::string& value) { return holds(operation, field, value, asked.front()); });
}

}  // namespace

Hits search(const Asked& asked, Json::Array documents) {
  const Json search = body_of(asked, {"expression", "ordering", "paging"});
  const Json* expression = search.find("expression");
  if (expression != nullptr && !expression->is_null()) {
    std::erase_if(documents, [&](const Json& document) { return !matches(*expression, document); });
  }
  if (const Json* ordering = search.find("ordering"); ordering != nullptr && !ordering->is_null()) {
    if (const Json* orders = ordering->find("orders"); orders != nullptr && !orders->as_array().empty()) {
      const std::string field = text_in(orders->as_array().front(), "field");
      const bool down = text_in(orders->as_array().front(), "direction") == "DESC";
      std::stable_sort(documents.begin(), documents.end(), [&](const Json& a, const Json& b) {
        const auto left = values_of(a.find(field));
        const auto right = values_of(b.find(field));
        return down ? right < left : left < right;
      });
    }
  }
  std::size_t number = 0;
  std::size_t size = 50;
  if (const Json* paging = search.find("paging"); paging != nullptr && !paging->is_null()) {
    number = static_cast<std::size_t>(std::max<std::int64_t>(paging->integer_or("pageNumber", 0), 0));
    size = static_cast<std::size_t>(std::clamp<std::int64_t>(paging->integer_or("pageSize", 50), 1, 1000));
  }
  const std::size_t begin = std::min(number * size, documents.size());
  const std::size_t end = std::min(begin + size, documents.size());
  const Json::Array page(documents.begin() + static_cast<std::ptrdiff_t>(begin),
                         documents.begin() + static_cast<std::ptrdiff_t>(end));
  return {Json(page), static_cast<std::int64_t>(documents.size())};
}

}  // namespace hsmbridge::rig::venafi
