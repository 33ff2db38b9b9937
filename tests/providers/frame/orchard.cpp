#include "orchard.h"

#include "base/json.h"
#include "net/url.h"
#include "providers/bundle.h"
#include "providers/following.h"
#include "providers/json_fields.h"
#include "x509/objects/csr.h"

#include <array>

namespace hsmbridge::orchard {
namespace {

using namespace workflow;
using Fate = providers::Refused::Fate;
using providers::Members;

struct Fault {
  std::string_view word;
  ErrorKind kind;
  Fate fate;
  std::string_view advice;
};
constexpr auto kFaults = std::to_array<Fault>({
    {"bad-token", ErrorKind::denied, Fate::not_accepted, "renew `token`"},
    {"full", ErrorKind::unavailable, Fate::not_accepted, "wait for room"},
    {"bad-csr", ErrorKind::invalid_input, Fate::for_good, "the service cannot read this CSR"},
    {"unknown", ErrorKind::not_found, Fate::for_good, ""},
});

struct Status {
  std::string_view word;
  RequestStatus means;
};
constexpr auto kStatuses = std::to_array<Status>({
    {"waiting", RequestStatus::awaiting_approval},
    {"grown", RequestStatus::ready},
    {"felled", RequestStatus::rejected},
});

std::optional<providers::Refused> refusal_in(std::string_view what, const net::Response& answer) {
  try {
    const Json json = Json::parse(answer.body);
    const std::string word = json.at("fault").as_string();
    const Fault* row = providers::row_with(kFaults, &Fault::word, word);
    Error error(row != nullptr ? row->kind : ErrorKind::refused,
                fmt::format("{}: the orchard says: {} ({})", what, json.string_or("text", ""), word));
    if (row != nullptr) error.hint(std::string(row->advice));
    providers::Refused refused{std::move(error), row != nullptr ? row->fate : Fate::for_good};
    if (word == "bad-token") refused.credential = "";
    return refused;
  } catch (const Error&) {
    return std::nullopt;
  }
}

constexpr providers::Dialect kDialect{"the orchard", &refusal_in};

Report report_from(const Members& in) {
  Report report;
  report.reference = ProviderReference(in.needed("order"));
  report.provider_status = in.needed("state");
  if (const Status* row = providers::row_with(kStatuses, &Status::word, report.provider_status))
    report.status = row->means;
  return report;
}

template <class Read>
auto read_answer(std::string_view body, Read read) {
  return providers::read_answer("the orchard", "order", body, providers::Types::exact, read);
}

std::string tag_of(const ProviderCall& call) {
  return fmt::format("{}-{}", call.order.id.str(), call.attempt);
}

}  // namespace

const providers::Dialect& dialect() {
  return kDialect;
}

Orchard::Orchard(std::shared_ptr<net::Transport> transport, providers::Source token, const Clock& clock)
    : api_(std::move(transport), kDialect,
           {{"Authorization", "Bearer ", providers::stored_credentials({std::move(token)})}}, clock) {}

SubmitAnswer Orchard::submit(const ProviderCall& call) {
  const Json body = Json::object({{"csr", x509::csr_to_pem(call.draft.csr)}, {"tag", tag_of(call)}});
  return api_.once("POST", "/orders", body.dump(), call.time_limit, call.call_until)
      .verdict<SubmitAnswer>([](const net::Response& success) -> SubmitAnswer {
        return Accepted{read_answer(success.body, report_from)};
      });
}

LookUpAnswer Orchard::look_up(const ProviderCall& call) {
  const providers::Answer answer = api_.get("/orders?tag=" + net::percent_encode(tag_of(call)), call.time_limit);
  return read_answer(answer.success().body, [](const Members& in) -> LookUpAnswer {
    in.json().at("orders");
    const std::vector<Report> orders = in.each("orders", report_from);
    if (orders.empty()) return Absent{};
    return Found{orders.front()};
  });
}

Report Orchard::poll(const ProviderCall& call) {
  const providers::Answer answer =
      api_.get("/orders/" + providers::submission_of(call, "the orchard").reference.str(), call.time_limit);
  Report report = read_answer(answer.success().body, report_from);
  report.retry_after = answer.retry_after();
  return report;
}

Report Orchard::retrieve(const ProviderCall& call) {
  const std::string& id = providers::submission_of(call, "the orchard").reference.str();
  const Bytes pem = to_bytes(api_.get("/orders/" + id + "/certificate", call.time_limit).success().body);
  Report report;
  report.status = RequestStatus::handed_out;
  report.result = IssuedResult{IssuedCertificate{pem}, pem};
  return report;
}

CancelAnswer Orchard::cancel(const ProviderCall&) {
  return CancelNotPossible{"the orchard has no call for it"};
}

Issued Orchard::certificate_in(const ProviderCall& call, const IssuedResult& result) const {
  return providers::issued_from("the orchard", result.octets(), x509::parse_csr(call.draft.csr).spki, call.order);
}

std::vector<std::string> Orchard::test() {
  api_.get("/orders?tag=none", std::chrono::seconds{30}).success();
  return {"the orchard answers"};
}

}  // namespace hsmbridge::orchard
