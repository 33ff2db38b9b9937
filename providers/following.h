#pragma once

#include "base/error.h"
#include "base/json.h"
#include "providers/json_fields.h"
#include "workflow/ports/provider.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

// What every provider does to follow a request that it has submitted. Thread rule: plain functions.
namespace hsmbridge::providers {

// What `whose` ("the TSB") is asked about. Throws internal where nothing is known of it.
inline const workflow::Submission& submission_of(const workflow::ProviderCall& call, std::string_view whose) {
  if (call.submission == nullptr || call.submission->reference.empty()) {
    throw Error{ErrorKind::internal, fmt::format("{} was asked about a request without its reference", whose)};
  }
  return *call.submission;
}

// The service does not know it (any more).
inline workflow::Report unknown_there(std::string why) {
  workflow::Report report;
  report.status = workflow::RequestStatus::gone;
  report.provider_status = "unknown there";
  report.message = std::move(why);
  return report;
}

// What a provider stores of a request: members without those that say nothing.
inline std::string stored(std::initializer_list<Json::Member> members) {
  Json json = Json::object();
  for (const auto& [name, value] : members) {
    if (!value.is_null() && value != Json("") && value != Json(false) && value != Json::array()) json.set(name, value);
  }
  return json.dump();
}
inline Json stored(const std::optional<Instant>& instant) {
  return instant ? Json(rfc3339(*instant)) : Json();
}

// What `read` (Members -> State) makes of it; nothing of "". Throws corrupt.
template <class State, class Read>
State stored_state(std::string_view text, Read read) {
  if (text.empty()) return {};
  try {
    const Json json = Json::parse(text);
    return read(Members(json, Types::exact));
  } catch (const Error& error) {
    throw Error{ErrorKind::corrupt, "the stored state of this provider cannot be read: " + error.message()};
  }
}

// Where the service makes the certificate of a CSR, a draft that is a certificate to be signed is of another type or mode
// of this provider: whoever approved it approved those bytes. Throws outdated_draft.
inline void expect_csr_alone(const workflow::Draft& draft) {
  if (draft.to_be_signed.empty()) return;
  throw workflow::outdated_draft(
      "the draft is a certificate to be signed, and by the configuration of now the service makes it of the CSR");
}

// A search under another account would not see what an attempt orders: nothing is sent then.
inline workflow::NotAccepted under_other_account(std::string_view provider, std::string_view here,
                                                 std::string_view drafted) {
  return {Error{ErrorKind::unavailable,
                fmt::format("provider {} has the credentials of {} now, and this request was drafted under those of "
                            "{}: nothing was sent",
                            provider, here.empty() ? "somebody whom the service does not name" : here, drafted)}
              .hint("give it those credentials again, or cancel the request and make a new one"),
          std::nullopt};
}

// Why a search as `here` that finds nothing does not prove that `drafted` ordered nothing: others may see less. "" where
// it does.
inline std::string seen_by_another(std::string_view service, std::string_view here, std::string_view drafted) {
  if (drafted.empty()) {
    return fmt::format(
        "{} did not tell who ordered it, so it is not known whether this search was made under the same "
        "account",
        service);
  }
  if (here == drafted) return "";
  return fmt::format("it was ordered by {}, and this search was made by {}", drafted,
                     here.empty() ? "somebody whom the service does not name" : here);
}

// The row of a table whose `column` is `value`; null where there is none.
template <class Table, class Column, class Value>
auto row_with(const Table& table, Column column, const Value& value) {
  const auto row = std::find_if(std::begin(table), std::end(table),
                                [&](const auto& one) { return std::invoke(column, one) == value; });
  return row == std::end(table) ? nullptr : &*row;
}

}  // namespace hsmbridge::providers
